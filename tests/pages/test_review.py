"""The facilitator's mailed link: look, then send, edit, swap or decline. Opening it changes nothing."""

from datetime import timedelta

import httpx
import pytest
from sqlmodel import select

from service.members.models import JoinRequest
from service.messages.models import Message
from service.parts import Parts
from service.tokens import WELCOME_LINK_MAX_AGE
from service.welcome.drafts import draft_welcomes
from tests.fakes import FrozenClock
from tests.pages.conftest import app_client
from tests.welcome.conftest import Welcomes


@pytest.fixture
def welcomes(parts: Parts) -> Welcomes:
    return Welcomes(parts)


class Review:
    """One drafted request and the link to it."""

    def __init__(self, parts: Parts, client: httpx.AsyncClient, welcomes: Welcomes) -> None:
        self.parts, self.client, self.welcomes = parts, client, welcomes

    async def begin(self) -> JoinRequest:
        self.library = await self.welcomes.library()
        request = await self.welcomes.newcomer()
        await draft_welcomes(self.parts)
        self.request = await self.welcomes.now_is(request)
        link = self.parts.links.welcome(request.id, now=self.parts.clock.now())
        self.path = link.removeprefix(self.parts.settings.base_url)
        return self.request

    async def post(self, do: str, **changes: str | list[str]) -> httpx.Response:
        form: dict[str, str | list[str]] = {
            "resource_ids": self.request.resource_ids, "note": "", "subject": self.request.draft_subject, "body": self.request.draft_body,
        }  # fmt: skip
        return await self.client.post(self.path, data=form | changes | {"do": do})

    async def mail(self) -> Message:
        async with self.parts.database.reading() as session:
            return (await session.exec(select(Message).where(Message.kind == "welcome"))).one()


@pytest.fixture
async def review(parts: Parts, welcomes: Welcomes) -> object:
    async with app_client(parts) as client:
        review = Review(parts, client, welcomes)
        await review.begin()
        yield review


async def test_a_scanner_that_follows_the_link_changes_nothing(review: Review) -> None:
    for method in ("GET", "HEAD", "GET"):
        answer = await review.client.request(method, review.path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["referrer-policy"] == "no-referrer"
    assert "Asha" in (await review.client.get(review.path)).text
    assert (await review.welcomes.now_is(review.request)).status == "open"


async def test_one_press_sends_the_welcome_once(review: Review) -> None:
    assert "on its way" in (await review.post("send")).text
    assert "on its way" in (await review.post("send")).text
    (delivery,) = await review.welcomes.deliveries("welcome")
    decided = await review.welcomes.now_is(review.request)
    assert (decided.status, decided.decided_by) == ("approved", "mailed link")
    assert "Shift handover sheet" in (await review.mail()).text
    assert delivery.key == f"welcome:{review.request.id}"


async def test_own_words_go_as_they_were_written(review: Review) -> None:
    answer = await review.post("send", subject="Hello Asha", body="Dear Asha,\r\n\r\nring me on Monday.")
    assert "on its way" in answer.text
    mail = await review.mail()
    assert mail.subject == "Hello Asha"
    assert mail.text.startswith("Dear Asha,\n\nring me on Monday.")


async def test_swapping_writes_the_letter_anew_and_a_note_goes_with_it(review: Review) -> None:
    other = str(review.library["Falls toolkit"].id)
    assert "on its way" in (await review.post("send", resource_ids=[other, ""], note="We meet on *Tuesday*.")).text
    mail = await review.mail()
    assert "Falls toolkit" in mail.text
    assert "Shift handover" not in mail.text
    assert "We meet on" in mail.text
    async with review.parts.database.reading() as session:
        falls = await session.get(type(review.library["Falls toolkit"]), review.library["Falls toolkit"].id)
    assert falls is not None
    assert (falls.swapped_in_count, falls.shown_count) == (1, 1)


async def test_the_letter_can_be_written_anew_without_sending(review: Review) -> None:
    other = str(review.library["Sepsis screening"].id)
    answer = await review.post("rewrite", resource_ids=[other])
    assert "nothing has been sent" in answer.text
    changed = await review.welcomes.now_is(review.request)
    assert (changed.status, changed.resource_ids) == ("open", [other])
    assert "Sepsis screening" in changed.draft_body


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"resource_ids": "x"}, "Choose from the list"),
        ({"resource_ids": "019a0000-0000-7000-8000-000000000000"}, "not in the library"),
        ({"body": " "}, "Write a letter"),
        ({"subject": "x" * 201}, "Give a subject"),
        ({"resource_ids": "", "body": "mine"}, "changed the letter too"),
    ],
)
async def test_what_does_not_fit_is_said_and_sends_nothing(review: Review, changes: dict[str, str], said: str) -> None:
    answer = await review.post("send", **changes)
    assert answer.status_code == 422
    assert said in answer.text
    assert (await review.welcomes.now_is(review.request)).status == "open"
    assert await review.welcomes.deliveries("welcome") == []


async def test_a_resource_whose_link_broke_is_never_sent(review: Review) -> None:
    async with review.parts.database.transaction() as session:
        resource = await session.get(type(review.library["Falls toolkit"]), review.library["Shift handover sheet"].id)
        assert resource is not None
        resource.link_problem = "404"
        session.add(resource)
    answer = await review.post("send")
    assert answer.status_code == 422
    assert "broken" in answer.text
    assert await review.welcomes.deliveries("welcome") == []


async def test_declining_sends_nothing_and_can_not_be_turned_round(review: Review) -> None:
    assert "No welcome goes" in (await review.post("decline")).text
    assert "No welcome goes" in (await review.post("send")).text
    assert await review.welcomes.deliveries("welcome") == []


async def test_only_a_whole_and_fresh_link_opens_it(review: Review, clock: FrozenClock) -> None:
    assert (await review.client.get(review.path[:-2])).status_code == 404
    confirm = review.parts.links.confirm(review.request.id, now=clock.now()).rpartition("/")[2]
    assert (await review.client.get(f"/welcome/{confirm}")).status_code == 404
    clock.at += WELCOME_LINK_MAX_AGE + timedelta(seconds=1)
    assert (await review.client.get(review.path)).status_code == 404


async def test_an_unknown_button_changes_nothing(review: Review) -> None:
    assert (await review.post("explode")).status_code == 200
    assert (await review.welcomes.now_is(review.request)).status == "open"

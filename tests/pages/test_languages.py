"""Joining, preferences and leaving in Welsh, from the page to the proof of consent; other languages are one catalogue each."""

from pathlib import Path

from sqlmodel import select

from service.languages import LOCALES, translations
from service.members.models import ConsentRecord, JoinRequest
from service.messages.models import Message
from service.privacy import subject_data
from service.welcome.drafts import draft_welcomes
from tests.pages.conftest import ANSWERS, Community


async def test_the_page_speaks_what_the_address_or_the_browser_asks_for(community: Community) -> None:
    client = community.client
    for path, accepts, code in (
        ("/join", "", "en"),
        ("/join", "cy-GB,cy;q=0.9,en;q=0.8", "cy"),
        ("/join?lang=cy", "en-GB", "cy"),
        ("/join?lang=en", "cy", "en"),
        ("/join?lang=xx", "de,fr", "en"),
        ("/join?lang=../../etc", "\x7f;;,,", "en"),
    ):
        answer = await client.get(path, headers={"Accept-Language": accepts})
        assert answer.headers["content-language"] == code
        assert f'<html lang="{code}-GB">' in answer.text
        assert ("Pam hoffech chi ymuno?" in answer.text) == (code == "cy")
        assert "Accept-Language" in answer.headers["vary"]


async def test_what_is_wrong_is_said_in_the_language_of_the_page(community: Community) -> None:
    answer = await community.client.post("/join?lang=cy", data={"join_reason": "byr"})
    assert answer.status_code == 422
    assert "Mae problem" in answer.text
    assert "mewn o leiaf 10 nod" in answer.text
    assert 'action="/join?lang=cy"' in answer.text


async def test_a_newcomer_joins_chooses_and_leaves_in_welsh_with_the_words_as_proof(community: Community) -> None:
    client, parts = community.client, community.parts
    client.headers["Accept-Language"] = "cy"
    assert "blwch post" in (await client.post("/join", data=ANSWERS | {"language": "cy"})).text
    link = await community.confirm_link(language="cy")
    (asked,) = await community.deliveries("confirm_join")
    async with parts.database.reading() as session:
        mail = (await session.exec(select(Message).where(Message.id == asked.message_id))).one()
    assert mail.subject.startswith("Cadarnhewch")
    assert 'lang="cy-GB"' in mail.html
    assert "I ymuno, agorwch y dudalen hon" in mail.text
    assert "Cadarnhau ac ymuno" in (await client.get(link)).text
    assert "Rydych wedi ymuno" in (await client.post(link)).text
    member = await community.member()
    assert member.language == "cy"
    page = await client.get(community.preferences(member))
    assert "Beth gawn ni ei anfon?" in page.text
    saved = await client.post(
        f"{community.preferences(member)}?lang=cy", data={"first_name": "Asha", "language": "cy", "wants_newsletter": "yes"}
    )
    assert "Mae'n cyfrif o hyn ymlaen." in saved.text.replace("&#39;", "'")
    async with parts.database.reading() as session:
        versions = {r.text_version for r in await session.exec(select(ConsentRecord).where(ConsentRecord.member_id == member.id))}
        proof = (await subject_data(session, member.id))["consents"]
    assert any(version.endswith(".cy") for version in versions)
    assert any("cylchlythyr" in str(row["text"]) for row in proof)
    assert "Atal ein holl negeseuon" in (await client.get(f"{community.unsubscribe(member)}?lang=cy")).text


def test_a_language_without_a_catalogue_is_english() -> None:
    assert translations("de").gettext("Join") == "Join"
    assert Path(LOCALES / "de.po").exists() is False


async def test_the_facilitator_is_told_in_english_which_language_the_letter_is_in(community: Community) -> None:
    for email, language, told in (("olwen@ysbyty.example.org", "cy", True), ("ann@ward.example.org", "en", False)):
        member = await community.joined(email=email, language=language)
        await draft_welcomes(community.parts)
        async with community.parts.database.reading() as session:
            request = (await session.exec(select(JoinRequest).where(JoinRequest.member_id == member.id))).one()
        link = community.parts.links.welcome(request.id, now=community.parts.clock.now())
        page = (await community.client.get(link, headers={"Accept-Language": "cy"})).text
        assert "Which resources go into the letter?" in page
        assert ("It is in Cymraeg, as they chose" in page) == told
        assert ("Croeso i" in page) == told

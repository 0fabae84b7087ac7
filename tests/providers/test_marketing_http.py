"""The SDK's traps, and that none of them is left."""

import asyncio
import threading
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

import httpx
import pytest

from service.providers.base import Misconfigured, Temporary
from service.providers.build import MailchimpProviders
from service.providers.config import MailchimpConfig
from service.providers.mailchimp_members import member_key
from tests.providers.scripted import CONFIG, Scripted, answer, problem, providers_over

MEMBER = {"id": "x", "email_address": "server@example.org", "status": "subscribed", "merge_fields": {}}


async def test_an_action_without_body_sends_no_body(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("POST", "/campaigns/c1/actions/send", httpx.Response(204))
    await providers.campaigns.send("c1")
    assert script.requests[0].content == b""
    assert "content-type" not in script.requests[0].headers


async def test_the_word_server_in_an_address_stays_as_it_is(script: Scripted) -> None:
    config = replace(CONFIG, marketing_url="http://server.test/3.0")
    key = member_key("server@example.org")
    script.on("GET", f"/lists/server9/members/{key}", answer(MEMBER))
    async with providers_over(script, config=replace(config, audience_id="server9")) as built:
        assert await built.audience.get("server@example.org")
    assert str(script.requests[0].url).startswith(f"http://server.test/3.0/lists/server9/members/{key}")


async def test_people_are_named_by_hash_in_addresses(providers: MailchimpProviders, script: Scripted) -> None:
    key = member_key(" Ann@Example.org ")
    assert key == member_key("ann@example.org")
    script.on("GET", f"/lists/L1/members/{key}", answer(MEMBER))
    script.on("PATCH", f"/lists/L1/members/{key}", answer(MEMBER))
    script.on("POST", f"/lists/L1/members/{key}/actions/delete-permanent", httpx.Response(204))
    script.on("POST", f"/lists/L1/members/{key}/tags", httpx.Response(204))
    await providers.audience.get("Ann@Example.org")
    await providers.audience.unsubscribe("Ann@Example.org")
    await providers.audience.forget("Ann@Example.org")
    await providers.audience.set_tags("Ann@Example.org", add=["x"], remove=["y"])
    assert all("@" not in str(request.url) and "%40" not in str(request.url) for request in script.requests)
    assert len(script.requests) == 4


async def test_an_empty_answer_is_no_answer(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("GET", "/ping", httpx.Response(200, json={}), httpx.Response(204), answer({"health_status": "fine"}))
    for expected in ({}, None, {"health_status": "fine"}):
        assert await providers.marketing.read(lambda sdk: sdk.ping.get(), lambda found: found) == expected


async def test_an_api_key_goes_by_basic_and_a_token_by_bearer(script: Scripted) -> None:
    script.on("GET", "/ping", answer({"health_status": "fine"}))
    for key in (CONFIG.api_key, "oauth-token-without-data-centre"):
        async with providers_over(script, config=replace(CONFIG, api_key=key)) as built:
            await built.marketing.read(lambda sdk: sdk.ping.get(), dict)
    assert script.requests[0].headers["authorization"].startswith("Basic ")
    assert script.requests[1].headers["authorization"] == "Bearer oauth-token-without-data-centre"


async def test_a_token_finds_its_data_centre_once() -> None:
    asked = []

    def network(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return answer({"dc": "us7"}) if request.url.host == "login.mailchimp.com" else answer({"health_status": "fine"})

    async with providers_over(network, config=MailchimpConfig(api_key="tokentoken", audience_id="L1")) as built:  # type: ignore[arg-type]
        for _ in range(2):
            await built.marketing.read(lambda sdk: sdk.ping.get(), dict)
    assert asked == ["https://login.mailchimp.com/oauth2/metadata", *["https://us7.api.mailchimp.com/3.0/ping"] * 2]


@pytest.mark.parametrize(
    ("given", "family"),
    [
        (answer({"dc": "evil.test/"}), Misconfigured),
        (answer({}), Misconfigured),
        (httpx.Response(401), Misconfigured),
        (httpx.Response(500), Temporary),
    ],
)
async def test_a_token_without_data_centre_has_its_family(given: httpx.Response, family: type[Exception]) -> None:
    config = MailchimpConfig(api_key="tokentoken", audience_id="L1", attempts=1)
    async with providers_over(lambda _: given, config=config) as built:  # type: ignore[arg-type]
        with pytest.raises(family):
            await built.marketing.read(lambda sdk: sdk.ping.get(), dict)


def test_the_data_centre_comes_from_the_end_of_a_key() -> None:
    assert MailchimpConfig(api_key="abc-us21", audience_id="").marketing_host == "https://us21.api.mailchimp.com/3.0"
    assert MailchimpConfig(api_key="abc", audience_id="").marketing_host == ""
    assert (
        MailchimpConfig(api_key="abc-us21", audience_id="", marketing_url="http://127.0.0.1:9/3.0/").marketing_host
        == "http://127.0.0.1:9/3.0"
    )


async def test_no_more_calls_run_at_once_than_there_are_connections(script: Scripted) -> None:
    lock, running, most = threading.Lock(), 0, 0
    room = threading.Event()

    def slow(_: httpx.Request) -> httpx.Response:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        room.wait(0.01)
        with lock:
            running -= 1
        return answer({"health_status": "fine"})

    script.on("GET", "/ping", slow)
    async with providers_over(script, config=replace(CONFIG, marketing_connections=3)) as built:
        await asyncio.gather(*(built.marketing.read(lambda sdk: sdk.ping.get(), dict) for _ in range(20)))
    assert most == 3


async def test_times_go_out_in_utc_with_the_offset_written(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("GET", "/lists/L1/members", answer({"members": []}))
    london = datetime(2026, 7, 1, 10, 0, tzinfo=ZoneInfo("Europe/London"))
    assert [contact async for contact in providers.audience.changed_since(london)] == []
    assert script.requests[0].url.params["since_last_changed"] == "2026-07-01T09:00:00+00:00"


async def test_a_missing_audience_is_misconfigured(providers: MailchimpProviders, script: Scripted) -> None:
    script.on("GET", "/", answer({"account_id": "a"}))
    script.on("GET", "/lists/L1", problem(404, "Resource Not Found"))
    with pytest.raises(Misconfigured, match="Audience not found"):
        await providers.audience.check()


async def test_the_audience_tells_what_the_plan_can(providers: MailchimpProviders, script: Scripted) -> None:
    script.on(
        "GET", "/", answer({"pricing_plan_type": "forever_free"}), answer({"pricing_plan_type": "monthly"}), answer({"account_id": "a"})
    )
    script.on("GET", "/lists/L1", answer({"id": "L1", "name": "CoP", "double_optin": True, "stats": {"member_count": 5}}))
    found = [await providers.audience.check() for _ in range(3)]
    assert [info.plan_can_schedule for info in found] == [False, True, None]
    assert (found[0].id, found[0].name, found[0].double_optin, found[0].member_count) == ("L1", "CoP", True, 5)

"""Everything that can come back over HTTP, and the family it belongs to; over a mocked network, through the real adapters."""

from datetime import timedelta

import httpx
import pytest
import respx

from service.providers.base import Misconfigured, OutboundEmail, OutcomeUnknown, ProviderError, Rejected, Temporary
from service.providers.build import build_providers, build_slots
from tests.fakes import NOW, FrozenClock
from tests.providers.scripted import CONFIG, HOST, TRANSACTIONAL, Waits, problem

EMPTY_429 = httpx.Response(429)
EMPTY_403 = httpx.Response(403)
HTML_502 = httpx.Response(502, html="<html>Bad gateway</html>")
HTML_403 = httpx.Response(403, html="<html>Slow down</html>")

MARKETING_CASES = [
    # what comes back, family of a read, family of a write, title
    (EMPTY_429, Temporary, Temporary, "HTTP 429"),
    (problem(429, "Too Many Requests"), Temporary, Temporary, "Too Many Requests"),
    (EMPTY_403, Temporary, Temporary, "HTTP 403"),
    (HTML_403, Temporary, Temporary, "HTTP 403"),
    (problem(403, "User Disabled"), Misconfigured, Misconfigured, "User Disabled"),
    (problem(401, "API Key Invalid"), Misconfigured, Misconfigured, "API Key Invalid"),
    (httpx.Response(401), Misconfigured, Misconfigured, "HTTP 401"),
    (httpx.Response(426), Misconfigured, Misconfigured, "HTTP 426"),
    (httpx.Response(302, headers={"location": "https://elsewhere.test"}), Misconfigured, Misconfigured, "HTTP 302"),
    (problem(500, "Compliance Related"), Misconfigured, Misconfigured, "Compliance Related"),
    (HTML_502, Temporary, OutcomeUnknown, "HTTP 502"),
    (httpx.Response(503), Temporary, OutcomeUnknown, "HTTP 503"),
    (problem(500, "Internal Server Error"), Temporary, OutcomeUnknown, "Internal Server Error"),
    (httpx.Response(200, html="<html>hello</html>"), Temporary, OutcomeUnknown, "Answer is not JSON"),
    (httpx.Response(200, json={"unexpected": 1}), Temporary, OutcomeUnknown, "Answer has an unexpected shape"),
    (httpx.Response(200, json=[]), Temporary, OutcomeUnknown, "Answer has an unexpected shape"),
    (problem(400, "Member In Compliance State"), Rejected, Rejected, "Member In Compliance State"),
    (problem(400, "Forgotten Email Not Subscribed"), Rejected, Rejected, "Forgotten Email Not Subscribed"),
    (problem(400, "Invalid Resource"), Rejected, Rejected, "Invalid Resource"),
    (problem(405, "Method Not Allowed"), Rejected, Rejected, "Method Not Allowed"),
    (httpx.Response(400), Rejected, Rejected, "HTTP 400"),
    (httpx.ConnectError("refused"), Temporary, Temporary, "ConnectError"),
    (httpx.ConnectTimeout("slow"), Temporary, Temporary, "ConnectTimeout"),
    (httpx.PoolTimeout("busy"), Temporary, Temporary, "PoolTimeout"),
    (httpx.ReadTimeout("slow"), Temporary, OutcomeUnknown, "ReadTimeout"),
    (httpx.ReadError("reset"), Temporary, OutcomeUnknown, "ReadError"),
    (httpx.WriteError("reset"), Temporary, OutcomeUnknown, "WriteError"),
    (httpx.RemoteProtocolError("gone"), Temporary, OutcomeUnknown, "RemoteProtocolError"),
]

SEND_CASES = [
    (EMPTY_429, Temporary, "HTTP 429"),
    (EMPTY_403, Temporary, "HTTP 403"),
    (httpx.Response(403, json={"status": "error", "name": "Forbidden", "message": "no"}), Misconfigured, "Forbidden"),
    (
        httpx.Response(401, json={"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}),
        Misconfigured,
        "Invalid_Key",
    ),
    (
        httpx.Response(500, json={"status": "error", "code": -1, "name": "Invalid_Key", "message": "Invalid API key"}),
        Misconfigured,
        "Invalid_Key",
    ),
    (httpx.Response(402, json={"status": "error", "name": "PaymentRequired", "message": "pay"}), Misconfigured, "PaymentRequired"),
    (httpx.Response(500, json={"status": "error", "code": -2, "name": "ValidationError", "message": "bad"}), Rejected, "ValidationError"),
    (httpx.Response(400, json={"status": "error", "code": -2, "name": "ValidationError", "message": "bad"}), Rejected, "ValidationError"),
    (
        httpx.Response(503, json={"status": "error", "name": "ServiceUnavailable", "message": "maintenance"}),
        Temporary,
        "ServiceUnavailable",
    ),
    (httpx.Response(500, json={"status": "error", "name": "GeneralError", "message": "oops"}), OutcomeUnknown, "GeneralError"),
    (httpx.Response(500), OutcomeUnknown, "HTTP 500"),
    (HTML_502, OutcomeUnknown, "HTTP 502"),
    (httpx.Response(200, html="<html>"), OutcomeUnknown, "Answer has an unexpected shape"),
    (httpx.Response(200, json=[]), OutcomeUnknown, "Answer has an unexpected shape"),
    (httpx.Response(200, json=[{"status": "teleported", "_id": "x"}]), OutcomeUnknown, "Answer has an unexpected shape"),
    (httpx.Response(200, json=[{"status": "sent"}]), OutcomeUnknown, "Answer has an unexpected shape"),
    (httpx.Response(200, json=[{"status": "rejected", "reject_reason": "unsigned", "_id": "x"}]), Misconfigured, "unsigned"),
    (httpx.ConnectError("refused"), Temporary, "ConnectError"),
    (httpx.ReadTimeout("slow"), OutcomeUnknown, "ReadTimeout"),
    (httpx.ReadError("reset"), OutcomeUnknown, "ReadError"),
    (httpx.RemoteProtocolError("gone"), OutcomeUnknown, "RemoteProtocolError"),
]

MAIL = OutboundEmail("d-1", "welcome", "ann@example.org", "Ann", "cop@example.net", "CoP", "Hello", "<p>Hi</p>", "Hi")


async def _failure_of_marketing(given: httpx.Response | Exception, *, writing: bool) -> ProviderError:
    effect = {"side_effect": given} if isinstance(given, Exception) else {"return_value": given}
    with respx.mock(assert_all_called=False) as network:
        network.get(f"{HOST}/campaigns/c1").mock(**effect)
        network.post(f"{HOST}/lists/L1").mock(**effect)
        built = build_providers(CONFIG, slots=build_slots(CONFIG, None), clock=FrozenClock(), sleep=Waits())
        try:
            with pytest.raises(ProviderError) as caught:
                await (built.marketing.write(_bulk_add, _errors) if writing else built.campaigns.get("c1"))
        finally:
            await built.close()
    return caught.value


def _bulk_add(sdk: object) -> object:
    return sdk.lists.batch_list_members("L1", {"members": []})  # type: ignore[attr-defined]


def _errors(document: object) -> object:
    return document["errors"]  # type: ignore[index]


@pytest.mark.parametrize(("given", "read_family", "write_family", "title"), MARKETING_CASES)
async def test_each_answer_to_a_read_has_its_family(
    given: httpx.Response | Exception, read_family: type[ProviderError], write_family: type[ProviderError], title: str
) -> None:
    failure = await _failure_of_marketing(given, writing=False)
    assert (type(failure), failure.title) == (read_family, title)


@pytest.mark.parametrize(("given", "read_family", "write_family", "title"), MARKETING_CASES)
async def test_each_answer_to_a_write_has_its_family(
    given: httpx.Response | Exception, read_family: type[ProviderError], write_family: type[ProviderError], title: str
) -> None:
    failure = await _failure_of_marketing(given, writing=True)
    assert (type(failure), failure.title) == (write_family, title)


@pytest.mark.parametrize(("given", "family", "title"), SEND_CASES)
async def test_each_answer_to_a_mail_has_its_family(given: httpx.Response | Exception, family: type[ProviderError], title: str) -> None:
    effect = {"side_effect": given} if isinstance(given, Exception) else {"return_value": given}
    with respx.mock as network:
        route = network.post(f"{TRANSACTIONAL}/messages/send.json").mock(**effect)
        built = build_providers(CONFIG, slots=build_slots(CONFIG, None), clock=FrozenClock(), sleep=Waits())
        try:
            with pytest.raises(ProviderError) as caught:
                await built.mailer.send(MAIL)
        finally:
            await built.close()
        assert route.call_count == 1, "a mail is never sent twice by the adapter"
    assert (type(caught.value), caught.value.title) == (family, title)


@pytest.mark.parametrize(
    ("given", "family"),
    [
        (EMPTY_429, Temporary),
        (httpx.Response(500), Temporary),
        (httpx.ReadTimeout("slow"), Temporary),
        (httpx.Response(401), Misconfigured),
    ],
)
async def test_looking_up_a_mail_never_ends_unknown(given: httpx.Response | Exception, family: type[ProviderError]) -> None:
    effect = {"side_effect": given} if isinstance(given, Exception) else {"return_value": given}
    with respx.mock as network:
        network.post(f"{TRANSACTIONAL}/messages/search.json").mock(**effect)
        built = build_providers(CONFIG, slots=build_slots(CONFIG, None), clock=FrozenClock(), sleep=Waits())
        try:
            with pytest.raises(family):
                await built.mailer.find("d-1", kind="welcome", since=NOW - timedelta(hours=1), until=NOW)
        finally:
            await built.close()


async def test_an_error_keeps_the_support_reference_and_loses_the_address() -> None:
    given = problem(
        400, "Invalid Resource", detail="ann@example.org looks fake or invalid", errors=[{"field": "FNAME", "message": "ann@example.org"}]
    )
    failure = await _failure_of_marketing(given, writing=True)
    assert failure.instance == "inst-1"
    assert failure.status == 400
    assert failure.detail == "(address) looks fake or invalid; FNAME: (address)"
    assert "ann" not in repr(failure) + str(failure)


async def test_no_key_shows_in_errors_or_repr() -> None:
    failure = await _failure_of_marketing(httpx.ConnectError(f"https://x:{CONFIG.api_key}@host"), writing=False)
    assert CONFIG.api_key not in repr(failure) + str(failure) + failure.detail + repr(CONFIG)
    assert CONFIG.transactional_key not in repr(CONFIG)
    assert failure.__cause__ is None


async def test_logs_name_the_family_and_nobody(caplog: pytest.LogCaptureFixture) -> None:
    given = problem(400, "Invalid Resource", detail="ann@example.org looks fake")
    await _failure_of_marketing(given, writing=True)
    [line] = [text for text in caplog.messages if text.startswith("mailchimp refused")]
    assert "family=Rejected" in line
    assert "instance=inst-1" in line
    assert "ann" not in caplog.text
    assert CONFIG.api_key not in caplog.text

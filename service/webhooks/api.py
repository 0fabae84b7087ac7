"""Where providers call: verify, store raw, answer 200. Applied later by a job. No key: signatures and the secret in the address."""

import hmac
import logging

from fastapi import APIRouter, Request, Response

from service.deps import PartsDep
from service.errors import NotFound, NotSignedIn
from service.parts import Parts
from service.providers import mailchimp_webhooks, transactional_webhooks
from service.providers.incoming import Reported
from service.webhooks.inbox import Source
from service.webhooks.intake import Intake
from service.webhooks.keys import marketing_path_secrets, signing_keys

log = logging.getLogger(__name__)
router = APIRouter(prefix="/webhooks", tags=["webhooks"])

OK = 200
"""Transactional counts anything but exactly 200 as a failure."""


@router.head("/mailchimp/{secret}", include_in_schema=False)
@router.get("/mailchimp/{secret}")
async def probe_marketing(secret: str, parts: PartsDep) -> Response:
    """Mailchimp checks that the address answers before it saves the webhook."""
    _check_secret(secret, parts)
    return Response(status_code=OK)


@router.post("/mailchimp/{secret}")
async def receive_marketing(secret: str, request: Request, parts: PartsDep) -> Response:
    """One audience event, form-encoded; signed since 2026, where signing was switched on at set-up."""
    _check_secret(secret, parts)
    raw = await request.body()
    now = parts.clock.now()
    keys = await signing_keys(parts, Source.MARKETING)
    header = request.headers.get(mailchimp_webhooks.SIGNATURE_HEADER, "")
    if (keys or header) and not mailchimp_webhooks.verify_signature(raw, header, secrets=[*keys, *marketing_path_secrets(parts)], now=now):
        log.warning("webhook refused: source=marketing signature=%s", "bad" if header else "missing")
        raise NotSignedIn("The signature does not fit.")
    text = raw.decode("utf-8", errors="replace")
    reports = mailchimp_webhooks.parse_form(raw, received_at=now)
    await _intake(request, parts).store(Source.MARKETING, [Reported(text, report.key, report.raw_type) for report in reports])
    return Response(status_code=OK)


@router.head("/transactional", include_in_schema=False)
@router.get("/transactional")
@router.head("/inbound", include_in_schema=False)
@router.get("/inbound")
async def probe_transactional() -> Response:
    """Transactional checks that the address answers before it saves the webhook."""
    return Response(status_code=OK)


@router.post("/transactional")
async def receive_transactional(request: Request, parts: PartsDep) -> Response:
    """A batch of message and sync events."""
    return await _receive_batch(request, parts, Source.TRANSACTIONAL)


@router.post("/inbound")
async def receive_inbound(request: Request, parts: PartsDep) -> Response:
    """A batch of inbound mails: replies."""
    return await _receive_batch(request, parts, Source.INBOUND)


async def _receive_batch(request: Request, parts: Parts, source: Source) -> Response:
    form = transactional_webhooks.form_of(await request.body())
    signature = request.headers.get(transactional_webhooks.SIGNATURE_HEADER, "")
    urls, intake = _addresses(parts, request.url.path, request.url.query), _intake(request, parts)
    verdict = transactional_webhooks.verify(form, signature, urls=urls, keys=await intake.keys(source))
    if verdict is transactional_webhooks.Verdict.FORGED:  # or signed with a key that has just been made
        verdict = transactional_webhooks.verify(form, signature, urls=urls, keys=await intake.keys(source, fresh=True))
    if verdict is transactional_webhooks.Verdict.FORGED:
        log.warning("webhook refused: source=%s signature=bad", source)
        raise NotSignedIn("The signature does not fit.")
    if verdict is transactional_webhooks.Verdict.GENUINE:
        await intake.store(source, transactional_webhooks.parse_batch(form, received_at=parts.clock.now()))
    return Response(status_code=OK)


def _intake(request: Request, parts: Parts) -> Intake:
    """The one of this application, made at the first call."""
    found: Intake | None = getattr(request.app.state, "intake", None)
    if found is None or found.parts is not parts:
        found = request.app.state.intake = Intake(parts)
    return found


def _addresses(parts: Parts, path: str, query: str) -> list[str]:
    """The address as it was entered at Mailchimp: ours in public, whatever a proxy in between makes of it."""
    return [f"{parts.settings.base_url}{path}" + (f"?{query}" if query else "")]


def _check_secret(given: str, parts: Parts) -> None:
    if not any(hmac.compare_digest(given.encode(), known.encode()) for known in marketing_path_secrets(parts)):
        raise NotFound("There is nothing here.")

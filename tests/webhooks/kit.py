"""Calls as Mailchimp makes them, signed as it signs them; written from its guides, not from our code."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import httpx
from sqlmodel import col, select

from service.app import create_app
from service.parts import Parts
from service.webhooks.models import WebhookEvent, WebhookKey

PUBLIC = "https://cop.example.org"
PATH_SECRET = "first-path-secret"
TRANSACTIONAL_KEY = "transactional-key"
SIGNING_SECRET = "audience-signing-secret"


@dataclass
class Caller:
    """Mailchimp, as our application sees it."""

    parts: Parts
    client: httpx.AsyncClient

    async def audience(self, form: dict[str, str], *, secret: str = PATH_SECRET, key: str = "", at: datetime | None = None) -> int:
        raw = urlencode(form).encode()
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if key:
            stamp = int((at or self.parts.clock.now()).timestamp())
            digest = hmac.new(key.encode(), f"{stamp}.".encode() + raw, hashlib.sha256).hexdigest()
            headers["X-Mailchimp-Signature"] = f"t={stamp},v1={digest}"
        return (await self.client.post(f"/webhooks/mailchimp/{secret}", content=raw, headers=headers)).status_code

    async def transactional(
        self, items: list[Any] | str, *, key: str = TRANSACTIONAL_KEY, path: str = "/webhooks/transactional", signed_url: str = ""
    ) -> int:
        text = items if isinstance(items, str) else json.dumps(items)
        signed = (signed_url or f"{PUBLIC}{path}") + "mandrill_events" + text
        signature = base64.b64encode(hmac.new(key.encode(), signed.encode(), hashlib.sha1).digest()).decode()
        headers = {"X-Mandrill-Signature": signature, "Content-Type": "application/x-www-form-urlencoded"}
        return (await self.client.post(path, content=urlencode({"mandrill_events": text}).encode(), headers=headers)).status_code

    async def stored(self) -> list[WebhookEvent]:
        async with self.parts.database.reading() as session:
            return list((await session.exec(select(WebhookEvent).order_by(col(WebhookEvent.id)))).all())

    async def keep_key(self, source: str, secret: str) -> None:
        async with self.parts.database.transaction() as session:
            session.add(WebhookKey(source=source, url=PUBLIC, secret=secret, created_at=self.parts.clock.now()))


@asynccontextmanager
async def open_caller(parts: Parts) -> AsyncIterator[Caller]:
    """The real application on these parts, called from outside; errors that nobody handles come as they would from a server."""

    @asynccontextmanager
    async def open_parts() -> AsyncIterator[Parts]:
        yield parts

    app = create_app(open_parts)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url="http://inside:8000") as client:
        yield Caller(parts, client)


def subscribe_form(email: str = "asha@trust.nhs.uk", fired_at: str = "2026-07-08 07:59:00") -> dict[str, str]:
    return {
        "type": "subscribe",
        "fired_at": fired_at,
        "data[id]": "8a25ff1d98",
        "data[list_id]": "L1",
        "data[email]": email,
        "data[merges][FNAME]": "Asha",
        "data[ip_opt]": "203.0.113.9",
    }


def message_item(event: str, delivery_id: str, *, ts: int = 1783497600, provider_id: str = "ab12", **more: Any) -> dict[str, Any]:
    """One item of a Transactional batch; ts is 2026-07-08 08:00 UTC."""
    msg = {"_id": provider_id, "ts": ts - 60, "email": "asha@trust.nhs.uk", "state": "sent", "metadata": {"delivery_id": delivery_id}}
    return {"event": event, "_id": provider_id, "ts": ts, "msg": msg | more.pop("msg", {}), **more}


def inbound_item(raw: str, *, to: str, sender: str, ts: int = 1783497600) -> dict[str, Any]:
    return {"event": "inbound", "ts": ts, "msg": {"raw_msg": raw, "email": to, "from_email": sender, "headers": {}}}

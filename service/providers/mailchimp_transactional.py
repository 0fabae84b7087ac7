"""The Mailer port over Mailchimp Transactional: one mail, one recipient, one call."""

from collections.abc import AsyncIterator, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from service.providers.base import DenylistEntry, Misconfigured, OutboundEmail, Product, Rejected, SendResult, SendStatus
from service.providers.denylist import entry_of, exported_denylist
from service.providers.rate import MinuteLimit
from service.providers.transactional_http import Json, TransactionalApi

SEARCH_LIMIT = 1000
DENYLIST_LIMIT = 1000  # `rejects/list` gives no more; a longer list comes as an export
_GOING_OUT = frozenset({"sent", "queued", "scheduled"})
_TURNED_DOWN = frozenset({"rejected", "invalid"})
# Reasons that say nothing about the recipient: the next mail would meet the same.
_OUR_FAULT = frozenset({"unsigned", "invalid-sender", "test-mode-limit"})


class MailchimpTransactional:
    """See `base.Mailer`. `deny` and `allow` may simply be repeated after OutcomeUnknown."""

    product = Product.TRANSACTIONAL
    measures = True

    def __init__(self, api: TransactionalApi, *, searches_per_minute: int, now: Callable[[], datetime]) -> None:
        self._api = api
        self._searches = MinuteLimit(searches_per_minute, now=now)

    async def send(self, mail: OutboundEmail) -> SendResult:
        """Hand one mail over. Raises any ProviderError; OutcomeUnknown when it may have been accepted, and Misconfigured for
        reasons that lie with our account or domain (`unsigned`, `invalid-sender`, `test-mode-limit`).
        """
        result = await self._api.write("messages/send", {"message": _message(mail), "async": False}, _first_answer)
        if result.status is SendStatus.REJECTED and result.reason in _OUR_FAULT:
            raise Misconfigured(result.reason)
        return result

    async def find(self, delivery_id: str, *, kind: str, since: datetime, until: datetime) -> SendResult | None:
        """What became of a delivery, by its id in the metadata; None when not found (yet: the index lags). At most 20 a minute:
        beyond that Temporary with `retry_after_seconds`.
        """
        self._searches.take()
        body = {
            "query": f"u_delivery_id:{delivery_id}",
            "date_from": since.astimezone(UTC).strftime("%Y-%m-%d"),
            "date_to": (until.astimezone(UTC) + timedelta(days=1)).strftime("%Y-%m-%d"),
            "tags": [kind],
            "limit": SEARCH_LIMIT,
        }
        return await self._api.read("messages/search", body, lambda answer: _best(answer, delivery_id, since))

    async def check(self) -> None:
        """Cheapest proof that the key works. Raises Misconfigured or Temporary."""
        try:
            await self._api.read("users/ping2", {}, lambda answer: answer["PING"])
        except Rejected as error:
            raise Misconfigured(error.title, status=error.status, detail=error.detail) from error

    async def rejects(self) -> AsyncIterator[DenylistEntry]:
        """The provider's denylist, all of it. A list too long for one answer is exported, which may take minutes."""
        rows = await self._api.read("rejects/list", {"include_expired": False}, lambda answer: [entry_of(row) for row in answer])
        if len(rows) >= DENYLIST_LIMIT:
            rows = await exported_denylist(self._api)
        for row in rows:
            yield row

    async def deny(self, email: str, *, comment: str) -> None:
        """Put an address on the provider's denylist; there already is fine."""
        await self._api.write("rejects/add", {"email": email, "comment": comment}, lambda answer: answer["added"])

    async def allow(self, email: str) -> None:
        """Take an address off the provider's denylist; absent is fine."""
        try:
            await self._api.write("rejects/delete", {"email": email}, lambda answer: answer["deleted"])
        except Rejected as error:
            if error.title not in ("Invalid_Reject", "Unknown_Reject"):
                raise


def _message(mail: OutboundEmail) -> dict[str, Any]:
    headers = dict(mail.headers)
    if mail.reply_to:
        headers["Reply-To"] = mail.reply_to
    return {
        "from_email": mail.from_email,
        "from_name": mail.from_name,
        "to": [{"email": mail.to_email, "name": mail.to_name, "type": "to"}],
        "subject": mail.subject,
        "html": mail.html,
        "text": mail.text,
        "headers": headers,
        "tags": [mail.kind],
        "metadata": {"delivery_id": mail.delivery_id},
        "track_opens": mail.track_opens,
        "track_clicks": mail.track_clicks,
        "merge": False,  # our text is finished; a `*|` in it is just text
        "auto_text": False,
        "inline_css": False,
        "preserve_recipients": False,
        "view_content_link": False,  # Mailchimp then keeps no copy of the content
        "important": False,
    }


def _first_answer(answer: Json) -> SendResult:
    """Raises (and so makes the outcome unknown) when there is no row, no id or a status that we don't know."""
    row = answer[0]
    status, provider_id = row["status"], str(row["_id"])
    if status in _GOING_OUT:
        return SendResult(SendStatus.ACCEPTED, provider_id, queued_reason=str(row.get("queued_reason") or ""))
    if status in _TURNED_DOWN:
        return SendResult(SendStatus.REJECTED, provider_id, str(row.get("reject_reason") or status))
    raise ValueError("unknown status")


def _best(rows: Json, delivery_id: str, since: datetime) -> SendResult | None:
    """The accepted one if there is any: the search matches words and whole days, so we compare id and time ourselves. What was turned
    down before `since` was an earlier try.
    """
    earliest = since.timestamp()
    ours = [row for row in rows if _metadata(row).get("delivery_id") == delivery_id and float(row.get("ts") or earliest) >= earliest]
    found = [_found(row) for row in ours]
    return min(found, key=lambda result: result.status is SendStatus.REJECTED, default=None)


def _metadata(row: Mapping[str, Any]) -> Mapping[str, Any]:
    metadata = row.get("metadata")
    return metadata if isinstance(metadata, dict) else {}  # empty ones come as a list


def _found(row: Mapping[str, Any]) -> SendResult:
    state = str(row.get("state") or "")
    status = SendStatus.REJECTED if state in _TURNED_DOWN else SendStatus.ACCEPTED
    return SendResult(status, str(row["_id"]), state)

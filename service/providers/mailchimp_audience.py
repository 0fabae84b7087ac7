"""The Audience port over Mailchimp's lists API. People are named by hash in every address, never by their address."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from service.providers.base import (
    AudienceInfo,
    BatchOutcome,
    Contact,
    ContactProblem,
    ContactStatus,
    Misconfigured,
    Rejected,
)
from service.providers.instants import to_iso
from service.providers.mailchimp_batches import batch_results, put_found, put_operations, put_problems, start_batch, wait_for_batch
from service.providers.mailchimp_http import NOT_FOUND, Json, MarketingApi, nothing
from service.providers.mailchimp_members import (
    EXISTS,
    IN_COMPLIANCE,
    MEMBER_FIELDS,
    bulk_problem,
    contact_of,
    member_key,
    new_member,
    tag_changes,
    upsert,
)
from service.providers.paging import OVERLAP, PAGE

BULK_LIMIT = 500
FREE_PLAN = "forever_free"


class MailchimpAudience:
    """See `base.Audience`. A write that raises OutcomeUnknown may simply be repeated: none of them does harm twice."""

    def __init__(self, api: MarketingApi, *, audience_id: str, batch_wait_seconds: float) -> None:
        self._api = api
        self._list = audience_id
        self._batch_wait_seconds = batch_wait_seconds

    async def check(self) -> AudienceInfo:
        """Proof that key and audience work. Raises Misconfigured or Temporary."""
        try:
            root = await self._api.read(lambda sdk: sdk.root.get_root(fields=["account_id", "pricing_plan_type"]), dict)
            return await self._api.read(lambda sdk: sdk.lists.get_list(self._list), lambda answer: _info(answer, root))
        except Rejected as error:
            title = "Audience not found" if error.status == NOT_FOUND else error.title
            raise Misconfigured(title, status=error.status, detail=error.detail, instance=error.instance) from error

    async def add(self, contacts: Sequence[Contact]) -> Sequence[ContactProblem]:
        """Add up to 500 people who are new, in one call; existing ones come back as `Member Exists`, untouched."""
        if not contacts:
            return []
        if len(contacts) > BULK_LIMIT:
            raise ValueError(f"at most {BULK_LIMIT} contacts in one call")
        body = {"members": [new_member(contact) for contact in contacts], "update_existing": False, "sync_tags": False}
        emails = {contact.email.lower(): contact.email for contact in contacts}
        return await self._api.write(
            lambda sdk: sdk.lists.batch_list_members(self._list, body, skip_duplicate_check=True),
            lambda answer: [bulk_problem(row, emails) for row in answer["errors"]],
        )

    async def put(self, contact: Contact) -> Contact:
        """Create or update one contact; with `previous_hash` the contact of the old address is moved. Only tags of ours come off."""
        found = await self._move(contact) if contact.previous_hash else None
        if found is None:
            body = upsert(contact)
            found = await self._api.put(lambda sdk: sdk.lists.set_list_member(self._list, member_key(contact.email), body), contact_of)
        missing = [tag for tag in contact.tags if tag not in found.tags]
        await self.set_tags(contact.email, add=missing, remove=[tag for tag in contact.drop_tags if tag in found.tags])
        return found

    async def _move(self, contact: Contact) -> Contact | None:
        """The contact under its new address; None when there is nothing to move (gone, cleaned, or moved already)."""
        old, new = contact.previous_hash, member_key(contact.email)
        before = await self._by_key(old) if old != new else None
        if before is None or before.status in (ContactStatus.CLEANED, ContactStatus.ARCHIVED):
            return None
        body = upsert(contact)
        body.pop("status_if_new")
        try:
            return await self._api.write(lambda sdk: sdk.lists.update_list_member(self._list, old, body), contact_of)
        except Rejected as error:
            if error.title != EXISTS:
                raise
        # The new address is in the audience already: that contact stays, the old one leaves, so that nobody gets two letters.
        await self._api.write(lambda sdk: sdk.lists.delete_list_member(self._list, old), nothing)
        return None

    async def put_many(self, contacts: Sequence[Contact]) -> Sequence[ContactProblem]:
        """`put` for up to 500 through one batch job at Mailchimp; waits for its end (see `start_put_many` for not waiting)."""
        if not contacts:
            return []
        batch_id = await self.start_put_many(contacts)
        rows = await wait_for_batch(self._api, batch_id, longest_seconds=self._batch_wait_seconds)
        return put_problems(rows, contacts)

    async def start_put_many(self, contacts: Sequence[Contact]) -> str:
        """Start the batch job for up to 500 contacts; its id, for `put_many_problems`. Moves of addresses are made at once."""
        if len(contacts) > BULK_LIMIT:
            raise ValueError(f"at most {BULK_LIMIT} contacts in one call")
        for contact in contacts:
            if contact.previous_hash:
                await self._move(contact)
        return await start_batch(self._api, put_operations(self._list, contacts))

    async def put_many_outcome(self, batch_id: str, contacts: Sequence[Contact]) -> BatchOutcome | None:
        """What a finished batch job did; None while it runs. `contacts` are those it was started with."""
        rows = await batch_results(self._api, batch_id)
        return None if rows is None else BatchOutcome(put_found(rows), put_problems(rows, contacts))

    async def set_tags(self, email: str, *, add: Sequence[str], remove: Sequence[str]) -> None:
        """Change the tags of one contact, without setting off automations. Raises Rejected (404) for an unknown contact."""
        if add or remove:
            body = tag_changes(add, remove)
            await self._api.write(lambda sdk: sdk.lists.update_list_member_tags(self._list, member_key(email), body), nothing)

    async def get(self, email: str) -> Contact | None:
        """One contact; None when unknown or erased."""
        return await self._by_key(member_key(email))

    async def _by_key(self, key: str) -> Contact | None:
        try:
            return await self._api.read(lambda sdk: sdk.lists.get_list_member(self._list, key), contact_of)
        except Rejected as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def changed_since(
        self, since: datetime | None, *, archived_since: datetime | Literal["same"] | None = "same"
    ) -> AsyncIterator[Contact]:
        """Every contact changed since the instant, oldest change first; the archived ones after all others."""
        for status, start in (("", since), (ContactStatus.ARCHIVED.value, since if archived_since == "same" else archived_since)):
            async for contact in self._changed(start, status):
                yield contact

    async def _changed(self, since: datetime | None, status: str) -> AsyncIterator[Contact]:
        """Each page starts where the last one ended in time, not in place: a contact that changes meanwhile moves to the end and is
        met there. Within one second shared by a whole page (a bulk import) we go on by place.
        """
        seen: set[tuple[str, datetime | None]] = set()
        offset = 0
        while True:
            page = await self._page(since, status, offset)
            for contact in page:
                mark = (member_key(contact.email), contact.last_changed_at)
                if mark not in seen:
                    seen.add(mark)
                    yield contact
            if len(page) < PAGE:
                return
            last = page[-1].last_changed_at
            edge = last - timedelta(seconds=1) if last is not None else None
            if edge is not None and (since is None or edge > since):
                since, offset = edge, 0
            else:
                offset += PAGE - OVERLAP

    async def _page(self, since: datetime | None, status: str, offset: int) -> list[Contact]:
        query: dict[str, Json] = {"sort_field": "last_changed", "sort_dir": "ASC", "count": PAGE, "offset": offset}
        query["fields"] = ["total_items", *(f"members.{field}" for field in MEMBER_FIELDS)]
        if since is not None:
            query["since_last_changed"] = to_iso(since)
        if status:
            query["status"] = status
        return await self._api.read(
            lambda sdk: sdk.lists.get_list_members_info(self._list, **query),
            lambda answer: [contact_of(member) for member in answer["members"]],
        )

    async def unsubscribe(self, email: str) -> None:
        """Mark as unsubscribed. Unknown is fine, and so is a contact that Mailchimp itself holds back."""
        body = {"status": ContactStatus.UNSUBSCRIBED.value}
        try:
            await self._api.write(lambda sdk: sdk.lists.update_list_member(self._list, member_key(email), body), nothing)
        except Rejected as error:
            if error.status != NOT_FOUND and error.title != IN_COMPLIANCE:
                raise

    async def forget(self, email: str) -> None:
        """Erase for good (the address can never be imported again); unknown is fine."""
        try:
            await self._api.write(lambda sdk: sdk.lists.delete_list_member_permanent(self._list, member_key(email)), nothing)
        except Rejected as error:
            if error.status != NOT_FOUND:
                raise


def _info(answer: Json, root: dict[str, Json]) -> AudienceInfo:
    plan = root.get("pricing_plan_type")
    return AudienceInfo(
        id=str(answer["id"]),
        name=str(answer.get("name") or ""),
        double_optin=bool(answer.get("double_optin")),
        member_count=int((answer.get("stats") or {}).get("member_count") or 0),
        plan_can_schedule=None if not plan else plan != FREE_PLAN,
    )

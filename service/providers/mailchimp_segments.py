"""Static segments at Mailchimp (the same thing as a tag there): found by name, filled by difference."""

from collections.abc import AsyncIterator, Sequence

from service.providers.base import Rejected
from service.providers.findings import Finding, made
from service.providers.mailchimp_http import NOT_FOUND, MarketingApi, nothing
from service.providers.paging import read_pages

SEGMENT_CALL_LIMIT = 500  # to add, and as many to remove, in one call


async def ensure_segments(api: MarketingApi, *, audience_id: str, names: Sequence[str], dry_run: bool) -> Finding:
    """The tags of these names (a tag is a static segment), made empty where they are missing: to be chosen in Mailchimp before anybody
    has them.
    """
    segments = MailchimpSegments(api, audience_id=audience_id)
    there = {name for _, name in await segments.all()}
    missing = [name for name in names if name not in there]
    if not missing:
        return Finding("segments", True, f"All {len(names)} are there.")
    if not dry_run:
        for name in missing:
            await segments.create(name)
    return made("segments", ", ".join(missing), dry_run=dry_run)


class MailchimpSegments:
    """The static segments of one audience."""

    def __init__(self, api: MarketingApi, *, audience_id: str) -> None:
        self._api = api
        self._list = audience_id

    async def exactly(self, name: str, emails: Sequence[str]) -> int:
        """The id of the segment that holds exactly these people; those not in the audience are left out by Mailchimp. May be
        repeated after a crash at any point.
        """
        segment_id = await self._find(name)
        if segment_id is None:
            segment_id = await self.create(name)
        wanted = {email.strip().lower(): email for email in emails}
        there = {email async for email in self._members(segment_id)}
        add = [wanted[email] for email in wanted if email not in there]
        remove = sorted(there - wanted.keys())
        for start in range(0, max(len(add), len(remove)), SEGMENT_CALL_LIMIT):
            end = start + SEGMENT_CALL_LIMIT
            await self._change(segment_id, add[start:end], remove[start:end])
        return segment_id

    async def create(self, name: str) -> int:
        """A new, empty segment; its id."""
        body = {"name": name, "static_segment": []}
        return await self._api.write(lambda sdk: sdk.lists.create_segment(self._list, body), lambda answer: int(answer["id"]))

    async def delete(self, segment_id: int) -> None:
        """Remove a segment; absent is fine."""
        try:
            await self._api.write(lambda sdk: sdk.lists.delete_segment(self._list, segment_id), nothing)
        except Rejected as error:
            if error.status != NOT_FOUND:
                raise

    async def _find(self, name: str) -> int | None:
        return min((segment_id for segment_id, found_name in await self.all() if found_name == name), default=None)

    async def all(self) -> list[tuple[int, str]]:
        """Every static segment: (id, name)."""

        async def page(offset: int, count: int) -> list[tuple[int, str]]:
            return await self._api.read(
                lambda sdk: sdk.lists.list_segments(
                    self._list, type="static", count=count, offset=offset, fields=["segments.id", "segments.name", "total_items"]
                ),
                lambda answer: [(int(row["id"]), str(row["name"])) for row in answer["segments"]],
            )

        return [segment async for segment in read_pages(page, lambda row: row[0])]

    async def _members(self, segment_id: int) -> AsyncIterator[str]:
        async def page(offset: int, count: int) -> list[str]:
            return await self._api.read(
                lambda sdk: sdk.lists.get_segment_members_list(
                    self._list, segment_id, count=count, offset=offset, include_cleaned=True, include_transactional=True,
                    include_unsubscribed=True, fields=["members.email_address", "total_items"],
                ),
                lambda answer: [str(row["email_address"]).lower() for row in answer["members"]],
            )  # fmt: skip

        async for email in read_pages(page, lambda email: email):
            yield email

    async def _change(self, segment_id: int, add: Sequence[str], remove: Sequence[str]) -> None:
        body = {"members_to_add": list(add), "members_to_remove": list(remove)}
        await self._api.write(lambda sdk: sdk.lists.batch_segment_members(body, self._list, segment_id), nothing)

"""Static segments at Mailchimp (the same thing as a tag there): found by name, filled by difference."""

from collections.abc import AsyncIterator, Sequence

from service.providers.base import Rejected
from service.providers.mailchimp_http import NOT_FOUND, MarketingApi, nothing
from service.providers.paging import read_pages

SEGMENT_CALL_LIMIT = 500  # to add, and as many to remove, in one call


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
            body = {"name": name, "static_segment": []}
            segment_id = await self._api.write(lambda sdk: sdk.lists.create_segment(self._list, body), lambda answer: int(answer["id"]))
        wanted = {email.strip().lower(): email for email in emails}
        there = {email async for email in self._members(segment_id)}
        add = [wanted[email] for email in wanted if email not in there]
        remove = sorted(there - wanted.keys())
        for start in range(0, max(len(add), len(remove)), SEGMENT_CALL_LIMIT):
            end = start + SEGMENT_CALL_LIMIT
            await self._change(segment_id, add[start:end], remove[start:end])
        return segment_id

    async def delete(self, segment_id: int) -> None:
        """Remove a segment; absent is fine."""
        try:
            await self._api.write(lambda sdk: sdk.lists.delete_segment(self._list, segment_id), nothing)
        except Rejected as error:
            if error.status != NOT_FOUND:
                raise

    async def _find(self, name: str) -> int | None:
        async def page(offset: int, count: int) -> list[tuple[int, str]]:
            return await self._api.read(
                lambda sdk: sdk.lists.list_segments(
                    self._list, type="static", count=count, offset=offset, fields=["segments.id", "segments.name", "total_items"]
                ),
                lambda answer: [(int(row["id"]), str(row["name"])) for row in answer["segments"]],
            )

        found = [segment_id async for segment_id, found_name in read_pages(page, lambda row: row[0]) if found_name == name]
        return min(found, default=None)

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

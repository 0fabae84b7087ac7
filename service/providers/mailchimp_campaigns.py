"""The Campaigns port over Mailchimp's campaigns API. Mailchimp has no idempotency keys: the caller looks up before it creates."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from service.providers.base import CampaignDraft, CampaignStatus, ChecklistItem, Misconfigured, Rejected, RemoteCampaign
from service.providers.instants import from_text, to_iso
from service.providers.mailchimp_http import BAD_REQUEST, NOT_FOUND, Json, MarketingApi, nothing
from service.providers.mailchimp_segments import MailchimpSegments
from service.providers.paging import read_pages

QUARTER_MINUTES = 15
CAMPAIGN_FIELDS = tuple(
    f"campaigns.{name}"
    for name in (
        "id", "status", "emails_sent", "send_time", "archive_url", "long_archive_url", "settings.title", "recipients.recipient_count",
        "parent_campaign_id",
    )
)  # fmt: skip
_PLAN_WORDS = ("plan", "upgrade", "pricing")


class MailchimpCampaigns:
    """See `base.Campaigns`."""

    def __init__(self, api: MarketingApi, *, audience_id: str) -> None:
        self._api = api
        self._list = audience_id
        self._segments = MailchimpSegments(api, audience_id=audience_id)

    async def folder(self, name: str) -> str:
        """The id of our folder, created when missing; the first made if there are several."""

        async def page(offset: int, count: int) -> list[tuple[str, str]]:
            return await self._api.read(
                lambda sdk: sdk.campaignFolders.list(count=count, offset=offset),
                lambda answer: [(str(row["id"]), str(row["name"])) for row in answer["folders"]],
            )

        found = [folder_id async for folder_id, found_name in read_pages(page, lambda row: row[0]) if found_name == name]
        if found:
            return found[0]
        return await self._api.write(lambda sdk: sdk.campaignFolders.create({"name": name}), lambda answer: str(answer["id"]))

    async def segment(self, name: str, emails: Sequence[str]) -> int:
        """A static segment with exactly these people, created or brought up to date; its id."""
        return await self._segments.exactly(name, emails)

    async def delete_segment(self, segment_id: int) -> None:
        """Remove a static segment; absent is fine."""
        await self._segments.delete(segment_id)

    async def find(self, title: str, *, folder_id: str, created_since: datetime) -> Sequence[RemoteCampaign]:
        """All campaigns of this audience with exactly this title. Mailchimp has no filter by title: we read the folder."""
        query: dict[str, Json] = {"list_id": self._list, "since_create_time": to_iso(created_since)}
        if folder_id:
            query["folder_id"] = folder_id

        async def page(offset: int, count: int) -> list[tuple[str, RemoteCampaign | None]]:
            return await self._api.read(
                lambda sdk: sdk.campaigns.list(**query, count=count, offset=offset, fields=[*CAMPAIGN_FIELDS, "total_items"]),
                lambda answer: [(str(row["id"]), campaign_of(row) if _title(row) == title else None) for row in answer["campaigns"]],
            )

        return [campaign async for _, campaign in read_pages(page, lambda row: row[0]) if campaign is not None and not campaign.is_child]

    async def create(self, draft: CampaignDraft) -> RemoteCampaign:
        """Make the campaign. OutcomeUnknown means: look it up by title before any other try."""
        body = _campaign_document(draft, self._list)
        return await self._api.write(lambda sdk: sdk.campaigns.create(body), campaign_of)

    async def get(self, campaign_id: str) -> RemoteCampaign | None:
        """The campaign now; None when Mailchimp doesn't have it."""
        try:
            return await self._api.read(lambda sdk: sdk.campaigns.get(campaign_id), campaign_of)
        except Rejected as error:
            if error.status == NOT_FOUND:
                return None
            raise

    async def set_content(self, campaign_id: str, *, html: str, text: str) -> None:
        """Replace the content; may be repeated."""
        body = {"html": html, "plain_text": text}
        await self._api.put(lambda sdk: sdk.campaigns.set_content(campaign_id, body), nothing)

    async def checklist(self, campaign_id: str) -> tuple[bool, Sequence[ChecklistItem]]:
        """Is it ready, and what Mailchimp found."""
        return await self._api.read(lambda sdk: sdk.campaigns.get_send_checklist(campaign_id), _checklist)

    async def test(self, campaign_id: str, emails: Sequence[str]) -> None:
        """Send a test mail."""
        body = {"test_emails": list(emails), "send_type": "html"}
        await self._api.write(lambda sdk: sdk.campaigns.send_test_email(campaign_id, body), nothing)

    async def schedule(self, campaign_id: str, at: datetime) -> None:
        """Schedule at a quarter hour. Raises Misconfigured when the plan can't, ValueError for any other minute."""
        instant = at.astimezone(UTC)
        if instant.minute % QUARTER_MINUTES or instant.second or instant.microsecond:
            raise ValueError("Mailchimp sends at :00, :15, :30 and :45 only")
        body = {"schedule_time": to_iso(instant)}
        try:
            await self._api.write(lambda sdk: sdk.campaigns.schedule(campaign_id, body), nothing)
        except Rejected as error:
            if error.status == BAD_REQUEST and any(word in error.detail.lower() for word in _PLAN_WORDS):
                raise Misconfigured(error.title, status=error.status, detail=error.detail, instance=error.instance) from error
            raise

    async def unschedule(self, campaign_id: str) -> None:
        """Back to `save`, if sending has not begun. Raises Rejected otherwise."""
        await self._api.write(lambda sdk: sdk.campaigns.unschedule(campaign_id), nothing)

    async def send(self, campaign_id: str) -> None:
        """Send now. OutcomeUnknown means: read the status before anything else."""
        await self._api.write(lambda sdk: sdk.campaigns.send(campaign_id), nothing)

    async def cancel(self, campaign_id: str) -> None:
        """Stop what has not gone yet (a paid feature). Raises Rejected or Misconfigured."""
        await self._api.write(lambda sdk: sdk.campaigns.cancel_send(campaign_id), nothing)

    async def delete(self, campaign_id: str) -> None:
        """Remove an unsent campaign; absent is fine."""
        try:
            await self._api.write(lambda sdk: sdk.campaigns.remove(campaign_id), nothing)
        except Rejected as error:
            if error.status != NOT_FOUND:
                raise


def _campaign_document(draft: CampaignDraft, audience_id: str) -> dict[str, Any]:
    recipients: dict[str, Any] = {"list_id": audience_id}
    if draft.segment_id is not None:
        recipients["segment_opts"] = {"saved_segment_id": draft.segment_id}
    settings = {
        "title": draft.title,
        "subject_line": draft.subject,
        "preview_text": draft.preview_text,
        "from_name": draft.from_name,
        "reply_to": draft.reply_to,  # Mailchimp's From address too
        "to_name": "*|FNAME|*",
        "auto_footer": False,
        "inline_css": False,
        "authenticate": True,
    }
    if draft.folder_id:
        settings["folder_id"] = draft.folder_id
    tracking = {"opens": draft.track_opens, "html_clicks": draft.track_clicks, "text_clicks": False}
    body = {"type": "regular", "recipients": recipients, "settings": settings, "tracking": tracking}
    if len(draft.subjects) > 1:
        # all recipients are in the test: everybody gets it at once, and there is nobody left whom a winner could go to
        trial = {"winner_criteria": "manual", "test_size": 100, "subject_lines": list(draft.subjects)}
        body |= {"type": "variate", "variate_settings": trial}
    return body


def _title(row: Mapping[str, Any]) -> str:
    return str((row.get("settings") or {}).get("title") or "")


def campaign_of(row: Mapping[str, Any]) -> RemoteCampaign:
    """A campaign as read. Raises KeyError or ValueError for a document that is none."""
    count = (row.get("recipients") or {}).get("recipient_count")
    return RemoteCampaign(
        id=str(row["id"]),
        title=_title(row),
        status=CampaignStatus(row["status"]),
        emails_sent=int(row.get("emails_sent") or 0),
        send_time=from_text(row.get("send_time")),
        recipient_count=None if count is None else int(count),
        is_child=bool(row.get("parent_campaign_id")),
        archive_url=str(row.get("long_archive_url") or row.get("archive_url") or ""),
    )


def _checklist(answer: Json) -> tuple[bool, Sequence[ChecklistItem]]:
    items = [
        ChecklistItem(str(item.get("type") or ""), str(item.get("heading") or ""), str(item.get("details") or ""))
        for item in answer.get("items") or ()
    ]
    return bool(answer["is_ready"]), items

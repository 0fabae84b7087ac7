"""Mailchimp's campaigns in memory, as far as test sends need them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from service.providers.base import CampaignDraft, CampaignStatus, ChecklistItem, ProviderError, RemoteCampaign


@dataclass
class FakeCampaigns:
    """Remembers what it is asked; `trouble` names the call that fails, and how."""

    trouble: dict[str, ProviderError] = field(default_factory=dict)
    drafts: dict[str, CampaignDraft] = field(default_factory=dict)
    contents: dict[str, tuple[str, str]] = field(default_factory=dict)
    tested: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def _meet_trouble(self, call: str) -> None:
        if call in self.trouble:
            raise self.trouble[call]

    async def folder(self, name: str) -> str:
        self._meet_trouble("folder")
        return f"folder-{name}"

    async def create(self, draft: CampaignDraft) -> RemoteCampaign:
        self._meet_trouble("create")
        campaign_id = f"c{len(self.drafts) + 1}"
        self.drafts[campaign_id] = draft
        return RemoteCampaign(campaign_id, draft.title, CampaignStatus.SAVE, 0, None, None)

    async def set_content(self, campaign_id: str, *, html: str, text: str) -> None:
        self._meet_trouble("set_content")
        self.contents[campaign_id] = (html, text)

    async def test(self, campaign_id: str, emails: Sequence[str]) -> None:
        self._meet_trouble("test")
        self.tested.append((campaign_id, tuple(emails)))

    async def delete(self, campaign_id: str) -> None:
        self._meet_trouble("delete")
        self.deleted.append(campaign_id)

    async def segment(self, name: str, emails: Sequence[str]) -> int:
        raise NotImplementedError

    async def delete_segment(self, segment_id: int) -> None:
        raise NotImplementedError

    async def find(self, title: str, *, folder_id: str, created_since: datetime) -> Sequence[RemoteCampaign]:
        raise NotImplementedError

    async def get(self, campaign_id: str) -> RemoteCampaign | None:
        raise NotImplementedError

    async def checklist(self, campaign_id: str) -> tuple[bool, Sequence[ChecklistItem]]:
        raise NotImplementedError

    async def schedule(self, campaign_id: str, at: datetime) -> None:
        raise NotImplementedError

    async def unschedule(self, campaign_id: str) -> None:
        raise NotImplementedError

    async def send(self, campaign_id: str) -> None:
        raise NotImplementedError

    async def cancel(self, campaign_id: str) -> None:
        raise NotImplementedError

"""The working state: every record in memory, with the indexes that the hot paths need."""

from typing import Any

from sandbox.config import SandboxConfig
from sandbox.ids import md5_hex
from sandbox.records import (
    Action,
    Audience,
    Campaign,
    Inbound,
    Mail,
    Member,
    Reject,
    Segment,
    make_mail,
)
from sandbox.store import Doc, Store, Table


def _same(doc: Doc) -> Doc:
    return doc


class State:
    """All tables; `save_*` keep the indexes right, so use them instead of the tables where they exist."""

    def __init__(self, store: Store, config: SandboxConfig) -> None:
        """Load what was kept and rebuild the indexes."""
        self.store, self.config = store, config
        self.audiences = Table[Audience](store, "audience", lambda d: Audience(**d))
        self.members = Table[Member](store, "member", lambda d: Member(**d))
        self.segments = Table[Segment](store, "segment", lambda d: Segment(**d))
        self.campaigns = Table[Campaign](store, "campaign", lambda d: Campaign(**d))
        self.mails = Table[Mail](store, "mail", make_mail)
        self.actions = Table[Action](store, "action", lambda d: Action(**d))
        self.rejects = Table[Reject](store, "reject", lambda d: Reject(**d))
        self.inbound = Table[Inbound](store, "inbound", lambda d: Inbound(**d))
        self.forgotten = Table[Doc](store, "forgotten", _same)  # key list_id/hash
        self.allowed = Table[Doc](store, "allowed", _same)  # Transactional allowlist by address
        self.pins = Table[Doc](store, "pin", _same)  # address -> {"behaviours": [...]}
        self.docs: dict[str, Table[Doc]] = {}
        self.list_members: dict[str, dict[str, Member]] = {}
        self.contact_ids: dict[str, tuple[str, str]] = {}
        self.segment_members: dict[str, dict[str, None]] = {}
        self.segment_names: dict[tuple[str, str], str] = {}
        self.mails_of: dict[str, list[str]] = {}
        self.campaign_mails: dict[str, list[str]] = {}
        self.metadata_index: dict[tuple[str, str], list[str]] = {}
        self.versions: dict[str, int] = {}
        self._cache: dict[str, tuple[object, Any]] = {}
        self._index()

    def table(self, kind: str) -> Table[Doc]:
        """Return the table of plain documents of a kind (folders, webhooks, ...)."""
        if kind not in self.docs:
            self.docs[kind] = Table[Doc](self.store, kind, _same)
        return self.docs[kind]

    def new_id(self, kind: str, length: int = 10) -> str:
        """Return a fresh hex id, the same for the same seed and order."""
        number = self.store.next_number(f"id:{kind}")
        return md5_hex(f"{self.config.seed}:{kind}:{number}")[:length]

    def _index(self) -> None:
        for member in self.members.rows.values():
            self._index_member(member)
        for segment in self.segments.rows.values():
            self.segment_names[segment.list_id, segment.name] = str(segment.id)
            self.segment_members.setdefault(str(segment.id), {})
        for mail in self.mails.rows.values():
            self._index_mail(mail)

    def _index_member(self, member: Member) -> None:
        self.list_members.setdefault(member.list_id, {})[member.id] = member
        self.contact_ids[member.contact_id] = (member.list_id, member.id)
        for segment_id in member.tags:
            self.segment_members.setdefault(segment_id, {})[member.id] = None

    def _index_mail(self, mail: Mail) -> None:
        self.mails_of.setdefault(mail.email.lower(), []).append(mail.id)
        if mail.campaign_id:
            self.campaign_mails.setdefault(mail.campaign_id, []).append(mail.id)
        for name, value in mail.metadata.items():
            self.metadata_index.setdefault((name, str(value)), []).append(mail.id)

    def save_member(self, member: Member) -> None:
        """Keep a new or changed member."""
        self.members.save(f"{member.list_id}/{member.id}", member)
        self._index_member(member)
        self.touch(member.list_id)

    def drop_member(self, member: Member) -> None:
        """Remove a member for good."""
        self.members.drop(f"{member.list_id}/{member.id}")
        self.list_members.get(member.list_id, {}).pop(member.id, None)
        self.contact_ids.pop(member.contact_id, None)
        for segment_id in member.tags:
            self.segment_members.get(segment_id, {}).pop(member.id, None)
        self.touch(member.list_id)

    def save_segment(self, segment: Segment) -> None:
        """Keep a new or renamed segment."""
        for key in [k for k, found in self.segment_names.items() if found == str(segment.id)]:
            del self.segment_names[key]
        self.segments.save(str(segment.id), segment)
        self.segment_names[segment.list_id, segment.name] = str(segment.id)
        self.segment_members.setdefault(str(segment.id), {})
        self.touch(segment.list_id)

    def save_new_mail(self, mail: Mail) -> None:
        """Keep a mail that was just taken in; give it its number in that mailbox."""
        mail.ordinal = len(self.mails_of.get(mail.email.lower(), ())) + 1
        self.mails.save(mail.id, mail)
        self._index_mail(mail)

    def touch(self, list_id: str) -> None:
        """Say that something in an audience changed, so that cached pages are dropped."""
        self.versions[list_id] = self.versions.get(list_id, 0) + 1

    def cached(self, name: str, key: object) -> Any:
        """Return the last value kept under a name if its key is still the same, else None."""
        found = self._cache.get(name)
        return found[1] if found and found[0] == key else None

    def keep(self, name: str, key: object, value: Any) -> Any:
        """Keep a value for `cached`; one per name."""
        self._cache[name] = (key, value)
        return value

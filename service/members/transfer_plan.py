"""What a batch of imported rows means for the members: new ones as rows to insert, known ones changed in place. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from service.db import new_id, new_row_id
from service.members.models import JoinRequest, Member
from service.members.rules import ConsentPurpose, JoinRequestStatus, MemberStatus, mailchimp_must_hear
from service.members.transfer_organisations import BatchOrganisations
from service.members.transfer_rows import Evidence, PersonRow, Reject, Values

SOURCE = "import"
STOPPED = "this address asked not to be mailed, or can't be reached; the person can join again at the join page"
UNPROVEN = "no proof of consent (source and time): pending until the person confirms"
NEVER_AT_FIRST = {"last_active_at", "sunset_at", "erased_at"}
NOBODY = UUID(int=0)
LEFT = (MemberStatus.UNSUBSCRIBED, MemberStatus.CLEANED)
CHOICE_PURPOSES = {
    "wants_newsletter": ConsentPurpose.NEWSLETTER,
    "wants_nudges": ConsentPurpose.NUDGES,
    "allows_measuring": ConsentPurpose.MEASURING,
    "may_be_named": ConsentPurpose.NAMING,
}

NEEDS_A_YES = ("allows_measuring", "may_be_named")
"""Nobody agrees to these by joining; the consent that came with the row is their proof."""
UNPROVEN_NAMING = "may_be_named: a yes without proof of consent (source and time) is not taken; ask the person"


@dataclass(frozen=True, slots=True)
class Note:
    """Something about a row that was taken, worth knowing."""

    row: int
    text: str


@dataclass(slots=True)
class BatchPlan:
    """What to insert, and what to tell. Known members are changed on the objects themselves."""

    members: list[Values] = field(default_factory=list)
    changes: list[Values] = field(default_factory=list)
    consents: list[Values] = field(default_factory=list)
    requests: list[Values] = field(default_factory=list)
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejects: list[Reject] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


class Planner:
    """Plans one batch. `measuring`: may opens and clicks of those be measured whose row does not say? (They were told elsewhere.)"""

    def __init__(self, organisations: BatchOrganisations, *, now: datetime, measuring: bool) -> None:
        self._organisations = organisations
        self._now = now
        self._blank = Member(email="", email_key="", created_at=now, updated_at=now, allows_measuring=measuring).model_dump(
            exclude=NEVER_AT_FIRST
        )
        self._blank_request = JoinRequest(member_id=NOBODY, reason="", source=SOURCE, created_at=now).model_dump()
        self.plan = BatchPlan()

    def take(self, row: PersonRow, known: Member | None, *, is_stopped: bool) -> None:
        """Add one row to the plan."""
        if known is None and is_stopped:
            self.plan.rejects.append(Reject(row.row, "email", STOPPED))
            return
        self.plan.notes.extend(Note(row.row, text) for text in row.notes)
        if known is None:
            self._add(row)
        else:
            self._change(row, known, is_stopped=is_stopped)

    # --- somebody new ---

    def _add(self, row: PersonRow) -> None:
        named = self._organisations.named(row.texts["organisation"]) if "organisation" in row.texts else None
        organisation_id = named or self._organisations.of_address(row.key)
        member_id = new_id()
        choices = self._proven_choices(row)
        person = {
            **self._blank,
            **{name: text for name, text in row.texts.items() if name != "organisation"},
            **choices,
            **(_shown(row.consent) if row.consent else {}),
            "id": member_id,
            "email": row.email,
            "email_key": row.key,
            "organisation_id": organisation_id,
            "organisation_by_hand": named is not None,
            "status": row.status,
            "interests": list(dict.fromkeys([*row.interests, *row.tags])) or self._blank["interests"],
            "leadership_roles": row.roles or self._blank["leadership_roles"],
            "joined_at": row.joined_at or (row.consent.at if row.consent else None),
            "audience_due_at": self._now if mailchimp_must_hear(None, row.status) else None,
        }
        self.plan.members.append(person)
        self.plan.added += 1
        self._note_first_standings(row, member_id, organisation_id)
        self._note_first_consents(row, member_id)
        if row.unproven:
            self.plan.notes.append(Note(row.row, UNPROVEN))
        if row.status is MemberStatus.SUBSCRIBED and "join_reason" in row.texts:
            self._ask(member_id, row.texts["join_reason"])

    def _proven_choices(self, row: PersonRow) -> dict[str, bool]:
        """A name is shown to everybody, so it takes a yes that can be proven."""
        if row.consent is None and row.choices.get("may_be_named"):
            self.plan.notes.append(Note(row.row, UNPROVEN_NAMING))
            return row.choices | {"may_be_named": False}
        return row.choices

    def _note_first_standings(self, row: PersonRow, member_id: UUID, organisation_id: UUID | None) -> None:
        """The list is older than we are: who was on it since when, and left when, is told as the file proves it."""
        since = row.joined_at or (row.consent.at if row.consent else self._now)
        left = max(row.left_at or self._now, since) if row.status in LEFT else None
        if row.status is MemberStatus.SUBSCRIBED or (left is not None and row.consent is not None):
            self._stand(member_id, since, MemberStatus.SUBSCRIBED, organisation_id)
        if row.status is not MemberStatus.SUBSCRIBED:
            self._stand(member_id, left or self._now, row.status, organisation_id)

    def _note_first_consents(self, row: PersonRow, member_id: UUID) -> None:
        if row.consent is None:
            return
        self._consent(member_id, ConsentPurpose.NEWSLETTER, row.consent)
        for name in NEEDS_A_YES:
            if row.choices.get(name):
                self._consent(member_id, CHOICE_PURPOSES[name], row.consent)
        if row.status is MemberStatus.UNSUBSCRIBED:
            self._withdraw(member_id, ConsentPurpose.NEWSLETTER, row.left_at or self._now)

    # --- somebody known ---

    def _change(self, row: PersonRow, member: Member, *, is_stopped: bool) -> None:
        before = MemberStatus(member.status)
        had_reason = bool(member.join_reason)
        organisation_before = member.organisation_id
        changed = self._change_fields(row, member)
        changed |= self._withdraw_choices(row, member)
        changed |= self._change_standing(row, member, before, is_stopped=is_stopped)
        if member.status != before or member.organisation_id != organisation_before:
            self._stand(member.id, self._now, MemberStatus(member.status), member.organisation_id)
        if member.join_reason and not had_reason and member.status == MemberStatus.SUBSCRIBED:
            self._ask(member.id, member.join_reason)
        if not changed:
            self.plan.unchanged += 1
            return
        self.plan.changed += 1
        member.updated_at = self._now
        if mailchimp_must_hear(before, MemberStatus(member.status)):
            member.audience_due_at = self._now

    def _change_fields(self, row: PersonRow, member: Member) -> bool:
        wanted: Values = {name: text for name, text in row.texts.items() if name != "organisation"}
        if row.interests or row.tags:
            kept = row.interests or member.interests
            wanted["interests"] = list(dict.fromkeys([*kept, *row.tags]))
        if row.roles:
            wanted["leadership_roles"] = row.roles
        joined_at = row.joined_at or (row.consent.at if row.consent else None)
        if member.joined_at is None and joined_at is not None:
            wanted["joined_at"] = joined_at
        named = self._organisations.named(row.texts["organisation"]) if "organisation" in row.texts else None
        if named is not None:
            wanted |= {"organisation_id": named, "organisation_by_hand": True}
        news = {name: value for name, value in wanted.items() if getattr(member, name) != value}
        for name, value in news.items():
            setattr(member, name, value)
        return bool(news)

    def _withdraw_choices(self, row: PersonRow, member: Member) -> bool:
        """An import may take a choice back for somebody we know, never make one for them."""
        changed = False
        for name, agrees in row.choices.items():
            if agrees == getattr(member, name):
                continue
            if agrees:
                self.plan.notes.append(Note(row.row, f"{name}: only the person can agree again; left as it is"))
                continue
            setattr(member, name, False)
            self._withdraw(member.id, CHOICE_PURPOSES[name], self._now)
            changed = True
        return changed

    def _change_standing(self, row: PersonRow, member: Member, before: MemberStatus, *, is_stopped: bool) -> bool:
        if row.status is MemberStatus.SUBSCRIBED:
            return self._come(row, member, before, is_stopped=is_stopped)
        if row.status in LEFT and before not in (*LEFT, MemberStatus.ERASED):
            if row.left_at is not None and member.consent_at is not None and row.left_at < member.consent_at:
                self.plan.notes.append(Note(row.row, f"left before the newest consent: stays {before}"))
                return False
            if before is MemberStatus.SUBSCRIBED and row.status is MemberStatus.UNSUBSCRIBED:
                self._withdraw(member.id, ConsentPurpose.NEWSLETTER, row.left_at or self._now)
            member.status = row.status
            return True
        if row.status is MemberStatus.DECLINED and before is MemberStatus.PENDING:
            member.status = row.status
            return True
        return False

    def _come(self, row: PersonRow, member: Member, before: MemberStatus, *, is_stopped: bool) -> bool:
        if row.consent is None or before not in (MemberStatus.PENDING, MemberStatus.SUBSCRIBED) or is_stopped:
            self.plan.notes.append(Note(row.row, f"stays {before}: an import never subscribes somebody who left or can't be reached"))
            return False
        is_newer = member.consent_at is None or row.consent.at > member.consent_at
        if is_newer:
            for name, value in _shown(row.consent).items():
                setattr(member, name, value)
            self._consent(member.id, ConsentPurpose.NEWSLETTER, row.consent)
        comes = before is MemberStatus.PENDING
        if comes:
            member.status = MemberStatus.SUBSCRIBED
        return is_newer or comes

    # --- rows ---

    def _stand(self, member_id: UUID, at: datetime, status: MemberStatus, organisation_id: UUID | None) -> None:
        self.plan.changes.append(
            {
                "id": new_row_id(), "member_id": member_id, "at": at, "status": status, "organisation_id": organisation_id,
                "source": SOURCE, "reason": "",
            }
        )  # fmt: skip

    def _consent(self, member_id: UUID, purpose: ConsentPurpose, proof: Evidence) -> None:
        self.plan.consents.append(
            {
                "id": new_row_id(), "member_id": member_id, "purpose": purpose, "given": True, "at": proof.at, "source": proof.source,
                "ip": proof.ip, "text_version": proof.text_version,
            }
        )  # fmt: skip

    def _withdraw(self, member_id: UUID, purpose: ConsentPurpose, at: datetime) -> None:
        self.plan.consents.append(
            {
                "id": new_row_id(), "member_id": member_id, "purpose": purpose, "given": False, "at": at, "source": SOURCE, "ip": "",
                "text_version": "",
            }
        )  # fmt: skip

    def _ask(self, member_id: UUID, reason: str) -> None:
        asked = {"id": new_id(), "member_id": member_id, "reason": reason, "status": JoinRequestStatus.OPEN, "confirmed_at": self._now}
        self.plan.requests.append({**self._blank_request, **asked})


def _shown(proof: Evidence) -> Mapping[str, object]:
    return {
        "consent_source": proof.source,
        "consent_at": proof.at,
        "consent_ip": proof.ip,
        "consent_text_version": proof.text_version,
    }

"""Members, organisations, join requests and consent: the tables. States live in `rules.py`, shapes in `shapes.py`."""

from datetime import date, datetime
from uuid import UUID

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from service.db import WORKED_OUT, JsonType, empty_list, new_id
from service.members.rules import JoinRequestStatus, MemberStatus, NewsletterRhythm
from service.members.shapes import ConsentGiven


class Organisation(SQLModel, table=True):
    """An employer or body that members belong to."""

    __tablename__ = "organisation"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    name: str = Field(max_length=200)
    name_key: str = Field(max_length=200, unique=True, description="the name folded for comparing")
    merged_into_id: UUID | None = Field(default=None, foreign_key="organisation.id")
    created_at: datetime


class OrganisationDomain(SQLModel, table=True):
    """A mail domain that tells the organisation; shared domains (nhs.net, gmail.com) are never here."""

    __tablename__ = "organisation_domain"

    domain: str = Field(primary_key=True, max_length=253)
    organisation_id: UUID = Field(foreign_key="organisation.id", index=True)


class Member(SQLModel, table=True):
    """A person we know. The state of today: history is in MemberChange and ConsentRecord."""

    __tablename__ = "member"
    __table_args__ = (Index("ix_member_standing_due", "status", "audience_due_at"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str = Field(max_length=320)
    email_key: str = Field(max_length=320, unique=True, description="the address folded for comparing")
    first_name: str = Field(default="", max_length=100)
    last_name: str = Field(default="", max_length=100)
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id", index=True)
    organisation_by_hand: bool = False
    profession: str = Field(default="", max_length=100)
    join_reason: str = Field(default="", max_length=1000)
    interests: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    leadership_roles: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    language: str = Field(default="en", max_length=10)
    timezone: str = Field(default="", max_length=60)
    status: str = Field(default=MemberStatus.PENDING, max_length=20)
    wants_newsletter: bool = True
    newsletter_rhythm: str = Field(
        default=NewsletterRhythm.EVERY, max_length=10, sa_column_kwargs={"server_default": "every"}, description="every, or monthly"
    )
    wants_nudges: bool = True
    allows_measuring: bool = False
    may_be_named: bool = Field(default=False, description="may be welcomed in the newsletter by first name and organisation")
    consent_source: str = Field(default="", max_length=60)
    consent_at: datetime | None = None
    consent_ip: str = Field(default="", max_length=45)
    consent_text_version: str = Field(default="", max_length=40)
    joined_at: datetime | None = None
    last_active_at: datetime | None = Field(default=None, index=True, description="the last sign of life by a person, never an open alone")
    engagement_score: float = 0.0
    engagement_state: str = Field(default="new", max_length=10, index=True, description="new, active, cooling, lapsed or gone")
    engagement_since: datetime | None = Field(default=None, description="since when the state holds")
    scored_on: date | None = Field(default=None, index=True, description="the local day the two were worked out; empty: to be done")
    sunset_at: datetime | None = Field(default=None, description="asked whether to stop: until they answer, nothing is sent")
    created_at: datetime
    updated_at: datetime
    erased_at: datetime | None = None
    audience_due_at: datetime | None = Field(default=None, index=True, description="set when Mailchimp's audience has to hear of a change")

    @property
    def consent(self) -> ConsentGiven | None:
        """The last consent given, as evidence; whether it still counts is the status's to say."""
        if self.consent_at is None:
            return None
        return ConsentGiven(source=self.consent_source, at=self.consent_at, ip=self.consent_ip, text_version=self.consent_text_version)


class InterestGroup(SQLModel, table=True):
    """A group of readers the newsletter picks something for: whoever named one of its topics as an interest. `place` (1 to 4) is the
    merge field that tells Mailchimp who belongs to it.
    """

    __tablename__ = "interest_group"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    place: int = Field(unique=True)
    name: str = Field(max_length=60)
    topics: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    created_at: datetime


class MemberChange(SQLModel, table=True):
    """One change of standing or organisation, append-only: every past count of people and organisations comes from here."""

    __tablename__ = "member_change"
    __table_args__ = (Index("ix_member_change_standing", "member_id", "at", "id", "status", "organisation_id"),)

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID = Field(foreign_key="member.id", index=True)
    at: datetime = Field(index=True)
    status: str = Field(max_length=20, description="the standing from this instant on")
    organisation_id: UUID | None = Field(default=None, foreign_key="organisation.id", description="from this instant on")
    source: str = Field(max_length=60, description="join_page, import, api, mailchimp, unsubscribe_link, ...")
    reason: str = Field(default="", max_length=200)


class MemberStanding(SQLModel, table=True):
    """Each member's newest change, kept by triggers on MemberChange: the list of today is counted without going through all history."""

    __tablename__ = "member_standing"
    __table_args__ = (
        Index("ix_member_standing_list", "status", "organisation_id", "at"),
        Index("ix_member_standing_later", "at", "member_id"),
        WORKED_OUT,
    )

    member_id: UUID = Field(primary_key=True)
    at: datetime
    change_id: UUID
    status: str = Field(max_length=20)
    organisation_id: UUID | None = None


class ConsentRecord(SQLModel, table=True):
    """Proof of one consent given or withdrawn, append-only."""

    __tablename__ = "consent_record"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID = Field(foreign_key="member.id", index=True)
    purpose: str = Field(max_length=20)
    given: bool
    at: datetime
    source: str = Field(max_length=60)
    ip: str = Field(default="", max_length=45)
    text_version: str = Field(default="", max_length=40)


class JoinRequest(SQLModel, table=True):
    """One request to join, with its reason in the person's words and the welcome drafted for it."""

    __tablename__ = "join_request"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    member_id: UUID = Field(foreign_key="member.id", index=True)
    reason: str = Field(max_length=1000)
    status: str = Field(default=JoinRequestStatus.UNCONFIRMED, max_length=20, index=True)
    created_at: datetime
    source: str = Field(default="", max_length=60, description="where it was made: join_page, api, import")
    answers: dict[str, object] = Field(
        default_factory=dict, sa_type=JsonType, description="what the join page was told, taken over when confirmed"
    )
    asked_ip: str = Field(default="", max_length=45)
    consent_text_version: str = Field(default="", max_length=40, description="the wording the person saw")
    confirmation_asked_at: datetime | None = None
    confirmed_at: datetime | None = None
    drafted_at: datetime | None = None
    draft_subject: str = Field(default="", max_length=200)
    draft_note: str = Field(default="", max_length=2000)
    draft_body: str = Field(default="", max_length=20000)
    resource_ids: list[str] = Field(default_factory=empty_list, sa_type=JsonType)
    matches: list[dict[str, object]] = Field(
        default_factory=empty_list, sa_type=JsonType, description="ranked resources with score and why, as matched"
    )
    match_is_confident: bool = False
    decided_at: datetime | None = None
    decided_by: str = Field(default="", max_length=100)
    follow_up: str = Field(default="", max_length=20, description="what became of the note a week later; empty while it is not due")


class JoinAsk(SQLModel, table=True):
    """What the join page was told, for the moment until a worker has looked whose address it is: so the page's own work is the
    same for every address."""

    __tablename__ = "join_ask"

    id: UUID = Field(default_factory=new_id, primary_key=True)
    email: str = Field(max_length=320)
    answers: dict[str, object] = Field(default_factory=dict, sa_type=JsonType)
    asked_ip: str = Field(default="", max_length=45)
    consent_text_version: str = Field(default="", max_length=40)
    asked_at: datetime


class Erasure(SQLModel, table=True):
    """One person to be forgotten, or forgotten. Their addresses are needed to tell Mailchimp and stand here, as they are, only until
    it has been told; a key kept beside them would protect nothing."""

    __tablename__ = "erasure"

    member_id: UUID = Field(primary_key=True, foreign_key="member.id")
    addresses: list[str] = Field(default_factory=empty_list, sa_type=JsonType, description="empty when done")
    asked_by: str = Field(default="", max_length=100)
    asked_at: datetime
    attempts: int = 0
    next_try_at: datetime = Field(index=True)
    last_error: str = Field(default="", max_length=200)
    done_at: datetime | None = None

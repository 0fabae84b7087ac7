"""Routes for the leadership groups: who holds which, since when, what to ask, and where nobody is."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from service.auth.access import CallerDep
from service.clock import YEARS
from service.deps import NowDep, SessionDep, SettingsDep
from service.leadership.models import LeadershipTerm
from service.leadership.rules import GROUPS, agenda_prompt, prompt_for
from service.leadership.terms import Holder, all_terms, end_term, gaps_now, give_role, holders
from service.members.rules import LeadershipRole

router = APIRouter(tags=["leadership"])
Day = Annotated[date, Field(ge=date(YEARS[0], 1, 1), le=date(YEARS[-1], 12, 31))]


class TermPublic(BaseModel):
    """One member in one group; both days included, `until` null: until further notice."""

    model_config = ConfigDict(populate_by_name=True)

    id: UUID
    member_id: UUID
    role: LeadershipRole
    from_on: date = Field(serialization_alias="from")
    until_on: date | None = Field(serialization_alias="until")

    @classmethod
    def of(cls, term: LeadershipTerm) -> "TermPublic":
        """The row as shown."""
        return cls(id=term.id, member_id=term.member_id, role=LeadershipRole(term.role), from_on=term.from_on, until_on=term.until_on)


class HolderPublic(TermPublic):
    """With the member's name."""

    name: str

    @classmethod
    def by(cls, holder: Holder) -> "HolderPublic":
        """A holder as shown."""
        name = f"{holder.member.first_name} {holder.member.last_name}".strip()
        return cls(**TermPublic.of(holder.term).model_dump(), name=name)


class GroupPublic(BaseModel):
    """One of the seven groups. `gap` says since when nobody is in it; empty when somebody is."""

    role: LeadershipRole
    name: str
    purpose: str
    questions: list[str]
    prompt: str = Field(description="this week's, to open a meeting's agenda with")
    holders: list[HolderPublic]
    gap: str


class Groups(BaseModel):
    """All seven, in their usual order, and one prompt for this week's agenda."""

    items: list[GroupPublic]
    gaps: list[str] = Field(description="what to say about empty groups, the one empty for longest first")
    agenda_role: LeadershipRole
    agenda_prompt: str


class TermGiven(BaseModel):
    """Who takes part in which group. Without `from`: from today on."""

    member_id: UUID
    role: LeadershipRole
    from_on: Annotated[Day | None, Field(alias="from")] = None
    until_on: Annotated[Day | None, Field(alias="until")] = None


class TermChange(BaseModel):
    """The term's last day; null: until further notice."""

    until_on: Annotated[Day | None, Field(alias="until")]


class Terms(BaseModel):
    """Oldest first."""

    items: list[TermPublic]


@router.get("/leadership")
async def list_groups(session: SessionDep, settings: SettingsDep, now: NowDep) -> Groups:
    """The seven groups, who is in each, and where nobody is."""
    today = now.astimezone(settings.zone).date()
    found = await holders(session, today=today)
    empty = await gaps_now(session, found, today=today)
    said = {gap.role: gap.text for gap in empty}
    role, prompt = agenda_prompt(today, list(found))
    items = [
        GroupPublic(
            role=one,
            name=group.name,
            purpose=group.purpose,
            questions=list(group.questions),
            prompt=prompt_for(one, today),
            holders=[HolderPublic.by(holder) for holder in found.get(one, [])],
            gap=said.get(one, ""),
        )
        for one, group in GROUPS.items()
    ]
    return Groups(items=items, gaps=[gap.text for gap in empty], agenda_role=role, agenda_prompt=prompt)


@router.get("/leadership/terms")
async def list_terms(session: SessionDep, member_id: UUID | None = None, role: Annotated[LeadershipRole | None, Query()] = None) -> Terms:
    """Every term there was, is or will be."""
    rows = [row for row in await all_terms(session) if member_id in (None, row.member_id) and role in (None, row.role)]
    return Terms(items=[TermPublic.of(row) for row in rows])


@router.post("/leadership/terms", status_code=201)
async def create_term(body: TermGiven, session: SessionDep, settings: SettingsDep, now: NowDep, caller: CallerDep) -> TermPublic:
    """A member takes part in a group, for a term or until further notice."""
    today = now.astimezone(settings.zone).date()
    first = body.from_on or today
    term = await give_role(session, body.member_id, body.role, from_on=first, until_on=body.until_on, today=today, by=caller.name, now=now)
    return TermPublic.of(term)


@router.patch("/leadership/terms/{term_id}")
async def change_term(
    term_id: UUID, body: TermChange, session: SessionDep, settings: SettingsDep, now: NowDep, caller: CallerDep
) -> TermPublic:
    """Set a term's last day."""
    today = now.astimezone(settings.zone).date()
    return TermPublic.of(await end_term(session, term_id, until_on=body.until_on, today=today, by=caller.name, now=now))

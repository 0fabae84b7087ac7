"""From a form's fields to what members' actions take, with the mends in words for whoever filled it in. Pure: no session, no request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import ValidationError
from sqlmodel import SQLModel

from service.errors import InvalidInput
from service.languages import said
from service.members.rules import ConsentPurpose, LeadershipRole, read_address
from service.members.shapes import LONGEST_REASON, MemberCreate, MemberUpdate
from service.pages.forms import Form, Wrong

SHORTEST_REASON = 10
MOST_INTERESTS = 50
GROUPS = {
    LeadershipRole.AGENDA_ACTIVIST: said("what we should learn about next"),
    LeadershipRole.COMMUNITY_KEEPER: said("looking after people and newcomers"),
    LeadershipRole.CRITICAL_FRIEND: said("what works here and what does not"),
    LeadershipRole.SOCIAL_REPORTER: said("notes, stories and pictures of what we do"),
    LeadershipRole.EXTERNAL_MESSENGER: said("telling others outside"),
    LeadershipRole.VALUE_DETECTIVE: said("finding out what it changed"),
    LeadershipRole.ORGANISATIONAL_BROKER: said("talking with employers and sponsors"),
}
_NAMES = {
    "join_reason": said("Your reason to join"),
    "first_name": said("Your first name"),
    "last_name": said("Your last name"),
    "email": said("Your email address"),
    "organisation": said("The name of your organisation"),
    "profession": said("Your role"),
    "interests": said("Each of your interests"),
    "leadership_roles": said("The groups"),
    "language": said("The language"),
}
_LIMITS = {"first_name": 100, "last_name": 100, "organisation": 200, "profession": 100, "join_reason": LONGEST_REASON, "interests": 60}
Shape = TypeVar("Shape", bound=SQLModel)


@dataclass(frozen=True, slots=True)
class JoinAnswers:
    """What the join page was told; `answers` None while something is wrong. `left_by_machine`: the field no person sees was filled."""

    answers: MemberCreate | None
    wrong: Sequence[Wrong]
    left_by_machine: bool


def read_join(form: Form, *, asks_measuring: bool) -> JoinAnswers:
    """The join page's answers, or everything that is wrong with them."""
    told = {
        **_details(form),
        "email": form.one("email"),
        "organisation": form.one("organisation") or None,
        "profession": form.one("profession"),
        "join_reason": form.one("join_reason"),
        "leadership_roles": form.many("leadership_roles"),
        "allows_measuring": asks_measuring and form.ticked("allows_measuring"),
        "may_be_named": form.ticked("may_be_named"),
    }
    wrong = [
        *([] if told["first_name"] else [Wrong("first_name", said("Enter your first name"))]),
        *_wrong_address(form.one("email")),
        *_wrong_reason(form.one("join_reason")),
        *([] if form.ticked("agrees") else [Wrong("agrees", said("Tick the box if you want to join; without it we may not write to you"))]),
    ]
    answers, not_taken = _checked(MemberCreate, told)
    named = {w.field for w in wrong}
    wrong += [w for w in not_taken if w.field not in named]
    order = list(_NAMES)
    wrong.sort(key=lambda w: order.index(w.field) if w.field in order else len(order))
    return JoinAnswers(None if wrong else answers, wrong, bool(form.one("contact_code")))


@dataclass(frozen=True, slots=True)
class PreferenceAnswers:
    """What the preference page was told; `details` None while something is wrong."""

    details: MemberUpdate | None
    wanted: Mapping[ConsentPurpose, bool]
    wrong: Sequence[Wrong]


def read_preferences(form: Form, *, asks_measuring: bool) -> PreferenceAnswers:
    """The preference page's choices. Where nothing is measured, the choice about measuring stays as it was."""
    rhythm = {"newsletter_rhythm": form.one("newsletter_rhythm")} if form.one("newsletter_rhythm") else {}
    details, wrong = _checked(MemberUpdate, {**_details(form), **rhythm, "leadership_roles": form.many("leadership_roles")})
    wanted = {
        ConsentPurpose.NEWSLETTER: form.ticked("wants_newsletter"),
        ConsentPurpose.NUDGES: form.ticked("wants_nudges"),
        ConsentPurpose.NAMING: form.ticked("may_be_named"),
    }
    if asks_measuring:
        wanted[ConsentPurpose.MEASURING] = form.ticked("allows_measuring")
    return PreferenceAnswers(None if wrong else details, wanted, wrong)


def interests_of(form: Form) -> list[str]:
    """The ticked topics and the typed ones, each once, whatever the letter case."""
    typed = [part.strip() for part in form.one("more_interests").replace("\n", ",").replace(";", ",").split(",")]
    found: dict[str, str] = {}
    for text in (*form.many("interests"), *typed):
        found.setdefault(text.casefold(), text)
    return [text for text in found.values() if text]


def _details(form: Form) -> dict[str, object]:
    return {
        "first_name": form.one("first_name"),
        "last_name": form.one("last_name"),
        "interests": interests_of(form),
        "language": form.one("language") or "en",
    }


def _wrong_address(email: str) -> list[Wrong]:
    try:
        read_address(email)
    except InvalidInput:
        if not email:
            return [Wrong("email", said("Enter your email address"))]
        return [Wrong("email", said("Enter an email address in full, such as name@trust.nhs.uk"))]
    return []


def _wrong_reason(reason: str) -> list[Wrong]:
    if len(reason) < SHORTEST_REASON:
        return [
            Wrong(
                "join_reason",
                said("Write why you want to join, in at least %(least)s characters: one line is enough", least=SHORTEST_REASON),
            )
        ]
    if len(reason) > LONGEST_REASON:
        return [
            Wrong(
                "join_reason",
                said("Make your reason shorter: it has %(has)s characters, and we keep %(most)s", has=len(reason), most=LONGEST_REASON),
            )
        ]
    return []


def _checked(shape: type[Shape], told: Mapping[str, object]) -> tuple[Shape | None, list[Wrong]]:
    try:
        return shape.model_validate(told), []
    except ValidationError as error:
        found: dict[str, Wrong] = {}
        for item in error.errors(include_input=False, include_url=False, include_context=False):
            name = str(item["loc"][0])
            found.setdefault(name, Wrong(_PAGE_FIELD.get(name, name), _mend(name, item["type"])))
        return None, list(found.values())


_PAGE_FIELD = {"interests": "more_interests"}


def _mend(name: str, problem: str) -> str:
    if problem == "string_too_long":
        return said("%(field)s must be %(most)s characters or fewer", field=_NAMES[name], most=_LIMITS.get(name, 320))
    if problem == "too_long":
        return said("Name up to %(most)s interests", most=MOST_INTERESTS)
    if name in {"language", "leadership_roles", "newsletter_rhythm"}:
        return said("Choose from the list")
    return said("%(field)s must be plain text on one line", field=_NAMES[name])

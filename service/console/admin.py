"""For admins: keys, the people who sign in, the audit trail, and the settings, to be read."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import HTMLResponse
from pydantic import SecretStr

from service.auth.access import need
from service.auth.rules import Role, Scope
from service.console.access import ConsoleRoute, DeskDep, OwnForm, admins_only
from service.console.desk import Desk, wrongs
from service.console.inside import Json
from service.console.people import allow_person, people, remove_person
from service.errors import InvalidInput, ServiceError
from service.pages.forms import Form
from service.settings import Settings

router = APIRouter(route_class=ConsoleRoute)
FRESH = {"role": ["facilitator"], "key_role": ["facilitator"], "morning_mail": ["yes"]}
KEYS, AUDIT, SETTINGS = "/console/keys", "/console/audit", "/console/settings"
ROLES = {
    "viewer": "Viewer: reads",
    "facilitator": "Facilitator: runs the community",
    "admin": "Admin: also keys, people, erasure, audit",
}
Words = Annotated[str, Query(max_length=100)]


async def _keys_page(desk: Desk, form: Form, *, made: Json = None, error: ServiceError | None = None) -> HTMLResponse:
    async with desk.parts.database.reading() as session:
        who = await people(session)
    keys = await desk.api.all("/keys", most=200)
    wrong = wrongs(error) if error else ()
    values = {"keys": keys, "who": who, "made": made, "form": form, "wrong": wrong, "roles": ROLES}
    return await desk.page("keys.html", here=KEYS, code=422 if error else 200, **values)


@router.get("/keys", dependencies=[Depends(admins_only)])
async def keys(desk: DeskDep) -> Response:
    """Keys for programs, and people who sign in by mail."""
    return await _keys_page(desk, Form(FRESH))


@router.post("/keys")
async def add_key(desk: DeskDep, form: OwnForm) -> Response:
    """Make a key: this answer is the only one that shows it."""
    try:
        made = await desk.api.post("/keys", {"name": form.one("key_name"), "role": form.one("key_role")})
    except ServiceError as error:
        return await _keys_page(desk, form, error=error)
    return await _keys_page(desk, Form(FRESH), made=made)


@router.post("/keys/{key_id}/revoke")
async def revoke(key_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """It stops counting at once."""
    await desk.api.delete(f"/keys/{key_id}")
    return desk.to(KEYS, done="removed")


@router.post("/people")
async def add_person(desk: DeskDep, form: OwnForm) -> Response:
    """They may sign in by mail from now on."""
    need(desk.api.caller, Scope.ADMIN)
    try:
        if form.one("role") not in ROLES:
            raise InvalidInput.field("role", "choose from the list")
        async with desk.parts.database.transaction() as session:
            role = Role(form.one("role"))
            name, email, morning_mail = form.one("name"), form.one("email"), form.ticked("morning_mail")
            await allow_person(session, name=name, email=email, role=role, morning_mail=morning_mail, by=desk.me.actor, now=desk.now)
    except ServiceError as error:
        return await _keys_page(desk, form, error=error)
    return desk.to(KEYS, done="added")


@router.post("/people/{person_id}/remove")
async def drop_person(person_id: UUID, desk: DeskDep, _form: OwnForm) -> Response:
    """Signed out everywhere, and no link any more."""
    need(desk.api.caller, Scope.ADMIN)
    async with desk.parts.database.transaction() as session:
        await remove_person(session, person_id, by=desk.me.actor, now=desk.now)
    return desk.to(KEYS, done="removed")


@router.get("/audit")
async def audit(desk: DeskDep, actor: Words = "", action: Words = "", subject_id: Words = "", cursor: Words = "") -> Response:
    """Who did what to which thing, newest first."""
    wanted = {"actor": actor, "action": action, "subject_id": subject_id}
    found = await desk.api.get("/audit", cursor=cursor, **wanted)
    form = Form({name: [value] for name, value in wanted.items()})
    return await desk.page("audit.html", here=AUDIT, found=found, form=form, wanted={k: v for k, v in wanted.items() if v})


@router.get("/settings", dependencies=[Depends(admins_only)])
async def settings(desk: DeskDep) -> Response:
    """What holds here, to be read; it is changed in the environment. No secret is shown."""
    return await desk.page("settings.html", here=SETTINGS, groups=shown_settings(desk.parts.settings))


_GROUPS = {
    "The community": (
        "community_name", "timezone", "from_name", "from_email", "reply_domain", "postal_address", "facilitator_email", "public_url",
    ),
    "The rhythm": (
        "newsletter_weekday", "newsletter_time", "welcome_mode", "lapsed_after_days", "nudge_cooldown_days", "nudge_max", "tracking",
    ),
    "Mailchimp": ("mailchimp_audience_id", "mailchimp_api_key", "mailchimp_transactional_key", "mailchimp_webhook_secret"),
}  # fmt: skip


def shown_settings(settings: Settings) -> dict[str, list[tuple[str, str]]]:
    """Each group's settings by name. Of a secret only whether it is set."""
    return {title: [(name.upper(), _shown(getattr(settings, name))) for name in names] for title, names in _GROUPS.items()}


def _shown(value: object) -> str:
    if isinstance(value, SecretStr):
        return "set" if value.get_secret_value() else "not set"
    return str(value) or "not set"

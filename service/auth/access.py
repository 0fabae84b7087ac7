"""Who calls, and may they: route dependencies per role. Every API route is guarded unless it is under no key by contract."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from sqlalchemy.exc import DBAPIError

from service.auth.audit import called_from
from service.auth.flood import address_of, count_call, count_wrong_key, refuse_guessing
from service.auth.keys import find_key, note_use, use_is_old
from service.auth.rules import Role, Scope, granted
from service.deps import get_parts
from service.errors import NotAllowed, NotSignedIn
from service.parts import Parts

log = logging.getLogger(__name__)
bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer kdl_...`")
NOT_SIGNED_IN = "Send an API key that counts: Authorization: Bearer kdl_... An admin can make one."
"""The same words whatever is wrong."""
INSIDE = "kindling.caller"
"""Where a call from within the process says for whom it is made. A key of the ASGI scope: nothing from the network sets it."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: `name` is what the audit trail keeps (`key:kdl_AbC1`, or `person:<id>` in the console)."""

    name: str
    role: Role
    scopes: frozenset[Scope]


async def get_caller(request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]) -> Caller:
    """The caller behind the bearer key. Raises NotSignedIn, with the same words whatever is wrong, and LimitReached.

    The console calls within the process for whoever is signed in there.
    """
    parts = get_parts(request)
    now = parts.clock.now()
    known = request.scope.get(INSIDE)
    if isinstance(known, Caller):
        called_from(address_of(request))
        request.state.caller = known
        return known
    if credentials is None:
        raise NotSignedIn(NOT_SIGNED_IN)
    refuse_guessing(request, parts)
    async with parts.database.reading() as session:
        row = await find_key(session, credentials.credentials, now=now)
    if row is None:
        await count_wrong_key(request, parts, credentials.credentials)
        raise NotSignedIn(NOT_SIGNED_IN)
    await count_call(request, parts, row)
    if use_is_old(row, now=now):
        await _note_use(parts, row.id, now=now)
    called_from(address_of(request))
    caller = Caller(f"key:{row.prefix}", Role(row.role), granted(Role(row.role), map(Scope, row.scopes)))
    request.state.caller = caller
    return caller


async def _note_use(parts: Parts, key_id: UUID, *, now: datetime) -> None:
    try:
        async with parts.database.transaction() as session:
            await note_use(session, key_id, now=now)
    except DBAPIError as error:  # on a full or read-only disk those who only read are still served
        log.warning("use of a key not noted: cause=%s", type(error).__name__)


CallerDep = Annotated[Caller, Depends(get_caller)]


SENDS = {"x-scope": Scope.SEND.value}
"""`openapi_extra` of a route that makes mail leave: it asks for the scope `send` instead of `edit`, and the document says so."""


def need(caller: Caller, scope: Scope) -> None:
    """Raises NotAllowed when the caller's key lacks the scope."""
    if scope not in caller.scopes:
        held = ", ".join(sorted(caller.scopes))
        raise NotAllowed(f"This needs a key with the scope {scope}; yours ({caller.role}) has: {held}. An admin can make another one.")


async def guard(request: Request, caller: CallerDep) -> None:
    """The rule for every API route: `read` reads, `edit` changes things, `send` is for routes marked with SENDS."""
    if request.method in {"GET", "HEAD", "OPTIONS"}:
        need(caller, Scope.READ)
        return
    told = getattr(request.scope.get("route"), "openapi_extra", None) or {}
    need(caller, Scope(told.get("x-scope", Scope.EDIT)))


async def admins_only(caller: CallerDep) -> None:
    """For routes that only admins may use."""
    need(caller, Scope.ADMIN)


async def facilitators_only(caller: CallerDep) -> None:
    """For reading routes that viewers may not use."""
    need(caller, Scope.EDIT)

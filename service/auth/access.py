"""Who calls, and may they: route dependencies per role. Every API route is guarded unless it is under no key by contract."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from service.auth.audit import called_from
from service.auth.flood import address_of, count_call, count_wrong_key, refuse_guessing
from service.auth.keys import find_key, note_use, use_is_old
from service.auth.rules import Role, allows
from service.deps import NowDep, PartsDep
from service.errors import NotAllowed, NotSignedIn

bearer = HTTPBearer(auto_error=False, description="An API key: `Authorization: Bearer kdl_...`")
NOT_SIGNED_IN = "Send an API key that counts: Authorization: Bearer kdl_... An admin can make one."
"""The same words whatever is wrong."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling: `name` is what the audit trail keeps (`key:kdl_AbC1`)."""

    name: str
    role: Role


async def get_caller(
    request: Request, parts: PartsDep, now: NowDep, credentials: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
) -> Caller:
    """The caller behind the bearer key. Raises NotSignedIn, with the same words whatever is wrong, and LimitReached."""
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
        async with parts.database.transaction() as session:
            await note_use(session, row.id, now=now)
    called_from(address_of(request))
    caller = Caller(f"key:{row.prefix}", Role(row.role))
    request.state.caller = caller
    return caller


CallerDep = Annotated[Caller, Depends(get_caller)]


def need(caller: Caller, role: Role) -> None:
    """Raises NotAllowed when the caller's role is too small."""
    if not allows(caller.role, role):
        raise NotAllowed(f"This needs a key with the role {role}; yours has the role {caller.role}.")


async def guard(request: Request, caller: CallerDep) -> None:
    """The rule for every API route: viewers read, facilitators also change things."""
    need(caller, Role.VIEWER if request.method in {"GET", "HEAD", "OPTIONS"} else Role.FACILITATOR)


async def admins_only(caller: CallerDep) -> None:
    """For routes that only admins may use."""
    need(caller, Role.ADMIN)


async def facilitators_only(caller: CallerDep) -> None:
    """For reading routes that viewers may not use."""
    need(caller, Role.FACILITATOR)

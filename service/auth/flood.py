"""Where a caller comes from, and what is too much from there. Limits that can't be counted are open for the known, closed for joining."""

from collections.abc import AsyncIterator
from contextlib import suppress
from ipaddress import IPv6Address, ip_address, ip_network

from fastapi import Request

from service.auth.models import ApiKey
from service.auth.rules import hash_of
from service.deps import PartsDep
from service.errors import LimitReached, NotFound, NotSignedIn, Unavailable
from service.limits import Rate
from service.parts import Parts

WRONG_KEY, CALL, JOIN, FORGED, SIGN_IN = "wrong_key", "call", "join", "forged_webhook", "sign_in"
UNCOUNTED = ("/api/v1/backlog", "/api/v1/jobs/")
"""Reading these again and again is what they are for."""
EVERYBODY = "everybody"


def address_of(request: Request) -> str:
    """The caller's IP address as the server knows it (behind a proxy: see TRUSTED_PROXIES); empty when there is none."""
    try:
        found = ip_address(request.client.host.partition("%")[0]) if request.client else None
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return str(found) if found else ""


def _network(request: Request) -> str:
    """What one caller can be expected to have: an IPv4 address, or an IPv6 /64."""
    address = address_of(request)
    return str(ip_network(f"{address}/64", strict=False)) if ":" in address else address


def _too_many(what: str, rate: Rate, wait: int) -> LimitReached:
    text = f"Too many {what}: at most {rate.most:,} in {rate.seconds} seconds. Try again in {wait} seconds."
    return LimitReached(text, retry_after_seconds=wait)


def refuse_guessing(request: Request, parts: Parts) -> None:
    """Raises LimitReached for an address that tried too many wrong keys, whatever key it shows now."""
    wait = parts.limiter.blocked(WRONG_KEY, _network(request))
    if wait:
        raise _too_many("wrong keys", parts.limits.wrong_keys_per_address, wait)


async def count_wrong_key(request: Request, parts: Parts, key: str) -> None:
    """Count a key that does not count. Raises LimitReached; not counted where that can't be done: the answer is no in any case."""
    rate = parts.limits.wrong_keys_per_address
    try:
        wait = await parts.limiter.hit(WRONG_KEY, _network(request), rate, once=hash_of(key))
    except Unavailable:
        return
    if wait:
        raise _too_many("wrong keys", rate, wait)


async def count_call(request: Request, parts: Parts, key: ApiKey) -> None:
    """Count a call with a key that counts. Raises LimitReached; open where it can't be counted: the caller is known."""
    if request.method == "GET" and request.url.path.startswith(UNCOUNTED):
        return
    rate = parts.limits.calls_per_key
    try:
        wait = await parts.limiter.hit(CALL, str(key.id), rate)
    except Unavailable:
        return
    if wait:
        raise _too_many("calls with this key", rate, wait)


async def limit_joining(request: Request, parts: PartsDep) -> None:
    """For the forms of the public pages: so many from one address, so many in all. Raises LimitReached, and Unavailable where it can't
    be counted.
    """
    if request.method != "POST" or not request.url.path.startswith(("/join", "/events/")):
        return
    limits = parts.limits
    for who, rate in ((_network(request), limits.joins_per_address), (EVERYBODY, limits.joins_in_all)):
        wait = await parts.limiter.hit(JOIN, who, rate)
        if wait:
            text = f"Many people are joining just now. Please try again in {wait} seconds; nothing was kept."
            raise LimitReached(text, retry_after_seconds=wait)


async def limit_sign_in(request: Request, parts: Parts) -> None:
    """For links to sign in: so many from one address. Raises LimitReached, and Unavailable where it can't be counted."""
    rate = parts.limits.sign_ins_per_address
    wait = await parts.limiter.hit(SIGN_IN, _network(request), rate)
    if wait:
        raise _too_many("links asked for", rate, wait)


async def limit_forged(request: Request, parts: PartsDep) -> AsyncIterator[None]:
    """For webhooks: who sent too many forged ones is refused unread for a while. Genuine ones are never counted."""
    network, rate = _network(request), parts.limits.forged_webhooks_per_address
    wait = parts.limiter.blocked(FORGED, network)
    if wait:
        raise _too_many("calls that were refused", rate, wait)
    try:
        yield
    except (NotSignedIn, NotFound):
        with suppress(Unavailable):
            await parts.limiter.hit(FORGED, network, rate)
        raise

"""`/metrics` for Prometheus: the same numbers from whichever process is asked, since they come from the database. No names, no addresses.

For the inside: the reverse proxy of compose.yaml keeps it from the world.
"""

from fastapi import APIRouter, Response

from service.deps import NowDep, PartsDep, SessionDep
from service.watching import watch

router = APIRouter(tags=["health"])

_TEXT = {200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}


@router.get("/metrics", responses=_TEXT, response_class=Response)  # type: ignore[arg-type]
async def metrics(session: SessionDep, parts: PartsDep, now: NowDep) -> Response:
    """Numbers for Prometheus: backlog, ages, what was sent in the last day, how long Mailchimp takes."""
    from service.prometheus import MEDIA_TYPE, exposition_of  # noqa: PLC0415  # many installations are never asked
    from service.providers.build import MailchimpProviders  # noqa: PLC0415

    adapters = parts.providers.built()
    states = adapters.breaker_states() if isinstance(adapters, MailchimpProviders) else {}
    seen = await watch(session, now=now)
    return Response(exposition_of(seen, {str(product): str(state) for product, state in states.items()}), media_type=MEDIA_TYPE)

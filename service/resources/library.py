"""The library as the matcher sees it: candidates with their kept vectors, and the ranking for a reason to join."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from sqlmodel import col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.resources.candidates import Candidate, Match, Matching, pack_vector, passage, unpack_vector, vector_digest
from service.resources.learning import Use, learned_boosts
from service.resources.models import Resource


def candidate_of(resource: Resource, *, boost: float = 0.0) -> Candidate:
    """The resource as a candidate, with the vector kept for it."""
    return Candidate(
        id=str(resource.id),
        title=resource.title,
        summary=resource.summary,
        body=resource.body,
        topics=tuple(resource.topics),
        activities=tuple(resource.activities),
        vector=unpack_vector(resource.vector) if resource.vector is not None else None,
        boost=boost,
    )


async def keep_vectors(resources: Sequence[Resource], matcher: Matching) -> int:
    """Make the vectors that are missing or of other words than now, and set them on the resources; how many were made.

    The reading takes some 20 ms a resource, in a thread. Without an encoder nothing is kept.
    """
    candidates = {resource.id: candidate_of(resource) for resource in resources}
    digests = {id_: vector_digest(candidate) for id_, candidate in candidates.items()}
    stale = [resource for resource in resources if resource.vector_of != digests[resource.id]]
    vectors = await asyncio.to_thread(matcher.embed, [passage(candidates[resource.id]) for resource in stale]) if stale else []
    made = 0
    for resource, vector in zip(stale, vectors, strict=True):
        if vector.size:
            resource.vector, resource.vector_of = pack_vector(vector), digests[resource.id]
            made += 1
    return made


async def ranked_resources(
    session: AsyncSession,
    matcher: Matching,
    reason: str,
    *,
    limit: int,
    now: datetime,  # noqa: ARG001  # what was learned may come to fade with time
) -> list[Match]:
    """The active resources that fit the reason, best first; empty when none is good enough. Broken links are left out.

    What facilitators swapped and members clicked moves the order a little (`learned_boosts`). Missing vectors are kept on the way.
    """
    query = select(Resource).where(col(Resource.active), Resource.link_problem == "").order_by(col(Resource.id))
    resources = (await session.exec(query)).all()
    if await keep_vectors(resources, matcher):
        session.add_all(resources)
        await session.flush()
    boosts = learned_boosts(
        Use(str(r.id), shown=r.shown_count, clicked=r.clicked_count, swapped_in=r.swapped_in_count, swapped_out=r.swapped_out_count)
        for r in resources
    )
    return await asyncio.to_thread(_match, matcher, reason, resources, boosts, limit)


def _match(matcher: Matching, reason: str, resources: Sequence[Resource], boosts: dict[str, float], limit: int) -> list[Match]:
    candidates = [candidate_of(resource, boost=boosts[str(resource.id)]) for resource in resources]
    return matcher.match(reason, candidates, limit=limit)

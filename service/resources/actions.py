"""What can be done with the library: add, change, take away, import, load the starter library, rank for a reason."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from service.db import Database
from service.errors import InvalidInput, NotFound
from service.jobs.models import Job, JobStatus
from service.resources.candidates import Matching
from service.resources.library import keep_vectors, ranked_resources
from service.resources.models import Resource, ResourceCreate, ResourceImport, ResourceUpdate
from service.resources.transfer import read_resources

__all__ = [
    "add_resource",
    "change_resource",
    "forget_learning",
    "get_resource",
    "import_resources",
    "load_starter_library",
    "ranked_resources",
    "remove_resource",
]

STARTER = Path(__file__).parent / "starter.json"
STARTER_KIND = "load_starter_library"


async def get_resource(session: AsyncSession, resource_id: UUID, *, lock: bool = False) -> Resource:
    """The resource. Raises NotFound."""
    found = await session.get(Resource, resource_id, with_for_update=lock)
    if found is None:
        raise NotFound("There is no such resource.")
    return found


def _values(given: ResourceCreate | ResourceUpdate) -> dict[str, object]:
    return given.model_dump(mode="json", exclude_unset=isinstance(given, ResourceUpdate))


async def add_resource(session: AsyncSession, given: ResourceCreate, *, matcher: Matching, now: datetime) -> Resource:
    """A new resource, ready to be matched."""
    resource = Resource.model_validate({**_values(given), "created_at": now, "updated_at": now})
    await keep_vectors([resource], matcher)
    session.add(resource)
    await session.flush()
    return resource


async def change_resource(
    session: AsyncSession, resource: Resource, changes: ResourceUpdate, *, matcher: Matching, now: datetime
) -> set[str]:
    """Change what `changes` sets; answers the names of the fields that really changed. A new address is checked afresh."""
    given = _values(changes)
    for name, value in given.items():
        if value is None:
            raise InvalidInput.field(name, "can't be null; leave it out")
    changed = {name for name, value in given.items() if getattr(resource, name) != value}
    for name in changed:
        setattr(resource, name, given[name])
    if "url" in changed:
        resource.link_checked_at, resource.link_problem, resource.link_misses = None, "", 0
    if changed:
        resource.updated_at = now
        await keep_vectors([resource], matcher)
        session.add(resource)
        await session.flush()
    return changed


async def remove_resource(session: AsyncSession, resource: Resource, *, now: datetime) -> bool:
    """Take a resource out of the library. True when it is gone; one that was ever used is only made inactive, for the past needs it."""
    counts = (resource.shown_count, resource.clicked_count, resource.swapped_in_count, resource.swapped_out_count)
    if any(counts) or resource.learned_from is not None:
        resource.active, resource.updated_at = False, now
        session.add(resource)
        await session.flush()
        return False
    await session.delete(resource)
    await session.flush()
    return True


async def forget_learning(session: AsyncSession, resource: Resource, *, now: datetime) -> None:
    """Swaps and clicks so far count no more: the resource is ranked by its words alone, as if it were new."""
    resource.shown_count = resource.clicked_count = resource.swapped_in_count = resource.swapped_out_count = 0
    resource.learned_from = resource.updated_at = now
    session.add(resource)
    await session.flush()


async def import_resources(session: AsyncSession, content: bytes, *, matcher: Matching, now: datetime) -> ResourceImport:
    """Import resources from CSV or JSON; one with a known address is changed, so that importing twice changes nothing.

    Raises InvalidInput for what is neither.
    """
    given, rejected = read_resources(content)
    known = {resource.url: resource for resource in (await session.exec(select(Resource))).all()}
    report = ResourceImport(added=0, changed=0, unchanged=0, rejected=rejected)
    touched: list[Resource] = []
    for one in given:
        values = _values(one)
        resource = known.get(str(one.url))
        if resource is None:
            resource = known[str(one.url)] = Resource.model_validate({**values, "created_at": now, "updated_at": now})
            report.added += 1
        else:
            news = {name: values[name] for name in one.model_fields_set if getattr(resource, name) != values[name]}
            if not news:
                report.unchanged += 1
                continue
            for name, value in news.items():
                setattr(resource, name, value)
            resource.updated_at = now
            report.changed += 1
        touched.append(resource)
    await _keep(session, touched, matcher)
    return report


async def _keep(session: AsyncSession, resources: Sequence[Resource], matcher: Matching) -> None:
    await keep_vectors(resources, matcher)
    session.add_all(resources)
    await session.flush()


async def load_starter_library(database: Database, matcher: Matching, *, now: datetime) -> int:
    """Bring in the bundled library, once in the life of a database; how many resources came in.

    What a facilitator changed or took away afterwards stays so. The vectors are made before anything is locked.
    """
    async with database.reading() as session:
        if await _was_loaded(session):
            return 0
    given, rejected = read_resources(STARTER.read_bytes())  # a small file of our own
    if rejected:
        raise ValueError(f"the starter library is broken in {len(rejected)} rows")
    resources = [Resource.model_validate({**_values(one), "created_at": now, "updated_at": now}) for one in given]
    await keep_vectors(resources, matcher)
    async with database.transaction() as session:
        if await _was_loaded(session):
            return 0
        known = set((await session.exec(select(Resource.url))).all())
        new = [resource for resource in resources if resource.url not in known]
        session.add_all(new)
        session.add(
            Job(
                kind=STARTER_KIND,
                status=JobStatus.DONE,
                total=len(new),
                done=len(new),
                created_at=now,
                finished_at=now,
            )
        )
    return len(new)


async def _was_loaded(session: AsyncSession) -> bool:
    return (await session.exec(select(Job.id).where(Job.kind == STARTER_KIND).limit(1))).first() is not None

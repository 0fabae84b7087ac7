"""Is it alive, is it ready: for supervisors and load balancers. No key needed, nothing personal in the answers."""

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from service import __version__
from service.deps import PartsDep
from service.migrations import Shape, shape_of

router = APIRouter(tags=["health"])

NOT_READY = 503


class Health(BaseModel):
    """The process answers."""

    status: str = "ok"
    version: str = __version__


class Readiness(BaseModel):
    """Each part the service needs: `ok`, or what is wrong with it."""

    ready: bool
    database: str
    migrations: str
    queue: str


@router.get("/healthz")
async def healthz() -> Health:
    """The process answers; says nothing of its parts."""
    return Health()


@router.get("/readyz", responses={NOT_READY: {"model": Readiness}})
async def readyz(parts: PartsDep, response: Response) -> Readiness:
    """Can requests be served and mail be sent? 503 with the part that is missing when not."""
    database = migrations = "ok"
    try:
        async with parts.database.reading() as session:
            await (await session.connection()).execute(text("SELECT 1"))
        await parts.database.check_writes()
        if (await shape_of(parts.database)).shape is Shape.BEHIND:
            migrations = "not at the newest revision: run `kindling migrate`"
    except (SQLAlchemyError, OSError) as error:
        database, migrations = type(error).__name__, "unknown"
    queue = "ok" if await parts.queue.answers() else "Redis does not answer; work goes on when it is back"
    ready = database == migrations == queue == "ok"
    response.status_code = 200 if ready else NOT_READY
    return Readiness(ready=ready, database=database, migrations=migrations, queue=queue)

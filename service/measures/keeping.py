"""What the tick does so that measures stay cheap. They are exact whether it has run or not."""

from collections.abc import Callable
from datetime import datetime

from service.db import Database
from service.measures.closing import quarters_since_start
from service.measures.link_keeping import fold_links, give_up_all, keep_window
from service.measures.quarter import Frame
from service.measures.tallies import fold_changes, rebuild_tally
from service.measures.windows import Window
from service.members.history import rebuild_standings
from service.messages.sending import never


async def keep_counted(database: Database, frame: Frame, *, now: datetime, should_stop: Callable[[], bool] = never) -> int:
    """Fold what has changed, and begin to keep the links of quarters that are not kept yet; how much was done."""
    done = await fold_changes(database, should_stop=should_stop)
    done += await fold_links(database, should_stop=should_stop)
    async with database.reading() as session:
        quarters = await quarters_since_start(session, frame, now=now)
    for quarter in quarters:
        if should_stop():
            break
        done += await keep_window(database, Window.of(quarter, frame.zone))
    return done


async def rebuild(database: Database) -> None:
    """Make all of it anew from the rows themselves; only needed where rows were brought in past the triggers."""
    async with database.transaction() as session:
        await rebuild_tally(session)
        await rebuild_standings(session)
        await give_up_all(session)

"""What a process takes of the machine's memory."""

import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text

from service.db import SQLITE_MEMORY, Database

FREED = """
from pathlib import Path
from service.memory import be_modest, give_back

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 // 2**20

be_modest()
pieces = [bytes([number % 256]) * 20_000 for number in range(2_000)]
last = pieces[-1]  # what is freed lies below it: the heap can't shrink by itself
del pieces
before = resident()
give_back()
print(before - resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc has the calls")
def test_what_was_freed_goes_back_to_the_system() -> None:
    told = subprocess.run([sys.executable, "-c", FREED], capture_output=True, text=True, check=True)
    assert int(told.stdout) >= 30, "MB of the 40 that were freed"


async def test_the_connections_of_a_process_share_what_sqlite_keeps_at_hand(tmp_path: Path) -> None:
    database = Database(f"sqlite+aiosqlite:///{tmp_path}/one.db")
    async with database.reading() as session:
        assert (await (await session.connection()).execute(text("PRAGMA soft_heap_limit"))).scalar_one() == SQLITE_MEMORY
    await database.close()

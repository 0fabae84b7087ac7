"""Write-through persistence: working state lives in memory, each answered change is in SQLite first."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import orjson

Doc: TypeAlias = dict[str, Any]
T = TypeVar("T")

_TABLES = """
CREATE TABLE IF NOT EXISTS records (kind TEXT, key TEXT, body BLOB, PRIMARY KEY (kind, key));
CREATE TABLE IF NOT EXISTS bodies (id TEXT PRIMARY KEY, body BLOB);
CREATE TABLE IF NOT EXISTS ledger (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL, what TEXT, body BLOB);
"""


class Store:
    """Buffers changes until `commit()`; one commit per answered request, so SIGKILL forgets nothing answered."""

    def __init__(self, data_dir: str) -> None:
        """Open (or make) `sandbox.db` in `data_dir`; '' keeps it in memory."""
        if data_dir:
            Path(data_dir).mkdir(parents=True, exist_ok=True)
        path = str(Path(data_dir) / "sandbox.db") if data_dir else ":memory:"
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # One process owns the file, so no locks are taken per commit; a kill (not a power cut) must lose nothing.
        for setting in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=OFF", "wal_autocheckpoint=8000", "cache_size=-65536"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.executescript(_TABLES)
        self._changes: dict[tuple[str, str], Any] = {}
        self._bodies: list[tuple[str, bytes]] = []
        self._ledger: list[tuple[float, str, bytes]] = []
        self._meta: Doc = dict(self.load("meta"))

    def put(self, kind: str, key: str, record: object) -> None:
        """Remember a record (a dict or dataclass) for the next commit."""
        self._changes[kind, key] = record

    def delete(self, kind: str, key: str) -> None:
        """Forget a record with the next commit."""
        self._changes[kind, key] = None

    def put_body(self, key: str, body: Doc) -> None:
        """Keep a mail's content on disk only: read with `body()`."""
        self._bodies.append((key, orjson.dumps(body)))

    def body(self, key: str) -> Doc:
        """Return a kept content; {} when there is none."""
        self.commit()
        row = self._db.execute("SELECT body FROM bodies WHERE id = ?", (key,)).fetchone()
        found: Doc = orjson.loads(row[0]) if row else {}
        return found

    def note(self, at: float, what: str, body: Doc) -> None:
        """Append to the ledger."""
        self._ledger.append((at, what, orjson.dumps(body)))

    def ledger(self, since: float = 0.0, until: float = 1e12, after: int = 0) -> Iterator[Doc]:
        """Yield ledger lines in the order they were written, times in [since, until)."""
        self.commit()
        sql = "SELECT seq, body FROM ledger WHERE seq > ? AND at >= ? AND at < ? ORDER BY seq"
        for seq, body in self._db.execute(sql, (after, since, until)):
            yield {"seq": seq} | orjson.loads(body)

    def last_of(self, what: str, limit: int) -> list[Doc]:
        """Return the newest ledger lines of one kind, newest first."""
        self.commit()
        sql = "SELECT body FROM ledger WHERE what = ? ORDER BY seq DESC LIMIT ?"
        return [orjson.loads(row[0]) for row in self._db.execute(sql, (what, limit))]

    def commit(self) -> None:
        """Write what has gathered since the last commit in one transaction."""
        if not (self._changes or self._bodies or self._ledger):
            return
        puts = [(k, i, orjson.dumps(r)) for (k, i), r in self._changes.items() if r is not None]
        drops = [(k, i) for (k, i), r in self._changes.items() if r is None]
        self._db.execute("BEGIN")
        if puts:
            self._db.executemany("INSERT INTO records VALUES (?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET body = excluded.body", puts)
        if drops:
            self._db.executemany("DELETE FROM records WHERE kind = ? AND key = ?", drops)
        if self._bodies:
            self._db.executemany("INSERT OR REPLACE INTO bodies VALUES (?, ?)", self._bodies)
        if self._ledger:
            self._db.executemany("INSERT INTO ledger (at, what, body) VALUES (?, ?, ?)", self._ledger)
        self._db.execute("COMMIT")
        self._changes.clear()
        self._bodies.clear()
        self._ledger.clear()

    def load(self, kind: str) -> Iterator[tuple[str, Any]]:
        """Yield (key, record as a dict) of a kind, in the order of insertion."""
        for key, body in self._db.execute("SELECT key, body FROM records WHERE kind = ? ORDER BY rowid", (kind,)):
            yield key, orjson.loads(body)

    def meta(self, name: str, default: Any) -> Any:
        """Return a small value kept under a name."""
        return self._meta.get(name, default)

    def set_meta(self, name: str, value: Any) -> None:
        """Keep a small value under a name."""
        self._meta[name] = value
        self.put("meta", name, value)

    def next_number(self, name: str, start: int = 1) -> int:
        """Return 1, 2, 3, ... for a name, also across restarts."""
        number = int(self._meta.get(name, start - 1)) + 1
        self.set_meta(name, number)
        return number

    def clear(self) -> None:
        """Forget everything."""
        self._changes.clear()
        self._bodies.clear()
        self._ledger.clear()
        self._meta.clear()
        for table in ("records", "bodies", "ledger"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - fixed names

    def close(self) -> None:
        """Write what is left and close the file."""
        self.commit()
        self._db.close()


class Table(Generic[T]):
    """Records of one kind in memory, written through to the store."""

    def __init__(self, store: Store, kind: str, make: Callable[[Doc], T]) -> None:
        """Load the kept records with `make`."""
        self._store = store
        self._kind = kind
        self.rows: dict[str, T] = {key: make(doc) for key, doc in store.load(kind)}

    def get(self, key: str) -> T | None:
        """Return a record or None."""
        return self.rows.get(key)

    def save(self, key: str, row: T) -> T:
        """Keep a new or changed record."""
        self.rows[key] = row
        self._store.put(self._kind, key, row)
        return row

    def drop(self, key: str) -> None:
        """Remove a record if it is there."""
        if self.rows.pop(key, None) is not None:
            self._store.delete(self._kind, key)

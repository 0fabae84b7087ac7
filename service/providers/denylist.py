"""Transactional's denylist as rows, and as the export that a long one needs."""

import csv
import io
import zipfile
from collections.abc import Mapping
from typing import Any

from service.providers.base import DenylistEntry, Temporary
from service.providers.instants import from_text
from service.providers.scrubbing import scrub
from service.providers.transactional_http import TransactionalApi

_FIRST_WAIT_SECONDS = 2.0
_LONGEST_WAIT_SECONDS = 30.0
_GIVE_UP_AFTER_SECONDS = 900.0


def entry_of(row: Mapping[str, Any]) -> DenylistEntry:
    """One row of `rejects/list` or of the export. Raises KeyError or ValueError for a row that is none."""
    return DenylistEntry(
        email=str(row["email"]),
        reason=str(row.get("reason") or ""),
        detail=scrub(str(row.get("detail") or "")),
        created_at=from_text(row.get("created_at")),
        expires_at=from_text(row.get("expires_at")),
    )


async def exported_denylist(api: TransactionalApi) -> list[DenylistEntry]:
    """The whole denylist by way of an export job. Raises Temporary when it isn't ready in a quarter of an hour."""
    export_id = await api.read("exports/rejects", {}, lambda answer: str(answer["id"]))
    waited, wait = 0.0, _FIRST_WAIT_SECONDS
    while True:
        state, url = await api.read("exports/info", {"id": export_id}, lambda answer: (answer["state"], answer.get("result_url")))
        if state == "complete" and url:
            return _unpacked(await api.download(str(url)))
        if state in ("error", "expired") or waited >= _GIVE_UP_AFTER_SECONDS:
            raise Temporary("Denylist export failed")
        await api.sleep(wait)
        waited += wait
        wait = min(_LONGEST_WAIT_SECONDS, wait * 2)


def _unpacked(archive: bytes) -> list[DenylistEntry]:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files, files.open("rejects.csv") as file:
            rows = list(csv.DictReader(io.TextIOWrapper(file, encoding="utf-8-sig", newline="")))
        return [entry_of({name.strip().lower().replace(" ", "_"): value for name, value in row.items()}) for row in rows]
    except (zipfile.BadZipFile, KeyError, ValueError, AttributeError) as error:
        raise Temporary("Denylist export can't be read") from error

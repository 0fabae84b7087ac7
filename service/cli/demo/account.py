"""What the demo shows at its end: the quarter's measures from the API, held against the sandbox's own count, and where to look."""

import asyncio
import json
from pathlib import Path

import httpx

from service.cli.demo.story import QUARTER, Stage
from service.cli.measuring import table_of
from service.clock import clock_from
from service.db import Database
from service.measures.closing import measures_of
from service.measures.quarter import Frame, read_span
from service.measures.shapes import Figures
from service.settings import Settings

SAMPLES = 4
"""Mails of each kind that are kept to be looked at."""


async def give_account(stage: Stage, api: httpx.AsyncClient, sandbox: httpx.AsyncClient, settings: Settings) -> bool:
    """Print the measures and where everything can be looked at; True when API, database and sandbox agree."""
    with stage.step(f"The measures of {QUARTER}"):
        served = (await api.get(f"/measures/{QUARTER}")).raise_for_status().json()
        figures = Figures.model_validate(served)
        stage.console.print(table_of(figures))
    since, until = "2026-06-30T23:00:00+00:00", "2026-09-30T23:00:00+00:00"
    truth = (await sandbox.get("/_control/accepted", params={"since": since, "until": until})).raise_for_status().json()
    own = await _from_database(settings)
    stage.say(f"The sandbox accepted {truth['total']} mails in the quarter; the measures say {figures.email.sent}.")
    report = settings.var_dir / "report.html"
    await asyncio.to_thread(report.write_text, (await api.get(f"/measures/{QUARTER}.html")).raise_for_status().text)
    pdf = (await api.get(f"/measures/{QUARTER}.pdf", timeout=60)).raise_for_status().content
    await asyncio.to_thread(report.with_suffix(".pdf").write_bytes, pdf)
    await asyncio.to_thread((settings.var_dir / "measures.json").write_text, json.dumps(served, indent=1))
    ledger = await sandbox.get("/_control/log", timeout=300)
    await asyncio.to_thread((settings.var_dir / "sandbox-log.jsonl").write_bytes, ledger.raise_for_status().content)
    mails = await _keep_mails(sandbox, settings.var_dir / "mails")
    stage.say(f"The report: {report.resolve()} (and .pdf)")
    stage.say(f"The mails:  {mails.resolve()}")
    stage.say(f"Look around with the API and every mailbox:  VAR_DIR={settings.var_dir} make up")
    stage.say(f"A key for its API:  VAR_DIR={settings.var_dir} .venv/bin/kindling keys create --role admin --name me")
    return bool(truth["total"] == figures.email.sent == own.email.sent)


async def _from_database(settings: Settings) -> Figures:
    """The same figures as `kindling measures` gives them."""
    database = Database(settings.database)
    frame = Frame(settings.zone, settings.base_url)
    now = clock_from(settings.clock_file).now()
    try:
        async with database.reading() as session:
            return await measures_of(session, read_span(QUARTER, frame, now=now), frame, now=now)
    finally:
        await database.close()


async def _keep_mails(sandbox: httpx.AsyncClient, folder: Path) -> Path:
    """A few mails of each kind as files, with a page that lists them."""
    found = (await sandbox.get("/_control/accepted", params={"items": 1})).json()["items"]
    by_kind: dict[str, list[str]] = {}
    for item in found:
        by_kind.setdefault((item.get("tags") or ["newsletter"])[0], []).append(item["id"])
    files: dict[str, str] = {}
    for kind, ids in sorted(by_kind.items()):
        for number, mail_id in enumerate(_spread(ids, SAMPLES), start=1):
            files[f"{kind}-{number}.html"] = (await sandbox.get(f"/mail/{mail_id}/html")).text
    return await asyncio.to_thread(_write, folder, files)


def _spread(ids: list[str], most: int) -> list[str]:
    """Up to so many of them, from the first to the last."""
    return ids if len(ids) <= most else [ids[round(place * (len(ids) - 1) / (most - 1))] for place in range(most)]


def _write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, html in files.items():
        (folder / name).write_text(html)
    links = "".join(f'<li><a href="{name}">{name.removesuffix(".html").replace("_", " ")}</a></li>' for name in files)
    page = folder / "index.html"
    page.write_text(f'<!doctype html><html lang="en-GB"><title>Mails of the demo</title><h1>Mails of the demo</h1><ul>{links}</ul></html>')
    return page

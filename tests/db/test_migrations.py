import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text

from service.cli.checks import check_own_shape
from service.db import Database
from service.migrations import ROOT, Found, Shape, _known, alembic_config, migrate_in_thread, shape_of
from tests.api_client import make_parts, open_api
from tests.fakes import FrozenClock, RecordingQueue

MIGRATIONS = sorted((ROOT / "alembic" / "versions").glob("*.py"))
TAKES_AWAY = {"drop_column", "drop_table", "rename_table"}
EXCEPTIONS = {
    "0002_key_scopes": "before the first release: a column without a default",
    "audience_tags": "before the first release: columns without a default",
    "series_and_reports": "before the first release: a column without a default",
    "links_kept_counted": "drops tables that only triggers filled",
}
"""Migrations that code of the release before could not live with, each with why it need not."""


def test_the_models_and_the_migrations_agree(disposable_database_url: str) -> None:
    command.check(alembic_config(disposable_database_url))


def test_migrations_go_up_down_and_up_again(disposable_database_url: str) -> None:
    config = alembic_config(disposable_database_url)
    command.downgrade(config, "base")
    command.upgrade(config, "head")
    command.check(config)


def test_the_revisions_read_from_the_files_are_alembics() -> None:
    theirs = ScriptDirectory.from_config(alembic_config(""))
    assert _known() == {script.revision: script.down_revision or "" for script in theirs.walk_revisions()}


async def test_the_release_before_goes_on_with_a_database_that_a_newer_one_migrated(
    disposable_database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = Database(disposable_database_url)
    async with open_api(make_parts(database, FrozenClock(), RecordingQueue(), tmp_path)) as api:
        for revision, shape, status in (("0001", Shape.BEHIND, 503), ("of_the_next_release", Shape.AHEAD, 200)):
            async with database.transaction() as session:
                await (await session.connection()).execute(text("UPDATE alembic_version SET version_num = :to"), {"to": revision})
            assert await shape_of(database) == Found(revision, shape)
            assert (await api.stranger.get("http://test/readyz")).status_code == status
    assert await migrate_in_thread(disposable_database_url) is Shape.AHEAD
    assert (await shape_of(database)).revision == "of_the_next_release"
    with pytest.raises(typer.Exit):
        await check_own_shape(database)
    assert "back up and restore with that one" in capsys.readouterr().err
    await database.close()


def _breaks_old_code(path: Path) -> Iterator[str]:
    """What in `upgrade` takes something away, or asks for a value that older code does not give."""
    upgrade = next(node for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade")
    for node in ast.walk(upgrade):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, given = node.func.attr, {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        if name in TAKES_AWAY:
            yield f"{name}: older code may still use it"
        elif name == "alter_column" and (
            given.get("nullable") == "False" or given.get("server_default") == "None" or "new_column_name" in given
        ):
            yield f"alter_column: older code writes rows without it: {given}"
        elif name == "Column" and given.get("nullable") == "False" and "server_default" not in given and _is_added(upgrade, node):
            yield f"add_column: needs a server default, or may be null: {ast.unparse(node)}"


def _is_added(upgrade: ast.FunctionDef, column: ast.Call) -> bool:
    """To a table that older code writes; a new table is unknown to it."""
    calls = (node for node in ast.walk(upgrade) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute))
    return any(column in call.args for call in calls if call.func.attr == "add_column")  # type: ignore[attr-defined]


@pytest.mark.parametrize("path", MIGRATIONS, ids=lambda path: path.stem)
def test_a_migration_only_adds_so_that_the_release_before_goes_on(path: Path) -> None:
    """Workers of the release before are alive while it runs, and may be started again after it (docs/deploy.md)."""
    found = list(_breaks_old_code(path))
    assert bool(found) == (path.stem in EXCEPTIONS), found

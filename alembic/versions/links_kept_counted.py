"""the links of a quarter kept by person, and what clicks change in them, by triggers: exact at any moment and never counted from all clicks"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "links_kept_counted"
down_revision: str | None = "event_changes"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLICK = "({e}.kind = 'click' AND {e}.verdict = 'human' AND {e}.url <> '')"
COUNTED = "({d}.accepted_at IS NOT NULL AND {d}.first_human_clicked_at IS NOT NULL AND {d}.bounced_at IS NULL)"
ROWS = {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}
SIGN = {"OLD": "-", "NEW": ""}


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)


def differ(*columns: str) -> str:
    """Is one of the columns another than before?"""
    unlike = "IS NOT" if is_sqlite() else "IS DISTINCT FROM"
    return " OR ".join(f"OLD.{name} {unlike} NEW.{name}" for name in columns)


def come_or_gone(*columns: str) -> str:
    """Has one of the columns become empty or filled?"""
    return " OR ".join(f"(OLD.{name} IS NULL) <> (NEW.{name} IS NULL)" for name in columns)


def click_changes(rows: Sequence[str]) -> str:
    """What a click adds or takes away, where its mail counts. On PostgreSQL the mail is held meanwhile: who changes it at the same moment
    waits, and then sees this click."""
    ids = ", ".join(f"{row}.delivery_id" for row in rows)
    held = f"PERFORM id FROM delivery WHERE id IN ({ids}) ORDER BY id FOR NO KEY UPDATE; "  # noqa: S608  # our own names
    parts = " UNION ALL ".join(
        f"SELECT d.accepted_at, {row}.url, COALESCE(d.member_id, d.id), {SIGN[row]}1 FROM delivery d "  # noqa: S608
        f"WHERE d.id = {row}.delivery_id AND {COUNTED.format(d='d')} AND {CLICK.format(e=row)}"
        for row in rows
    )
    return f"{'' if is_sqlite() else held}INSERT INTO link_change (at, url, person, clicks) {parts}"


def mail_changes() -> str:
    """All clicks of a mail, taken away as it was and added as it is."""
    parts = " UNION ALL ".join(
        f"SELECT {row}.accepted_at, e.url, COALESCE({row}.member_id, {row}.id), {SIGN[row]}COUNT(*) FROM engagement_event e "  # noqa: S608
        f"WHERE e.delivery_id = {row}.id AND {CLICK.format(e='e')} AND {COUNTED.format(d=row)} GROUP BY e.url"
        for row in ("OLD", "NEW")
    )
    return f"INSERT INTO link_change (at, url, person, clicks) {parts}"


def mail_marks() -> str:
    return " UNION ".join(f"SELECT {row}.accepted_at WHERE {row}.accepted_at IS NOT NULL" for row in ("OLD", "NEW"))  # noqa: S608


def clicked_mail_changed() -> str:
    return (
        "(OLD.first_human_clicked_at IS NOT NULL OR NEW.first_human_clicked_at IS NOT NULL) AND "
        f"({differ('accepted_at', 'member_id')} OR {come_or_gone('bounced_at', 'first_human_clicked_at')})"
    )


def click_changed(happening: str) -> str:
    """When a row of `engagement_event` is worth a look."""
    click = "(" + " OR ".join(CLICK.format(e=row) for row in ROWS[happening]) + ")"
    return click + (f" AND ({differ('kind', 'verdict', 'url', 'delivery_id')})" if happening == "UPDATE" else "")


def triggers() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, table, INSERT | UPDATE | DELETE, when, what)."""
    for happening, rows in ROWS.items():
        yield f"click_counted_{happening.lower()}", "engagement_event", happening, click_changed(happening), click_changes(rows)
    yield "clicked_mail_counted_update", "delivery", "UPDATE", clicked_mail_changed(), mail_changes()


def earlier_triggers() -> Iterator[tuple[str, str, str, str, str]]:
    """Those of the migration before, which only marked that something had changed."""
    for happening, rows in ROWS.items():
        ids = ", ".join(f"{row}.delivery_id" for row in rows)
        mark = f"INSERT INTO link_mark (at) SELECT accepted_at FROM delivery WHERE id IN ({ids}) AND accepted_at IS NOT NULL"  # noqa: S608
        yield f"click_marked_{happening.lower()}", "engagement_event", happening, click_changed(happening), mark
    yield "clicked_mail_marked_update", "delivery", "UPDATE", clicked_mail_changed(), f"INSERT INTO link_mark (at) {mail_marks()}"


def watch(name: str, table: str, happening: str, when: str, what: str) -> None:
    if is_sqlite():
        run(f"CREATE TRIGGER {name} AFTER {happening} ON {table} FOR EACH ROW WHEN {when} BEGIN {what}; END")
        return
    run(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$")
    run(f"CREATE TRIGGER {name} AFTER {happening} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()")


def unwatch(name: str, table: str) -> None:
    run(f"DROP TRIGGER {name}" if is_sqlite() else f"DROP TRIGGER {name} ON {table}")
    if not is_sqlite():
        run(f"DROP FUNCTION {name}()")


def upgrade() -> None:
    """Apply. Quarters are counted by the next tick."""
    for name, table, *_ in earlier_triggers():
        unwatch(name, table)
    op.drop_table("kept_links")
    op.drop_table("link_mark")
    op.create_table(
        "link_change",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("clicks", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_change")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "link_window",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_window")),
        sa.UniqueConstraint("start", "end", name=op.f("uq_link_window_start_end")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "link_person",
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("person", sa.Uuid(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("clicks", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("window_id", "person", "url", name=op.f("pk_link_person")),
    )
    op.create_table(
        "link_tally",
        sa.Column("window_id", sa.Integer(), nullable=False),
        sa.Column("url", sa.String(length=2000), nullable=False),
        sa.Column("clicks", sa.Integer(), nullable=False),
        sa.Column("people", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("window_id", "url", name=op.f("pk_link_tally")),
    )
    op.create_index(op.f("ix_link_change_at"), "link_change", ["at"])
    op.create_index("ix_link_tally_top", "link_tally", ["window_id", "clicks"])
    for trigger in triggers():
        watch(*trigger)


def downgrade() -> None:
    """Take back."""
    for name, table, *_ in triggers():
        unwatch(name, table)
    for name in ("link_tally", "link_person", "link_window", "link_change"):
        op.drop_table(name)
    op.create_table(
        "link_mark",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_link_mark")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "kept_links",
        sa.Column("start", sa.DateTime(timezone=True), nullable=False),
        sa.Column("end", sa.DateTime(timezone=True), nullable=False),
        sa.Column("own_pages", sa.String(length=500), nullable=False),
        sa.Column("rules", sa.Integer(), nullable=False),
        sa.Column("links", JSON, nullable=False),
        sa.PrimaryKeyConstraint("start", "end", "own_pages", name=op.f("pk_kept_links")),
    )
    op.create_index(op.f("ix_link_mark_at"), "link_mark", ["at"])
    for trigger in earlier_triggers():
        watch(*trigger)

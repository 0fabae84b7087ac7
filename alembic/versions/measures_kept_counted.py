"""counts of mail by the hour, the newest standing of each member, and top links of a quarter, kept by triggers"""

from collections.abc import Iterator, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op

revision: str = "measures_kept_counted"
down_revision: str | None = "provider_words"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERS = ("sent", "bounced", "opened", "opened_raw", "clicked", "clicked_raw", "unsubscribed", "complaints", "not_measured")

# a row of `delivery` under the name {r}: what it adds to each of NUMBERS
ARRIVED = "{r}.bounced_at IS NULL AND "
CONDITIONS = (
    "{r}.accepted_at IS NOT NULL",
    "{r}.bounced_at IS NOT NULL",
    ARRIVED + "{r}.first_human_opened_at IS NOT NULL",
    ARRIVED + "{r}.first_opened_at IS NOT NULL",
    ARRIVED + "{r}.first_human_clicked_at IS NOT NULL",
    ARRIVED + "{r}.first_clicked_at IS NOT NULL",
    "{r}.unsubscribed_at IS NOT NULL",
    "{r}.complained_at IS NOT NULL",
    ARRIVED + "NOT {r}.tracked",
)
HAPPENED = (
    "bounced_at",
    "first_human_opened_at",
    "first_opened_at",
    "first_human_clicked_at",
    "first_clicked_at",
    "unsubscribed_at",
    "complained_at",
)
WIDE = ["kind", "accepted_at", *HAPPENED, "tracked"]
"""What the two indexes held that all mails were counted from before."""
CLICK = "({r}.kind = 'click' AND {r}.verdict = 'human' AND {r}.url <> '')"
EVENT = {"INSERT": ("NEW",), "DELETE": ("OLD",), "UPDATE": ("OLD", "NEW")}


def differ(*columns: str) -> str:
    """Is one of the columns another than before?"""
    unlike = "IS NOT" if is_sqlite() else "IS DISTINCT FROM"
    return " OR ".join(f"OLD.{name} {unlike} NEW.{name}" for name in columns)


def come_or_gone(*columns: str) -> str:
    """Has one of the columns become empty or filled?"""
    return " OR ".join(f"(OLD.{name} IS NULL) <> (NEW.{name} IS NULL)" for name in columns)


def is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def run(statement: str) -> None:
    op.get_bind().exec_driver_sql(statement)


def counted(row: str, sign: str = "") -> str:
    """The hour, kind and numbers of one delivery."""
    hour = f"substr({row}.accepted_at, 1, 13) || ':00:00.000000'" if is_sqlite() else f"date_trunc('hour', {row}.accepted_at, 'UTC')"
    numbers = (
        f"CASE WHEN {condition.format(r=row)} THEN {sign}1 ELSE 0 END AS {name}"
        for name, condition in zip(NUMBERS, CONDITIONS, strict=True)
    )
    return ", ".join((f"{hour} AS hour", f"{row}.kind AS kind", *numbers))


def sums() -> str:
    return ", ".join(f"SUM({name})" for name in NUMBERS)


def into_mail_change(rows: Sequence[str]) -> str:
    """One row for each hour and kind that changes: less what the delivery was, plus what it is."""
    parts = " UNION ALL ".join(
        f"SELECT {counted(row, '-' if row == 'OLD' else '')} WHERE {row}.accepted_at IS NOT NULL"  # noqa: S608  # our own names
        for row in rows
    )
    return f"INSERT INTO mail_change (hour, kind, {', '.join(NUMBERS)}) SELECT hour, kind, {sums()} FROM ({parts}) AS moved GROUP BY hour, kind"  # noqa: S608


def into_link_mark(rows: Sequence[str]) -> str:
    """When the deliveries were accepted whose followed links have changed."""
    ids = ", ".join(f"{row}.delivery_id" for row in rows)
    return f"INSERT INTO link_mark (at) SELECT accepted_at FROM delivery WHERE id IN ({ids}) AND accepted_at IS NOT NULL"  # noqa: S608


def into_standing(rows: Sequence[str]) -> str:
    """The newest change of the members concerned."""
    if rows == ("NEW",):
        return (
            "INSERT INTO member_standing (member_id, at, change_id, status, organisation_id) "
            "VALUES (NEW.member_id, NEW.at, NEW.id, NEW.status, NEW.organisation_id) ON CONFLICT (member_id) DO UPDATE SET "
            "at = excluded.at, change_id = excluded.change_id, status = excluded.status, organisation_id = excluded.organisation_id "
            "WHERE (excluded.at, excluded.change_id) > (member_standing.at, member_standing.change_id)"
        )
    ids = ", ".join(f"{row}.member_id" for row in rows)
    return f"DELETE FROM member_standing WHERE member_id IN ({ids}); {newest(f'WHERE member_id IN ({ids})')}"  # noqa: S608


def newest(where: str = "") -> str:
    return (
        "INSERT INTO member_standing (member_id, at, change_id, status, organisation_id) "  # noqa: S608
        "SELECT member_id, at, id, status, organisation_id FROM (SELECT member_id, at, id, status, organisation_id, "
        f"ROW_NUMBER() OVER (PARTITION BY member_id ORDER BY at DESC, id DESC) AS place FROM member_change {where}) AS ranked WHERE place = 1"
    )


def triggers() -> Iterator[tuple[str, str, str, str, str]]:
    """(name, table, INSERT | UPDATE | DELETE, when, what)."""
    for happening, rows in EVENT.items():
        accepted = "(" + " OR ".join(f"{row}.accepted_at IS NOT NULL" for row in rows) + ")"
        click = "(" + " OR ".join(CLICK.format(r=row) for row in rows) + ")"
        standing = "1 = 1"
        if happening == "UPDATE":
            accepted += f" AND ({differ('accepted_at', 'kind', 'tracked')} OR {come_or_gone(*HAPPENED)})"
            click += f" AND ({differ('kind', 'verdict', 'url', 'delivery_id')})"
            standing = f"({differ('id', 'member_id', 'at', 'status', 'organisation_id')})"
        name = happening.lower()
        yield f"mail_counted_{name}", "delivery", happening, accepted, into_mail_change(rows)
        yield f"click_marked_{name}", "engagement_event", happening, click, into_link_mark(rows)
        yield f"standing_kept_{name}", "member_change", happening, standing, into_standing(rows)
    clicked = (
        "(OLD.first_human_clicked_at IS NOT NULL OR NEW.first_human_clicked_at IS NOT NULL) AND "
        f"({differ('accepted_at', 'member_id')} OR {come_or_gone('bounced_at', 'first_human_clicked_at')})"
    )
    marks = " UNION ".join(f"SELECT {row}.accepted_at WHERE {row}.accepted_at IS NOT NULL" for row in ("OLD", "NEW"))  # noqa: S608
    yield "clicked_mail_marked_update", "delivery", "UPDATE", clicked, f"INSERT INTO link_mark (at) {marks}"


def upgrade() -> None:
    """Apply."""
    for table, key in (("mail_change", True), ("mail_tally", False)):
        op.create_table(
            table,
            *([sa.Column("id", BIG_ID, nullable=False)] if key else []),
            sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
            sa.Column("kind", sa.String(length=30), nullable=False),
            *(sa.Column(name, sa.Integer(), nullable=False) for name in NUMBERS),
            sa.PrimaryKeyConstraint(*(["id"] if key else ["hour", "kind"]), name=op.f(f"pk_{table}")),
            **({"sqlite_autoincrement": True} if key else {}),
        )
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
    op.create_table(
        "member_standing",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("change_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("organisation_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_member_standing")),
    )
    op.create_index(op.f("ix_mail_change_hour"), "mail_change", ["hour"])
    op.create_index(op.f("ix_link_mark_at"), "link_mark", ["at"])
    op.create_index("ix_member_standing_list", "member_standing", ["status", "organisation_id", "at"])
    op.create_index("ix_member_standing_later", "member_standing", ["at", "member_id"])
    for trigger in triggers():
        _watch(*trigger)
    # after the triggers: on PostgreSQL they keep writers away from the tables until this is committed
    run(
        f"INSERT INTO mail_tally (hour, kind, {', '.join(NUMBERS)}) SELECT hour, kind, {sums()} "  # noqa: S608
        f"FROM (SELECT {counted('d')} FROM delivery d WHERE d.accepted_at IS NOT NULL) AS found GROUP BY hour, kind"
    )
    run(newest())
    op.drop_index("ix_delivery_measures_bounced", table_name="delivery")
    op.drop_index("ix_delivery_measures", table_name="delivery")


def _watch(name: str, table: str, happening: str, when: str, what: str) -> None:
    if is_sqlite():
        run(f"CREATE TRIGGER {name} AFTER {happening} ON {table} FOR EACH ROW WHEN {when} BEGIN {what}; END")
        return
    run(f"CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {what}; RETURN NULL; END $$")
    run(f"CREATE TRIGGER {name} AFTER {happening} ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {name}()")


def downgrade() -> None:
    """Take back."""
    bounced = sa.text("bounced_at IS NOT NULL")
    op.create_index("ix_delivery_measures", "delivery", WIDE)
    op.create_index("ix_delivery_measures_bounced", "delivery", WIDE, sqlite_where=bounced, postgresql_where=bounced)
    for name, table, *_ in triggers():
        run(f"DROP TRIGGER {name}" if is_sqlite() else f"DROP TRIGGER {name} ON {table}")
        if not is_sqlite():
            run(f"DROP FUNCTION {name}()")
    for table in ("member_standing", "kept_links", "link_mark", "mail_tally", "mail_change"):
        op.drop_table(table)

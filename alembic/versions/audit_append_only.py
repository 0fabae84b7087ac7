"""the database itself refuses to change or remove an entry of the audit trail"""

from collections.abc import Sequence

from alembic import op

revision: str = "audit_append_only"
down_revision: str | None = "due_in_order"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NAME = "audit_entry_stays"
WORDS = "audit entries are never changed"
# SQLite makes a table anew to alter it, and drops its triggers then: a migration that alters audit_entry there must make these again.


def is_sqlite() -> bool:
    """Which of the two databases is it?"""
    return op.get_bind().dialect.name == "sqlite"


def upgrade() -> None:
    """To this revision."""
    if is_sqlite():
        for happening in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {NAME}_{happening.lower()} BEFORE {happening} ON audit_entry BEGIN SELECT RAISE(ABORT, '{WORDS}'); END"
            )
        return
    op.execute(f"CREATE FUNCTION {NAME}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '{WORDS}'; END $$")
    op.execute(f"CREATE TRIGGER {NAME} BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW EXECUTE FUNCTION {NAME}()")


def downgrade() -> None:
    """Back to the one before."""
    if is_sqlite():
        for happening in ("update", "delete"):
            op.execute(f"DROP TRIGGER {NAME}_{happening}")
        return
    op.execute(f"DROP TRIGGER {NAME} ON audit_entry")
    op.execute(f"DROP FUNCTION {NAME}()")

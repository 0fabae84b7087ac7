"""indexes for what pages look up: the few deliveries in an unusual state, nudges by member, what people did by time"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "quick_looks"
down_revision: str | None = "links_kept_counted"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

PARTIAL = {
    "ix_delivery_sending": ("delivery", ["lease_until"], "status = 'sending'"),
    "ix_delivery_in_doubt": ("delivery", ["id"], "status = 'in_doubt'"),
    "ix_delivery_failed": ("delivery", ["id"], "status = 'failed'"),
    "ix_delivery_kept_waiting": ("delivery", ["id"], "queued_reason <> ''"),
    "ix_delivery_nudged": ("delivery", ["member_id", "due_at"], "kind = 'nudge'"),
    "ix_engagement_event_human": ("engagement_event", ["at", "kind", "member_id", "delivery_id"], "verdict = 'human'"),
}
OPEN = "status IN ('sending', 'in_doubt')"
"""SQLite does not see that `status = 'sending'` is a part of it."""


def create(name: str, table: str, columns: list[str], where: str) -> None:
    """An index over the rows that fit `where`."""
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))


def upgrade() -> None:
    """To this revision."""
    for name, (table, columns, where) in PARTIAL.items():
        create(name, table, columns, where)
    op.drop_index("ix_delivery_open", "delivery")
    op.drop_index("ix_engagement_event_at", "engagement_event")


def downgrade() -> None:
    """Back to the one before."""
    op.create_index("ix_engagement_event_at", "engagement_event", ["at", "kind"])
    create("ix_delivery_open", "delivery", ["status", "lease_until"], OPEN)
    for name, (table, _, _) in PARTIAL.items():
        op.drop_index(name, table)

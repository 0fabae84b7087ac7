"""reports that wait are read off an index in their order; those that are done or parked stand in none of theirs"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "reports_waiting_in_order"
down_revision: str | None = "members_due_by_standing"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

UNHANDLED = "handled_at IS NULL"
WAITING = "handled_at IS NULL AND parked_at IS NULL"
PARKED = "parked_at IS NOT NULL"


def upgrade() -> None:
    """To this revision."""
    op.drop_index(op.f("ix_webhook_event_parked_at"), table_name="webhook_event")
    op.drop_index("ix_webhook_event_waiting", table_name="webhook_event")
    _create("ix_webhook_event_waiting", ["next_try_at", "id"], WAITING)
    _create("ix_webhook_event_parked", ["parked_at"], PARKED)


def downgrade() -> None:
    """Back to the one before."""
    op.drop_index("ix_webhook_event_parked", table_name="webhook_event")
    op.drop_index("ix_webhook_event_waiting", table_name="webhook_event")
    _create("ix_webhook_event_waiting", ["next_try_at"], UNHANDLED)
    op.create_index(op.f("ix_webhook_event_parked_at"), "webhook_event", ["parked_at"])


def _create(name: str, columns: list[str], where: str) -> None:
    op.create_index(name, "webhook_event", columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))

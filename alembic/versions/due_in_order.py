"""the queue's index holds its whole order: of thousands due at one instant the next four are found without sorting all"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "due_in_order"
down_revision: str | None = "newsletter_rhythm"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

NAME = "ix_delivery_due"
QUEUED = sa.text("status = 'queued'")


def make(columns: list[str]) -> None:
    """The index anew, over these columns."""
    op.drop_index(NAME, "delivery")
    op.create_index(NAME, "delivery", columns, sqlite_where=QUEUED, postgresql_where=QUEUED)


def upgrade() -> None:
    """To this revision."""
    make(["status", "due_at", "id"])


def downgrade() -> None:
    """Back to the one before."""
    make(["status", "due_at"])

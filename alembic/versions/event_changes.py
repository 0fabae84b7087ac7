"""what people who said they come know of an event, while that is not what it is"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "event_changes"
down_revision: str | None = "newsletter_words"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.add_column("event", sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True))
    op.add_column("event", sa.Column("known", JSON, nullable=False, server_default="{}"))
    op.add_column("event", sa.Column("moves", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    for name in ("moves", "known", "changed_at"):
        op.drop_column("event", name)

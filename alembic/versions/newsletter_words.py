"""what an item's words are written in, and how often a feed is read"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "newsletter_words"
down_revision: str | None = "measures_kept_counted"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply. What there is was shown as plain text, and stays that."""
    op.add_column("content_item", sa.Column("summary_format", sa.String(length=10), nullable=False, server_default="plain"))
    op.add_column("feed", sa.Column("schedule", sa.String(length=10), nullable=False, server_default="adaptive"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("feed", "schedule")
    op.drop_column("content_item", "summary_format")

"""follow-up of welcomes, learning that can be forgotten"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "welcome_follow_up"
down_revision: str | None = "audience_tags"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("join_request", sa.Column("follow_up", sa.String(length=20), nullable=False, server_default=""))
    op.add_column("resource", sa.Column("learned_from", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take back."""
    op.drop_column("resource", "learned_from")
    op.drop_column("join_request", "follow_up")

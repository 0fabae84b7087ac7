"""A/B campaigns: the messages they try, whether Mailchimp takes them, and what they became there"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "subject_trials"
down_revision: str | None = "delivery_trace"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply."""
    op.add_column("campaign", sa.Column("trial", JSON, nullable=False, server_default="[]"))
    op.add_column("campaign", sa.Column("trial_refused", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("campaign", sa.Column("child_ids", JSON, nullable=False, server_default="[]"))


def downgrade() -> None:
    """Take back."""
    for name in ("child_ids", "trial_refused", "trial"):
        op.drop_column("campaign", name)

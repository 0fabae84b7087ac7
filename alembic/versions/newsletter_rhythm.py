"""How often a member wants the newsletter"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "newsletter_rhythm"
down_revision: str | None = "subject_trials"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("member", sa.Column("newsletter_rhythm", sa.String(length=10), nullable=False, server_default="every"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("member", "newsletter_rhythm")

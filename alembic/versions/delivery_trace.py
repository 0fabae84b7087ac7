"""the id of the request that a mail comes from"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "delivery_trace"
down_revision: str | None = "quick_looks"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("delivery", sa.Column("trace", sa.String(length=40), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    op.drop_column("delivery", "trace")

"""how often in a row a resource's link did not answer"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "resource_links"
down_revision: str | None = "series_and_reports"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("resource", sa.Column("link_misses", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Take back."""
    op.drop_column("resource", "link_misses")

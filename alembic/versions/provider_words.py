"""why Mailchimp keeps an accepted mail waiting, and its support reference for a halt"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "provider_words"
down_revision: str | None = "resource_links"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.add_column("delivery", sa.Column("queued_reason", sa.String(length=60), nullable=False, server_default=""))
    op.add_column("provider_halt", sa.Column("instance", sa.String(length=100), nullable=False, server_default=""))


def downgrade() -> None:
    """Take back."""
    op.drop_column("provider_halt", "instance")
    op.drop_column("delivery", "queued_reason")

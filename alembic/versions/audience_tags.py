"""what Mailchimp's audience was given: our tags, and values that were cut"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op

revision: str = "audience_tags"
down_revision: str | None = "0002_key_scopes"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    json = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
    with op.batch_alter_table("audience_contact", schema=None) as batch_op:
        batch_op.add_column(sa.Column("tags", json, server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("cut_fields", sa.String(length=200), server_default="", nullable=False))
    with op.batch_alter_table("audience_contact", schema=None) as batch_op:
        batch_op.alter_column("tags", server_default=None)
        batch_op.alter_column("cut_fields", server_default=None)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("audience_contact", schema=None) as batch_op:
        batch_op.drop_column("cut_fields")
        batch_op.drop_column("tags")

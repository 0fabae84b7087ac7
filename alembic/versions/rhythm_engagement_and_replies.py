"""engagement states, held replies, read mailboxes"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "rhythm_engagement"
down_revision: str | None = "facilitators_week"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.add_column(sa.Column("engagement_state", sa.String(length=10), nullable=False, server_default="new"))
        batch_op.add_column(sa.Column("engagement_since", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("scored_on", sa.Date(), nullable=True))
        batch_op.create_index(batch_op.f("ix_member_engagement_state"), ["engagement_state"], unique=False)
        batch_op.create_index(batch_op.f("ix_member_scored_on"), ["scored_on"], unique=False)
    with op.batch_alter_table("engagement_event", schema=None) as batch_op:
        batch_op.create_index("ix_engagement_event_rules", ["rule_version", "kind", "delivery_id"], unique=False)
    with op.batch_alter_table("reply", schema=None) as batch_op:
        batch_op.add_column(sa.Column("released_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("released_by", sa.String(length=100), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("content_item_id", sa.Uuid(), nullable=True))
        batch_op.add_column(sa.Column("permission", sa.String(length=300), nullable=False, server_default=""))
    op.create_table(
        "mailbox_cursor",
        sa.Column("folder", sa.String(length=200), nullable=False),
        sa.Column("validity", sa.BigInteger(), nullable=False),
        sa.Column("last_uid", sa.BigInteger(), nullable=False),
        sa.Column("read_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("error", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("folder", name=op.f("pk_mailbox_cursor")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("mailbox_cursor")
    with op.batch_alter_table("reply", schema=None) as batch_op:
        for column in ("permission", "content_item_id", "released_by", "released_at"):
            batch_op.drop_column(column)
    with op.batch_alter_table("engagement_event", schema=None) as batch_op:
        batch_op.drop_index("ix_engagement_event_rules")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_scored_on"))
        batch_op.drop_index(batch_op.f("ix_member_engagement_state"))
        for column in ("scored_on", "engagement_since", "engagement_state"):
            batch_op.drop_column(column)

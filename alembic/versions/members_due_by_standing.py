"""who is due at Mailchimp is read off an index, those who left first; it stands for the one on the standing alone"""

from collections.abc import Sequence

from alembic import op

revision: str = "members_due_by_standing"
down_revision: str | None = "audit_append_only"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """To this revision."""
    op.create_index("ix_member_standing_due", "member", ["status", "audience_due_at"])
    op.drop_index(op.f("ix_member_status"), table_name="member")


def downgrade() -> None:
    """Back to the one before."""
    op.create_index(op.f("ix_member_status"), "member", ["status"])
    op.drop_index("ix_member_standing_due", table_name="member")

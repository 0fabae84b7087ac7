"""newsletter: personal blocks, a second subject, new members named"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op

revision: str = "newsletter_personal"
down_revision: str | None = "console_sessions"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    """Apply. A constant default fills the rows that are there without writing them anew."""
    op.create_table(
        "interest_group",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("topics", JSON, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_interest_group")),
        sa.UniqueConstraint("place", name=op.f("uq_interest_group_place")),
    )
    op.add_column("edition", sa.Column("personal", JSON, nullable=False, server_default="{}"))
    op.add_column("edition", sa.Column("subject_b", sa.String(length=150), nullable=False, server_default=""))
    op.add_column("edition", sa.Column("newcomers", JSON, nullable=False, server_default="[]"))
    op.add_column("member", sa.Column("may_be_named", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Take back."""
    op.drop_column("member", "may_be_named")
    for name in ("newcomers", "subject_b", "personal"):
        op.drop_column("edition", name)
    op.drop_table("interest_group")

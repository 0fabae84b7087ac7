"""event series, a question for those who came, and the report kept with a closed quarter"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op

revision: str = "series_and_reports"
down_revision: str | None = "outgoing"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("question", sa.String(length=300), nullable=True))
        batch_op.add_column(sa.Column("series_id", sa.Uuid(), nullable=True))
        batch_op.create_index(batch_op.f("ix_event_series_id"), ["series_id"], unique=False)
    op.execute("UPDATE event SET question = ''")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.alter_column("question", existing_type=sa.String(length=300), nullable=False)
    with op.batch_alter_table("quarter_snapshot", schema=None) as batch_op:
        batch_op.add_column(sa.Column("report", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=True))


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("quarter_snapshot", schema=None) as batch_op:
        batch_op.drop_column("report")
    with op.batch_alter_table("event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_event_series_id"))
        batch_op.drop_column("series_id")
        batch_op.drop_column("question")

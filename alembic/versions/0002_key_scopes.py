"""scopes of API keys"""

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op

revision: str = "0002_key_scopes"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply: a key made before has all of its role."""
    json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
    with op.batch_alter_table("api_key") as table:
        table.add_column(sa.Column("scopes", json, nullable=False, server_default=sa.text("'[]'")))
    with op.batch_alter_table("api_key") as table:
        table.alter_column("scopes", server_default=None)


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("api_key") as table:
        table.drop_column("scopes")

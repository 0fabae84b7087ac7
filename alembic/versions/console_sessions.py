"""Who signs in to the console, by which link, and sessions.

Revision ID: console_sessions
Revises: welcome_follow_up
"""

import sqlalchemy as sa

from alembic import op

revision = "console_sessions"
down_revision = "welcome_follow_up"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring in."""
    op.create_table(
        "console_person",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("role", sa.String(length=20), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("removed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_console_person")),
        sa.UniqueConstraint("email_key", name=op.f("uq_console_person_email_key")),
    )
    op.create_table(
        "sign_in_link",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["console_person.id"], name=op.f("fk_sign_in_link_person_id_console_person")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_link")),
    )
    op.create_index(op.f("ix_sign_in_link_person_id"), "sign_in_link", ["person_id"])
    op.create_index(op.f("ix_sign_in_link_made_at"), "sign_in_link", ["made_at"])
    op.create_table(
        "console_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("token_hash", sa.String(length=64), nullable=False),
        sa.Column("person_id", sa.Uuid(), nullable=True),
        sa.Column("key_id", sa.Uuid(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["person_id"], ["console_person.id"], name=op.f("fk_console_session_person_id_console_person")),
        sa.ForeignKeyConstraint(["key_id"], ["api_key.id"], name=op.f("fk_console_session_key_id_api_key")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_console_session")),
        sa.UniqueConstraint("token_hash", name=op.f("uq_console_session_token_hash")),
    )
    for name in ("person_id", "key_id", "seen_at"):
        op.create_index(op.f(f"ix_console_session_{name}"), "console_session", [name])


def downgrade() -> None:
    """Take back."""
    for table in ("console_session", "sign_in_link", "console_person"):
        op.drop_table(table)

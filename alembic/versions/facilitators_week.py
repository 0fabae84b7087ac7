"""the facilitator's week: facilitators, leave and claims, leadership terms, questions, invitations, stories"""

from collections.abc import Sequence

import sqlalchemy as sa

from alembic import op

revision: str = "facilitators_week"
down_revision: str | None = "newsletter_personal"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "facilitator",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=320), nullable=False),
        sa.Column("email_key", sa.String(length=320), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("from_settings", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facilitator")),
        sa.UniqueConstraint("email_key", name=op.f("uq_facilitator_email_key")),
    )
    op.create_table(
        "facilitator_leave",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("facilitator_id", sa.Uuid(), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["facilitator_id"], ["facilitator.id"], name=op.f("fk_facilitator_leave_facilitator_id_facilitator")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_facilitator_leave")),
    )
    with op.batch_alter_table("facilitator_leave", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_facilitator_leave_facilitator_id"), ["facilitator_id"], unique=False)

    op.create_table(
        "week_claim",
        sa.Column("line_key", sa.String(length=100), nullable=False),
        sa.Column("facilitator_id", sa.Uuid(), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["facilitator_id"], ["facilitator.id"], name=op.f("fk_week_claim_facilitator_id_facilitator")),
        sa.PrimaryKeyConstraint("line_key", name=op.f("pk_week_claim")),
    )
    with op.batch_alter_table("week_claim", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_week_claim_facilitator_id"), ["facilitator_id"], unique=False)

    op.create_table(
        "leadership_term",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("role", sa.String(length=30), nullable=False),
        sa.Column("from_on", sa.Date(), nullable=False),
        sa.Column("until_on", sa.Date(), nullable=True),
        sa.Column("applied", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_leadership_term_member_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leadership_term")),
    )
    with op.batch_alter_table("leadership_term", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_leadership_term_member_id"), ["member_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_leadership_term_role"), ["role"], unique=False)
        batch_op.create_index(batch_op.f("ix_leadership_term_until_on"), ["until_on"], unique=False)

    op.create_table(
        "invitation",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("note", sa.String(length=200), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_invitation_delivery_id_delivery")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_invitation_member_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitation")),
    )
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_member_id"), ["member_id"], unique=False)

    op.create_table(
        "member_question",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("why", sa.String(length=300), nullable=False),
        sa.Column("delivery_id", sa.Uuid(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_member_question_delivery_id_delivery")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_member_question_member_id_member")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_member_question")),
        sa.UniqueConstraint("delivery_id", name=op.f("uq_member_question_delivery_id")),
    )
    with op.batch_alter_table("member_question", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_member_question_asked_at"), ["asked_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_member_question_member_id"), ["member_id"], unique=False)

    op.create_table(
        "invitation_join",
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("invitation_id", sa.Uuid(), nullable=False),
        sa.Column("joined_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["invitation_id"], ["invitation.id"], name=op.f("fk_invitation_join_invitation_id_invitation")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_invitation_join_member_id_member")),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_invitation_join")),
    )
    with op.batch_alter_table("invitation_join", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_invitation_join_invitation_id"), ["invitation_id"], unique=False)

    op.create_table(
        "story",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=True),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("text", sa.String(length=10000), nullable=False),
        sa.Column("what_changed", sa.String(length=2000), nullable=False),
        sa.Column("may_share", sa.Boolean(), nullable=False),
        sa.Column("with_name", sa.Boolean(), nullable=False),
        sa.Column("agreed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("agreed_by", sa.String(length=100), nullable=False),
        sa.Column("words_changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source", sa.String(length=20), nullable=False),
        sa.Column("reply_id", sa.Uuid(), nullable=True),
        sa.Column("content_item_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_story_member_id_member")),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name=op.f("fk_story_reply_id_reply")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story")),
        sa.UniqueConstraint("reply_id", name=op.f("uq_story_reply_id")),
    )
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_agreed_at"), ["agreed_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_story_member_id"), ["member_id"], unique=False)

    op.create_table(
        "story_ask",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("member_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=True),
        sa.Column("reply_id", sa.Uuid(), nullable=True),
        sa.Column("story_id", sa.Uuid(), nullable=True),
        sa.Column("delivery_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("asked_by", sa.String(length=100), nullable=False),
        sa.ForeignKeyConstraint(["delivery_id"], ["delivery.id"], name=op.f("fk_story_ask_delivery_id_delivery")),
        sa.ForeignKeyConstraint(["event_id"], ["event.id"], name=op.f("fk_story_ask_event_id_event")),
        sa.ForeignKeyConstraint(["member_id"], ["member.id"], name=op.f("fk_story_ask_member_id_member")),
        sa.ForeignKeyConstraint(["reply_id"], ["reply.id"], name=op.f("fk_story_ask_reply_id_reply")),
        sa.ForeignKeyConstraint(["story_id"], ["story.id"], name=op.f("fk_story_ask_story_id_story")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_story_ask")),
    )
    with op.batch_alter_table("story_ask", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_story_ask_delivery_id"), ["delivery_id"], unique=False)
        batch_op.create_index(batch_op.f("ix_story_ask_member_id"), ["member_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("story_ask", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_ask_member_id"))
        batch_op.drop_index(batch_op.f("ix_story_ask_delivery_id"))

    op.drop_table("story_ask")
    with op.batch_alter_table("story", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_story_member_id"))
        batch_op.drop_index(batch_op.f("ix_story_agreed_at"))

    op.drop_table("story")
    with op.batch_alter_table("invitation_join", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitation_join_invitation_id"))

    op.drop_table("invitation_join")
    with op.batch_alter_table("member_question", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_question_member_id"))
        batch_op.drop_index(batch_op.f("ix_member_question_asked_at"))

    op.drop_table("member_question")
    with op.batch_alter_table("invitation", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_invitation_member_id"))

    op.drop_table("invitation")
    with op.batch_alter_table("leadership_term", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_leadership_term_until_on"))
        batch_op.drop_index(batch_op.f("ix_leadership_term_role"))
        batch_op.drop_index(batch_op.f("ix_leadership_term_member_id"))

    op.drop_table("leadership_term")
    with op.batch_alter_table("week_claim", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_week_claim_facilitator_id"))

    op.drop_table("week_claim")
    with op.batch_alter_table("facilitator_leave", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_facilitator_leave_facilitator_id"))

    op.drop_table("facilitator_leave")
    op.drop_table("facilitator")

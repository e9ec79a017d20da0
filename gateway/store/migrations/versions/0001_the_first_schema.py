"""The first schema"""

import sqlalchemy as sa
from alembic import op

from gateway.store.tables import Moment

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "announced",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(length=8), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("certificate", sa.LargeBinary(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", "role", name=op.f("pk_announced")),
    )
    with op.batch_alter_table("announced", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_announced_partner"), ["partner"], unique=False)

    op.create_table(
        "announcement",
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("partner", "fingerprint", name=op.f("pk_announcement")),
    )
    op.create_table(
        "belief",
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("tin", sa.String(length=35), nullable=False),
        sa.Column("outbox", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("received", Moment(), nullable=True),
        sa.Column("outcome", sa.String(length=12), nullable=True),
        sa.Column("outcome_message", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("partner", "tin", "outbox", name=op.f("pk_belief")),
    )
    with op.batch_alter_table("belief", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_belief_outbox"), ["outbox"], unique=False)
        batch_op.create_index(batch_op.f("ix_belief_uscc"), ["uscc"], unique=False)

    op.create_table(
        "bundle",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("iso", sa.String(length=2), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("stored", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_bundle")),
    )
    op.create_table(
        "checkpoint",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.String(length=64), nullable=False),
        sa.Column("sealed", Moment(), nullable=False),
        sa.Column("frontier", sa.LargeBinary(), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoint")),
    )
    op.create_table(
        "enterprise",
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("customs_code", sa.String(length=10), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("changed", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("uscc", name=op.f("pk_enterprise")),
    )
    with op.batch_alter_table("enterprise", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enterprise_customs_code"), ["customs_code"], unique=False)

    op.create_table(
        "enterprise_record",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("uscc", sa.String(length=18), nullable=False),
        sa.Column("recorded", Moment(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("foreseen", sa.Boolean(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_enterprise_record")),
    )
    with op.batch_alter_table("enterprise_record", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_enterprise_record_uscc"), ["uscc"], unique=False)

    op.create_table(
        "entry",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("leaf", sa.LargeBinary(length=32), nullable=True),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=True),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_entry")),
        sa.UniqueConstraint("position", name=op.f("uq_entry_position")),
    )
    with op.batch_alter_table("entry", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_entry_subject"), ["subject"], unique=False)

    op.create_table(
        "fact",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=4), nullable=False),
        sa.Column("der", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_fact")),
    )
    op.create_table(
        "intake",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("received", Moment(), nullable=False),
        sa.Column("remote", sa.Text(), nullable=False),
        sa.Column("identity", sa.String(length=2), nullable=True),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.String(length=12), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=True),
        sa.Column("code", sa.String(length=40), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_intake")),
    )
    with op.batch_alter_table("intake", schema=None) as batch_op:
        batch_op.create_index("ix_intake_outcome_id_size", ["outcome", "id", "size"], unique=False)

    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "line",
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("until", Moment(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("partner", name=op.f("pk_line")),
    )
    op.create_table(
        "listing",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("scope", sa.String(length=2), nullable=False),
        sa.Column("as_of", Moment(), nullable=False),
        sa.Column("parts", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("baseline", sa.Boolean(), nullable=False),
        sa.Column("granting", sa.Integer(), nullable=False),
        sa.Column("omitting", sa.Integer(), nullable=False),
        sa.Column("changed", Moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_listing")),
        sa.UniqueConstraint("partner", "scope", "as_of", name=op.f("uq_listing_partner_scope_as_of")),
    )
    op.create_table(
        "message",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.Column("refers_to", sa.String(length=64), nullable=True),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("received", Moment(), nullable=False),
        sa.Column("statements", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("voided", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_message")),
        sa.UniqueConstraint("partner", "message_id", name=op.f("uq_message_partner_message_id")),
    )
    with op.batch_alter_table("message", schema=None) as batch_op:
        batch_op.create_index("ix_message_received", ["received"], unique=False)

    op.create_table(
        "operator",
        sa.Column("tin", sa.String(length=35), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("timeline", sa.LargeBinary(), nullable=False),
        sa.Column("entry", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.PrimaryKeyConstraint("tin", name=op.f("pk_operator")),
    )
    with op.batch_alter_table("operator", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_operator_entry"), ["entry"], unique=False)
        batch_op.create_index(batch_op.f("ix_operator_partner"), ["partner"], unique=False)

    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("header", sa.LargeBinary(), nullable=False),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("digest", sa.String(length=64), nullable=True),
        sa.Column("good_until", Moment(), nullable=True),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("due", Moment(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("finished", Moment(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("bundle", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        sa.UniqueConstraint("message_id", name=op.f("uq_outbox_message_id")),
    )
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.create_index("ix_outbox_partner_kind", ["partner", "kind", "id"], unique=False)
        batch_op.create_index("ix_outbox_partner_rank_sequence", ["partner", "rank", "sequence"], unique=False)
        batch_op.create_index("ix_outbox_partner_state_rank", ["partner", "state", "rank", "id"], unique=False)
        batch_op.create_index("ix_outbox_state_due", ["state", "due"], unique=False)

    op.create_table(
        "sequence",
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("direction", sa.String(length=3), nullable=False),
        sa.Column("priority", sa.String(length=8), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("partner", "direction", "priority", name=op.f("pk_sequence")),
    )
    op.create_table(
        "statement",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("tin", sa.String(length=35), nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("received", Moment(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("released", Moment(), nullable=True),
        sa.Column("derived", sa.Boolean(), nullable=False),
        sa.Column("voided", Moment(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_statement")),
    )
    with op.batch_alter_table("statement", schema=None) as batch_op:
        batch_op.create_index("ix_statement_partner_message_id", ["partner", "message_id"], unique=False)
        batch_op.create_index("ix_statement_partner_tin", ["partner", "tin"], unique=False)

    op.create_table(
        "switch",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("what", sa.String(length=12), nullable=False),
        sa.Column("subject", sa.String(length=35), nullable=False),
        sa.Column("since", Moment(), nullable=False),
        sa.Column("until", Moment(), nullable=True),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("lifted_by", sa.Text(), nullable=True),
        sa.Column("recorded", Moment(), nullable=False),
        sa.Column("lifted", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_switch")),
    )
    op.create_table(
        "token",
        sa.Column("id", sa.String(length=16), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=False),
        sa.Column("created", Moment(), nullable=False),
        sa.Column("expires", Moment(), nullable=False),
        sa.Column("last_used", Moment(), nullable=True),
        sa.Column("revoked", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_token")),
        sa.UniqueConstraint("hash", name=op.f("uq_token_hash")),
    )
    op.create_table(
        "voiding",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("what", sa.String(length=12), nullable=False),
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("since", Moment(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("proposed_by", sa.Text(), nullable=False),
        sa.Column("proposed", Moment(), nullable=False),
        sa.Column("confirmed_by", sa.Text(), nullable=True),
        sa.Column("confirmed", Moment(), nullable=True),
        sa.Column("messages", sa.Integer(), nullable=True),
        sa.Column("operators", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_voiding")),
    )
    op.create_table(
        "activation",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("iso", sa.String(length=2), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["bundle.digest"], name=op.f("fk_activation_digest")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_activation")),
    )
    with op.batch_alter_table("activation", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_activation_iso"), ["iso"], unique=False)

    op.create_table(
        "listing_part",
        sa.Column("listing", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("part", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("message_id", sa.String(length=64), nullable=False),
        sa.Column("statements", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["listing"], ["listing.id"], name=op.f("fk_listing_part_listing")),
        sa.PrimaryKeyConstraint("listing", "part", name=op.f("pk_listing_part")),
    )
    op.create_table(
        "partner",
        sa.Column("iso", sa.String(length=2), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("changed", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["digest"], ["bundle.digest"], name=op.f("fk_partner_digest")),
        sa.PrimaryKeyConstraint("iso", name=op.f("pk_partner")),
    )
    op.create_table(
        "withdrawn",
        sa.Column("partner", sa.String(length=2), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("voiding", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(["voiding"], ["voiding.id"], name=op.f("fk_withdrawn_voiding")),
        sa.PrimaryKeyConstraint("partner", "fingerprint", name=op.f("pk_withdrawn")),
    )

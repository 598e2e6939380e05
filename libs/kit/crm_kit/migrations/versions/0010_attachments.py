"""Files at records: what is attached, what is on its way, and where the bytes are."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.create_table(
        "attachment_room",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("used_bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="attachment_room_pkey"),
    )
    op.create_table(
        "attachment_uploads",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=True),
        sa.Column("received_bytes", sa.Integer(), nullable=False),
        sa.Column("complete", sa.Boolean(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("expire_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="attachment_uploads_pkey"),
    )
    op.create_index("attachment_uploads_expire_index", "attachment_uploads", ["tenant_id", "expire_time"], unique=False)
    op.create_index(
        "attachment_uploads_record_index", "attachment_uploads", ["tenant_id", "collection", "record_id"], unique=False
    )
    op.create_table(
        "attachments",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("collection", sa.Text(), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("content_type", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("has_preview", sa.Boolean(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("creator_id", sa.Uuid(), nullable=False),
        sa.Column("delete_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("deleter_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="attachments_pkey"),
    )
    op.create_index(
        "attachments_record_index", "attachments", ["tenant_id", "collection", "record_id", "id"], unique=False
    )
    op.create_table(
        "file_parts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("file_id", sa.Uuid(), nullable=False),
        sa.Column("preview_pixels", sa.Integer(), nullable=False),
        sa.Column("first_byte", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("discard_time", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "key", name="file_parts_pkey"),
    )
    op.create_index(
        "file_parts_discard_index",
        "file_parts",
        ["tenant_id", "discard_time"],
        unique=False,
        postgresql_where=sa.text("discard_time IS NOT NULL"),
    )
    op.create_index(
        "file_parts_place_index",
        "file_parts",
        ["tenant_id", "file_id", "preview_pixels", "first_byte"],
        unique=True,
        postgresql_where=sa.text("discard_time IS NULL"),
    )
    protected("attachment_room", "attachment_uploads", "attachments", "file_parts")


def downgrade() -> None:
    op.drop_index("file_parts_place_index", table_name="file_parts", postgresql_where=sa.text("discard_time IS NULL"))
    op.drop_index(
        "file_parts_discard_index", table_name="file_parts", postgresql_where=sa.text("discard_time IS NOT NULL")
    )
    op.drop_table("file_parts")
    op.drop_index("attachments_record_index", table_name="attachments")
    op.drop_table("attachments")
    op.drop_index("attachment_uploads_record_index", table_name="attachment_uploads")
    op.drop_index("attachment_uploads_expire_index", table_name="attachment_uploads")
    op.drop_table("attachment_uploads")
    op.drop_table("attachment_room")

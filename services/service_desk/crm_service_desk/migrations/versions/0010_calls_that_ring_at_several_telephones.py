"""Calls that ring at several telephones are those of everybody whose telephones these are."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    op.add_column("calls", sa.Column("ring_user_ids", postgresql.ARRAY(sa.Uuid()), server_default="{}", nullable=False))
    op.create_index(
        "calls_ring_user_index", "calls", ["tenant_id", "ring_user_ids"], unique=False, postgresql_using="gin"
    )


def downgrade() -> None:
    op.drop_index("calls_ring_user_index", table_name="calls", postgresql_using="gin")
    op.drop_column("calls", "ring_user_ids")

"""Interactions that were calls over our telephones."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.add_column("interactions", sa.Column("call_id", sa.Uuid(), nullable=True))
    op.add_column("interactions", sa.Column("call_outcome", sa.Text(), nullable=True))


def downgrade() -> None:
    op.drop_column("interactions", "call_outcome")
    op.drop_column("interactions", "call_id")

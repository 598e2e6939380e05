"""Of interactions that are calls, which of the call's versions was heard of last."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"


def upgrade() -> None:
    op.add_column("interactions", sa.Column("call_version", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("interactions", "call_version")

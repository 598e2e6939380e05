"""How many working days a tenant gives who decides change proposals."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    op.add_column("access_tenants", sa.Column("change_proposal_days", sa.Integer(), server_default="3", nullable=False))


def downgrade() -> None:
    op.drop_column("access_tenants", "change_proposal_days")

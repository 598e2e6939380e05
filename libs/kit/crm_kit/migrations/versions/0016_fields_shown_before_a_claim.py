"""Which fields a tenant shows of records that are masked."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    column = sa.Column("unmasked_fields", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False)
    op.add_column("access_tenants", column)


def downgrade() -> None:
    op.drop_column("access_tenants", "unmasked_fields")

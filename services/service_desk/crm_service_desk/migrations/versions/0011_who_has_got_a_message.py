"""Who has got a message, so that what is heard late does not put them among those whom it missed."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    op.add_column(
        "outbound_messages",
        sa.Column("delivered_addresses", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
    )


def downgrade() -> None:
    op.drop_column("outbound_messages", "delivered_addresses")

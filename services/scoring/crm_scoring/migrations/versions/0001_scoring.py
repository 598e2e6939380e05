"""Facts, scores and credit, and the tables every service has."""

from alembic import op
from crm_kit.migrations import create_plumbing, create_tables, drop_tables
from crm_scoring.tables import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_plumbing(op.get_bind())
    create_tables(op.get_bind(), *metadata.sorted_tables)


def downgrade() -> None:
    drop_tables(op.get_bind(), metadata)

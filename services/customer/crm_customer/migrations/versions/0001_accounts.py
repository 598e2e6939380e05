"""Accounts and contacts, and the tables every service has."""

from alembic import op
from crm_customer.search.candidates import CREATE_FUNCTION, DROP_FUNCTION
from crm_customer.tables import metadata
from crm_kit.migrations import create_plumbing, create_tables, drop_tables

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_plumbing(op.get_bind())
    create_tables(op.get_bind(), *metadata.sorted_tables)
    # The look-up runs with the rights of the schema's owner and compares the tenant itself: under row-level
    # security the operators of arrays may not use an index.
    op.execute(CREATE_FUNCTION)
    op.execute("CREATE POLICY search ON account_search TO CURRENT_USER USING (true)")


def downgrade() -> None:
    op.execute(DROP_FUNCTION)
    drop_tables(op.get_bind(), metadata)

"""Contacts are found by their birthday."""

from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_index("contacts_birth_date_index", "contacts", ["tenant_id", "birth_date", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("contacts_birth_date_index", table_name="contacts")

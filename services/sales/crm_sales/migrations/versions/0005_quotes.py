"""quotes."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "quote_numbers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "year", name="quote_numbers_pkey"),
    )
    op.create_table(
        "quote_timers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("quote_id", sa.Uuid(), nullable=False),
        sa.Column("valid_until_date", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "quote_id", name="quote_timers_pkey"),
    )
    op.create_index("quote_timers_due_index", "quote_timers", ["tenant_id", "valid_until_date"], unique=False)
    op.create_table(
        "quotes",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("number", sa.Text(), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("is_current", sa.Boolean(), nullable=False),
        sa.Column("account_id", sa.Uuid(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(), nullable=True),
        sa.Column("owner_id", sa.Uuid(), nullable=False),
        sa.Column("owner_team_id", sa.Uuid(), nullable=True),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("valid_until_date", sa.Date(), nullable=False),
        sa.Column("payment_days", sa.Integer(), nullable=False),
        sa.Column("introduction", sa.Text(), nullable=True),
        sa.Column("closing", sa.Text(), nullable=True),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("lines", postgresql.JSONB(), nullable=False),
        sa.Column("discount_percent", sa.Numeric(), nullable=False),
        sa.Column("discount_amount", sa.Numeric(), nullable=False),
        sa.Column("tax_rounding", sa.Text(), nullable=False),
        sa.Column("prices_include_tax", sa.Boolean(), nullable=False),
        sa.Column("pricing_date", sa.Date(), nullable=False),
        sa.Column("priced_lines", postgresql.JSONB(), nullable=False),
        sa.Column("rates", postgresql.JSONB(), nullable=False),
        sa.Column("document_discount_amount", sa.Numeric(), nullable=False),
        sa.Column("net_amount", sa.Numeric(), nullable=False),
        sa.Column("tax_amount", sa.Numeric(), nullable=False),
        sa.Column("gross_amount", sa.Numeric(), nullable=False),
        sa.Column("cost_amount", sa.Numeric(), nullable=True),
        sa.Column("margin_amount", sa.Numeric(), nullable=True),
        sa.Column("margin_percent", sa.Numeric(), nullable=True),
        sa.Column("deepest_discount_percent", sa.Numeric(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("send_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("close_time", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reject_reason", sa.Text(), nullable=True),
        sa.Column("order_id", sa.Uuid(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "opportunity_id"],
            ["opportunities.tenant_id", "opportunities.id"],
            name="quotes_opportunity_fkey",
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="quotes_pkey"),
        sa.UniqueConstraint("tenant_id", "number", "version_number", name="quotes_number_key"),
    )
    op.create_index("quotes_account_index", "quotes", ["tenant_id", "account_id", "create_time", "id"], unique=False)
    op.create_index("quotes_close_time_index", "quotes", ["tenant_id", "close_time", "id"], unique=False)
    op.create_index("quotes_create_time_index", "quotes", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("quotes_display_name_index", "quotes", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index("quotes_number_index", "quotes", ["tenant_id", "number", "id"], unique=False)
    op.create_index("quotes_opportunity_index", "quotes", ["tenant_id", "opportunity_id"], unique=False)
    op.create_index("quotes_owner_index", "quotes", ["tenant_id", "owner_id", "create_time", "id"], unique=False)
    op.create_index("quotes_owner_team_index", "quotes", ["tenant_id", "owner_team_id", "create_time"], unique=False)
    op.create_index("quotes_send_time_index", "quotes", ["tenant_id", "send_time", "id"], unique=False)
    op.create_index("quotes_update_time_index", "quotes", ["tenant_id", "update_time", "id"], unique=False)
    op.create_index("quotes_valid_until_date_index", "quotes", ["tenant_id", "valid_until_date", "id"], unique=False)
    op.add_column("orders", sa.Column("quote_id", sa.Uuid(), nullable=True))
    op.create_index(
        "orders_quote_index",
        "orders",
        ["tenant_id", "quote_id"],
        unique=True,
        postgresql_where=sa.text("quote_id IS NOT NULL"),
    )
    op.create_foreign_key("orders_quote_fkey", "orders", "quotes", ["tenant_id", "quote_id"], ["tenant_id", "id"])
    protected("quote_numbers", "quotes", plumbing=["quote_timers"])


def downgrade() -> None:
    op.drop_constraint("orders_quote_fkey", "orders", type_="foreignkey")
    op.drop_index("orders_quote_index", table_name="orders", postgresql_where=sa.text("quote_id IS NOT NULL"))
    op.drop_column("orders", "quote_id")
    op.drop_index("quotes_valid_until_date_index", table_name="quotes")
    op.drop_index("quotes_update_time_index", table_name="quotes")
    op.drop_index("quotes_send_time_index", table_name="quotes")
    op.drop_index("quotes_owner_team_index", table_name="quotes")
    op.drop_index("quotes_owner_index", table_name="quotes")
    op.drop_index("quotes_opportunity_index", table_name="quotes")
    op.drop_index("quotes_number_index", table_name="quotes")
    op.drop_index("quotes_display_name_index", table_name="quotes")
    op.drop_index("quotes_create_time_index", table_name="quotes")
    op.drop_index("quotes_close_time_index", table_name="quotes")
    op.drop_index("quotes_account_index", table_name="quotes")
    op.drop_table("quotes")
    op.drop_index("quote_timers_due_index", table_name="quote_timers")
    op.drop_table("quote_timers")
    op.drop_table("quote_numbers")

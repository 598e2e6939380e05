"""products and prices."""

import sqlalchemy as sa
from alembic import op
from crm_kit.migrating import protected
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.create_table(
        "account_tiers",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("value_tier", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="account_tiers_pkey"),
    )
    op.create_table(
        "price_books",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("currency_code", sa.Text(), nullable=False),
        sa.Column("audience", sa.Text(), nullable=False),
        sa.Column("value_tier", sa.Text(), nullable=True),
        sa.Column("account_id", sa.Uuid(), nullable=True),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column("valid_from_date", sa.Date(), nullable=False),
        sa.Column("valid_to_date", sa.Date(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("place", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="price_books_pkey"),
    )
    op.create_index(
        "price_books_account_index",
        "price_books",
        ["tenant_id", "account_id"],
        unique=False,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index("price_books_create_time_index", "price_books", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index(
        "price_books_display_name_index", "price_books", ["tenant_id", "display_name_key", "id"], unique=False
    )
    op.create_index(
        "price_books_place_index",
        "price_books",
        ["tenant_id", "place"],
        unique=True,
        postgresql_where=sa.text("state = 'ACTIVE'"),
    )
    op.create_index(
        "price_books_valid_from_date_index", "price_books", ["tenant_id", "valid_from_date", "id"], unique=False
    )
    op.create_table(
        "products",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("category_key", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("versions", postgresql.JSONB(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="products_pkey"),
        sa.UniqueConstraint("tenant_id", "code", name="products_code_key"),
    )
    op.create_index("products_code_index", "products", ["tenant_id", "code", "id"], unique=False)
    op.create_index("products_create_time_index", "products", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("products_display_name_index", "products", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_table(
        "tax_rates",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("display_name", sa.Text(), nullable=False),
        sa.Column("display_name_key", sa.Text(), nullable=False),
        sa.Column("tax_class", sa.Text(), nullable=False),
        sa.Column("percent", sa.Numeric(), nullable=False),
        sa.Column("valid_from_date", sa.Date(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="tax_rates_pkey"),
        sa.UniqueConstraint("tenant_id", "tax_class", "valid_from_date", name="tax_rates_tax_class_key"),
    )
    op.create_index("tax_rates_create_time_index", "tax_rates", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("tax_rates_display_name_index", "tax_rates", ["tenant_id", "display_name_key", "id"], unique=False)
    op.create_index(
        "tax_rates_valid_from_date_index", "tax_rates", ["tenant_id", "valid_from_date", "id"], unique=False
    )
    op.create_table(
        "prices",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("price_book_id", sa.Uuid(), nullable=False),
        sa.Column("product_id", sa.Uuid(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("price_per", sa.Integer(), nullable=False),
        sa.Column("steps", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["tenant_id", "price_book_id"], ["price_books.tenant_id", "price_books.id"], name="prices_price_book_fkey"
        ),
        sa.ForeignKeyConstraint(
            ["tenant_id", "product_id"], ["products.tenant_id", "products.id"], name="prices_product_fkey"
        ),
        sa.PrimaryKeyConstraint("tenant_id", "id", name="prices_pkey"),
        sa.UniqueConstraint("tenant_id", "price_book_id", "product_id", name="prices_product_key"),
    )
    op.create_index("prices_create_time_index", "prices", ["tenant_id", "create_time", "id"], unique=False)
    op.create_index("prices_product_index", "prices", ["tenant_id", "product_id", "price_book_id"], unique=False)
    protected("account_tiers", "price_books", "products", "tax_rates", "prices")


def downgrade() -> None:
    op.drop_index("prices_product_index", table_name="prices")
    op.drop_index("prices_create_time_index", table_name="prices")
    op.drop_table("prices")
    op.drop_index("tax_rates_valid_from_date_index", table_name="tax_rates")
    op.drop_index("tax_rates_display_name_index", table_name="tax_rates")
    op.drop_index("tax_rates_create_time_index", table_name="tax_rates")
    op.drop_table("tax_rates")
    op.drop_index("products_display_name_index", table_name="products")
    op.drop_index("products_create_time_index", table_name="products")
    op.drop_index("products_code_index", table_name="products")
    op.drop_table("products")
    op.drop_index("price_books_valid_from_date_index", table_name="price_books")
    op.drop_index("price_books_place_index", table_name="price_books", postgresql_where=sa.text("state = 'ACTIVE'"))
    op.drop_index("price_books_display_name_index", table_name="price_books")
    op.drop_index("price_books_create_time_index", table_name="price_books")
    op.drop_index("price_books_account_index", table_name="price_books", postgresql_where=sa.text("state = 'ACTIVE'"))
    op.drop_table("price_books")
    op.drop_table("account_tiers")

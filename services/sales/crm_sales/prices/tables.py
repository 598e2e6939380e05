"""Tables of prices."""

from crm_kit.database.tables import reference, tenant_table, unique, versioned_columns
from sqlalchemy import Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

prices = tenant_table(
    "prices",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("price_book_id", Uuid, nullable=False),
    Column("product_id", Uuid, nullable=False),
    Column("mode", Text, nullable=False),
    Column("price_per", Integer, nullable=False),
    Column("steps", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    *versioned_columns(),
    reference("price_book_id", "price_books", name="prices_price_book_fkey", field="price.price_book_id"),
    reference("product_id", "products", name="prices_product_fkey", field="price.product_id"),
    unique(
        "prices_product_key",
        "price_book_id",
        "product_id",
        reason="PRICE_EXISTS",
        field="price.product_id",
        detail="the product has a price in this book",
    ),
)
Index("prices_create_time_index", prices.c.tenant_id, prices.c.create_time, prices.c.id)
Index("prices_product_index", prices.c.tenant_id, prices.c.product_id, prices.c.price_book_id)

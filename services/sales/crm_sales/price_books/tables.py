"""Tables of price books."""

from crm_kit.database.tables import Violation, tenant_table, versioned_columns
from sqlalchemy import Column, Date, Index, Text, Uuid, text

from crm_sales.metadata import metadata

price_books = tenant_table(
    "price_books",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("audience", Text, nullable=False),
    Column("value_tier", Text),
    Column("account_id", Uuid),
    Column("channel", Text),
    Column("valid_from_date", Date, nullable=False),
    Column("valid_to_date", Date),
    Column("state", Text, nullable=False),
    Column("place", Text, nullable=False),
    *versioned_columns(),
)
for _name, _columns in {
    "create_time": ("create_time", "id"),
    "display_name": ("display_name_key", "id"),
    "valid_from_date": ("valid_from_date", "id"),
}.items():
    Index(f"price_books_{_name}_index", price_books.c.tenant_id, *(price_books.c[column] for column in _columns))
Index(
    "price_books_account_index",
    price_books.c.tenant_id,
    price_books.c.account_id,
    postgresql_where=text("state = 'ACTIVE'"),
)
Index(
    "price_books_place_index",
    price_books.c.tenant_id,
    price_books.c.place,
    unique=True,
    postgresql_where=text("state = 'ACTIVE'"),
    info={
        "violation": Violation(
            "exists",
            "PRICE_BOOK_EXISTS",
            "id",
            "another active price book has the same currency, audience, channel and first day",
        )
    },
)

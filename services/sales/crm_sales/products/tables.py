"""Tables of products."""

from crm_kit.database.tables import tenant_table, unique, versioned_columns
from sqlalchemy import Column, Index, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

products = tenant_table(
    "products",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("description", Text),
    Column("category", Text),
    Column("category_key", Text),
    Column("state", Text, nullable=False),
    Column("versions", JSONB, nullable=False),
    *versioned_columns(),
    unique(
        "products_code_key",
        "code",
        reason="PRODUCT_CODE_TAKEN",
        field="product.code",
        detail="another product has this code",
    ),
)
for _name, _columns in {
    "create_time": ("create_time", "id"),
    "display_name": ("display_name_key", "id"),
    "code": ("code", "id"),
}.items():
    Index(f"products_{_name}_index", products.c.tenant_id, *(products.c[column] for column in _columns))

"""Tables of tax rates."""

from crm_kit.database.tables import tenant_table, unique, versioned_columns
from sqlalchemy import Column, Date, Index, Numeric, Text, Uuid

from crm_sales.metadata import metadata

tax_rates = tenant_table(
    "tax_rates",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("tax_class", Text, nullable=False),
    Column("percent", Numeric, nullable=False),
    Column("valid_from_date", Date, nullable=False),
    *versioned_columns(),
    unique(
        "tax_rates_tax_class_key",
        "tax_class",
        "valid_from_date",
        reason="TAX_RATE_EXISTS",
        field="tax_rate.valid_from_date",
        detail="the tax class has another rate from this day on",
    ),
)
for _name, _columns in {
    "create_time": ("create_time", "id"),
    "display_name": ("display_name_key", "id"),
    "valid_from_date": ("valid_from_date", "id"),
}.items():
    Index(f"tax_rates_{_name}_index", tax_rates.c.tenant_id, *(tax_rates.c[column] for column in _columns))

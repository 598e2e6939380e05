"""Tables of quotes."""

from crm_kit.database.tables import Kept, Violation, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Numeric, Text, UniqueConstraint, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

# Each row is one version. What it comes to is stored beside its lines: it is reckoned once, filtered and summed.
quotes = tenant_table(
    "quotes",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("number", Text, nullable=False),
    Column("version_number", Integer, nullable=False),
    Column("is_current", Boolean, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("contact_id", Uuid),
    Column("opportunity_id", Uuid),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("currency_code", Text, nullable=False),
    Column("channel", Text),
    Column("valid_until_date", Date, nullable=False),
    Column("payment_days", Integer, nullable=False),
    Column("introduction", Text),
    Column("closing", Text),
    Column("terms", Text),
    Column("lines", JSONB, nullable=False),
    Column("discount_percent", Numeric, nullable=False),
    Column("discount_amount", Numeric, nullable=False),
    Column("tax_rounding", Text, nullable=False),
    Column("prices_include_tax", Boolean, nullable=False),
    Column("pricing_date", Date, nullable=False),
    Column("priced_lines", JSONB, nullable=False),
    Column("rates", JSONB, nullable=False),
    Column("document_discount_amount", Numeric, nullable=False),
    Column("net_amount", Numeric, nullable=False),
    Column("tax_amount", Numeric, nullable=False),
    Column("gross_amount", Numeric, nullable=False),
    Column("cost_amount", Numeric),
    Column("margin_amount", Numeric),
    Column("margin_percent", Numeric),
    Column("deepest_discount_percent", Numeric, nullable=False),
    Column("state", Text, nullable=False),
    Column("send_time", DateTime(timezone=True)),
    Column("close_time", DateTime(timezone=True)),
    Column("reject_reason", Text),
    Column("order_id", Uuid),
    *versioned_columns(),
    UniqueConstraint(
        "tenant_id",
        "number",
        "version_number",
        name="quotes_number_key",
        info={"violation": Violation("conflict", "CONFLICT", "id", "its next version was made at the same time")},
    ),
    reference("opportunity_id", "opportunities", name="quotes_opportunity_fkey", field="quote.opportunity_id"),
)


def _index(name: str, *columns: str) -> None:
    Index(f"quotes_{name}_index", quotes.c.tenant_id, *(quotes.c[column] for column in columns))


_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("send_time", "send_time", "id")
_index("close_time", "close_time", "id")
_index("valid_until_date", "valid_until_date", "id")
_index("number", "number", "id")
_index("display_name", "display_name_key", "id")
_index("owner", "owner_id", "create_time", "id")
_index("owner_team", "owner_team_id", "create_time")
_index("account", "account_id", "create_time", "id")
_index("opportunity", "opportunity_id")

# The last quote number given, per year.
quote_numbers = tenant_table(
    "quote_numbers",
    metadata,
    Column("year", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    key=("year",),
    retention=Kept("a row a year"),
)

# Until when a quote that was sent can be accepted.
quote_timers = tenant_table(
    "quote_timers",
    metadata,
    Column("quote_id", Uuid, nullable=False),
    Column("valid_until_date", Date, nullable=False),
    key=("quote_id",),
    plumbing=True,
    retention=Kept("at most one for each quote that is sent"),
)
Index("quote_timers_due_index", quote_timers.c.tenant_id, quote_timers.c.valid_until_date)

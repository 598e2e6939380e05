"""Tables of the deliveries of feeds."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Text, Uuid, false, func, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

# After it has ended: one that waits or runs stays.
KEPT_FOR = timedelta(days=400)

feed_deliveries = tenant_table(
    "feed_deliveries",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("feed_id", Uuid, nullable=False),
    Column("delivery_id", Text, nullable=False),
    Column("data_date", Date, nullable=False),
    # No reference: the delivery is kept, its file is not.
    Column("upload_id", Uuid, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("content_digest", Text, nullable=False),
    Column("expected_rows", Integer),
    Column("expected_sums", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("held_reason", Text),
    Column("short", Boolean, nullable=False),
    Column("repeated", Boolean, nullable=False),
    Column("rows_total", Integer),
    Column("keyless_rows", Integer),
    Column("rows_with_id", Integer, nullable=False),
    Column("found_sums", JSONB, nullable=False),
    Column("only_creates", Boolean, nullable=False),
    Column("released", Boolean, nullable=False, server_default=false()),
    Column("of_rows", Boolean, nullable=False, server_default=false()),
    Column("decimal_separator", Text, nullable=False, server_default=""),
    Column("import_id", Uuid),
    Column("created_count", Integer, nullable=False),
    Column("updated_count", Integer, nullable=False),
    Column("skipped_count", Integer, nullable=False),
    Column("failed_count", Integer, nullable=False),
    Column("disagreeing_count", Integer, nullable=False, server_default="0"),
    Column("failure_reason", Text),
    Column("failure", Text),
    Column("sender_id", Uuid, nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    Column("start_time", DateTime(timezone=True)),
    Column("finish_time", DateTime(timezone=True)),
    *versioned_columns(),
    reference("feed_id", "feeds", name="feed_deliveries_feed_fkey", field="feed_delivery.feed_id"),
    retention=Retention("finish_time", KEPT_FOR, Clock.TENANT),
)


def _index(name: str, *columns: str, where: str | None = None, unique: bool = False) -> None:
    found = (feed_deliveries.c[column] for column in ("tenant_id", *columns))
    condition = None if where is None else text(where)
    Index(f"feed_deliveries_{name}_index", *found, postgresql_where=condition, unique=unique)


# What another system calls a delivery it means once.
_index("delivery_id", "feed_id", "delivery_id", unique=True)
_index("create_time", "create_time", "id")
_index("data_date", "data_date", "id")
_index("feed", "feed_id", "create_time", "id")
_index("feed_data_date", "feed_id", "data_date")
_index("open", "feed_id", "id", where="finish_time IS NULL")
_index("finish_time", "feed_id", "finish_time", where="finish_time IS NOT NULL")

# Which deliveries are still to be counted: what is looked for across tenants.
uncounted_deliveries = tenant_table(
    "uncounted_deliveries",
    metadata,
    Column("delivery_id", Uuid, nullable=False),
    # How often counting it has begun, and until when that is another process's, by the database's clock.
    Column("tries", Integer, nullable=False, server_default="0"),
    Column("expire_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # Of its file, in bytes: small ones do not wait for large ones.
    Column("size", Integer, nullable=False, server_default="0"),
    Column("create_time", DateTime(timezone=True), nullable=False),
    reference("delivery_id", "feed_deliveries", name="uncounted_deliveries_delivery_fkey", field="id"),
    key=("delivery_id",),
    plumbing=True,
    retention=Kept("a row for each delivery that is not counted yet"),
)
Index(
    "uncounted_deliveries_create_time_index",
    *(uncounted_deliveries.c[name] for name in ("tenant_id", "create_time")),
    info={"across_tenants": True},
)

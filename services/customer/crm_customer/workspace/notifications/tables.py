"""The table of notifications."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Retention, Violation, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_customer.metadata import metadata

notifications = tenant_table(
    "notifications",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("collection", Text, nullable=False),
    Column("record_id", Uuid, nullable=False),
    Column("record_title", Text),
    Column("actor_id", Uuid),
    Column("text", Text),
    Column("values", JSONB, nullable=False),
    Column("count", Integer, nullable=False),
    Column("notice_time", DateTime(timezone=True), nullable=False),
    Column("read", Boolean, nullable=False),
    Column("read_time", DateTime(timezone=True)),
    Column("shown", Boolean, nullable=False),
    Column("digest", Boolean, nullable=False),
    *versioned_columns(),
    retention=Retention("notice_time", timedelta(days=90), Clock.TENANT),
)
Index(
    "notifications_list_index",
    *(notifications.c[name] for name in ("tenant_id", "user_id", "notice_time", "id")),
    postgresql_where=text("shown"),
)
# Filters compare `read` with a parameter, which no index on what is unread would serve.
Index(
    "notifications_read_index",
    *(notifications.c[name] for name in ("tenant_id", "user_id", "read", "notice_time", "id")),
    postgresql_where=text("shown"),
)
Index("notifications_record_index", *(notifications.c[name] for name in ("tenant_id", "user_id", "record_id")))
# What is told again while it is unread is added to it.
Index(
    "notifications_unread_index",
    *(notifications.c[name] for name in ("tenant_id", "user_id", "record_id", "kind", "collection")),
    unique=True,
    postgresql_where=text("NOT read"),
    info={"violation": Violation("conflict", "CONFLICT", "record_id", "the same was told at the same time")},
)
Index(
    "notifications_digest_index",
    *(notifications.c[name] for name in ("tenant_id", "notice_time", "user_id")),
    postgresql_where=text("digest"),
)

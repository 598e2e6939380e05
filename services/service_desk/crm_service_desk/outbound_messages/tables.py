"""Tables of outbound messages: what was written, and what of it is still to go."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_service_desk.metadata import metadata

outbound_messages = tenant_table(
    "outbound_messages",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("case_id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    Column("to_addresses", ARRAY(Text), nullable=False),
    Column("cc_addresses", ARRAY(Text), nullable=False),
    Column("subject", Text),
    Column("text", Text, nullable=False),
    Column("attachment_ids", ARRAY(Uuid), nullable=False),
    Column("state", Text, nullable=False),
    Column("from_address", Text),
    Column("source_id", Text, nullable=False),
    Column("thread_references", ARRAY(Text), nullable=False),
    Column("pending_addresses", ARRAY(Text), nullable=False),
    Column("refused_addresses", ARRAY(Text), nullable=False),
    # Who has got it, so that they are not among those whom it missed, whatever is heard afterwards.
    Column("delivered_addresses", ARRAY(Text), nullable=False, server_default="{}"),
    Column("failure", Text),
    Column("failure_detail", Text),
    Column("attempt_count", Integer, nullable=False),
    Column("sent_time", DateTime(timezone=True)),
    Column("delivered_time", DateTime(timezone=True)),
    Column("writer_id", Uuid, nullable=False),
    Column("automatic", Boolean, nullable=False, server_default="false"),
    *versioned_columns(),
    unique(
        "outbound_messages_source_key",
        "channel_id",
        "source_id",
        reason="ALREADY_EXISTS",
        field="outbound_message.source_id",
        detail="the channel has a message with this id",
    ),
    reference("channel_id", "channels", name="outbound_messages_channel_fkey", field="outbound_message.channel_id"),
    reference("case_id", "cases", name="outbound_messages_case_fkey", field="outbound_message.case_id"),
)


def _index(name: str, *columns: str) -> None:
    table = outbound_messages
    Index(f"outbound_messages_{name}_index", table.c.tenant_id, *(table.c[column] for column in columns))


_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("state", "state", "create_time", "id")
_index("case", "case_id", "create_time", "id")
_index("writer", "writer_id", "create_time", "id")

# What is still to go, by the clock of machines; looked for across tenants.
outbound_queue = tenant_table(
    "outbound_queue",
    metadata,
    Column("message_id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    # Whether a mailbox sends it; everything else is taken by adapters.
    Column("by_mailbox", Boolean, nullable=False),
    # When it is tried next, or, while somebody tries it, when that has taken too long.
    Column("due_time", DateTime(timezone=True), nullable=False),
    # When it is given up.
    Column("end_time", DateTime(timezone=True), nullable=False),
    # Whether those written later in the case, by the same channel, wait for it: until somebody has got it.
    # Not known of what a version has written that knows no order, and serves beside this one; a look finds it out.
    Column("case_id", Uuid),
    Column("holds", Boolean, nullable=False, server_default="true"),
    # How often it had been tried when it came here: the waits between attempts are reckoned from there.
    Column("first_attempt", Integer, nullable=False, server_default="0"),
    reference("message_id", "outbound_messages", name="outbound_queue_message_fkey", field="id"),
    key=("message_id",),
    plumbing=True,
    retention=Kept("a row for each message that is still to go, for two days at most"),
)
Index(
    "outbound_queue_tenant_due_index",
    *(outbound_queue.c[name] for name in ("tenant_id", "due_time", "message_id")),
    postgresql_where=outbound_queue.c.by_mailbox,
)
Index(
    "outbound_queue_unordered_index",
    outbound_queue.c.tenant_id,
    postgresql_where=outbound_queue.c.case_id.is_(None),
)
Index("outbound_queue_end_index", outbound_queue.c.end_time, info={"across_tenants": True})
Index("outbound_queue_channel_index", *(outbound_queue.c[name] for name in ("tenant_id", "channel_id", "due_time")))
Index("outbound_queue_case_index", *(outbound_queue.c[name] for name in ("tenant_id", "case_id", "message_id")))

# How many messages rules have written to an address on a day of the tenant's.
automatic_messages = tenant_table(
    "automatic_messages",
    metadata,
    Column("address", Text, nullable=False),
    Column("day_date", Date, nullable=False),
    Column("count", Integer, nullable=False),
    key=("address", "day_date"),
    retention=Retention("day_date", timedelta(days=7), Clock.TENANT),
)

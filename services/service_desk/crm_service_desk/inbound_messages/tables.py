"""Tables of inbound messages."""

from crm_kit.database.tables import Kept, reference, tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_service_desk.metadata import metadata

inbound_messages = tenant_table(
    "inbound_messages",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("from_address", Text, nullable=False),
    Column("from_name", Text),
    Column("to_addresses", ARRAY(Text), nullable=False),
    Column("subject", Text),
    Column("text", Text),
    Column("thread_references", ARRAY(Text), nullable=False),
    Column("sent_time", DateTime(timezone=True)),
    Column("automatic", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("contact_id", Uuid),
    Column("account_id", Uuid),
    Column("case_id", Uuid),
    Column("files", JSONB, nullable=False, server_default=text("'[]'")),
    Column("reply_to_address", Text),
    *versioned_columns(),
    unique(
        "inbound_messages_source_key",
        "channel_id",
        "source_id",
        reason="ALREADY_EXISTS",
        field="inbound_message.source_id",
        detail="the channel has a message with this id",
    ),
    reference("channel_id", "channels", name="inbound_messages_channel_fkey", field="inbound_message.channel_id"),
    reference("case_id", "cases", name="inbound_messages_case_fkey", field="case_id"),
)


def _index(name: str, *columns: str) -> None:
    table = inbound_messages
    Index(f"inbound_messages_{name}_index", table.c.tenant_id, *(table.c[column] for column in columns))


_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
# The queue.
_index("state", "state", "create_time", "id")
_index("case", "case_id", "create_time", "id")
_index("contact", "contact_id", "create_time", "id")
_index("account", "account_id", "create_time", "id")
# How many came of a sender within the hour.
_index("sender", "channel_id", "from_address", "create_time")

# Which case is meant by what answers a message, or goes on with a conversation.
message_threads = tenant_table(
    "message_threads",
    metadata,
    Column("channel_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("case_id", Uuid, nullable=False),
    reference("channel_id", "channels", name="message_threads_channel_fkey", field="channel_id"),
    reference("case_id", "cases", name="message_threads_case_fkey", field="case_id"),
    key=("channel_id", "reference"),
    retention=Kept("at most fifty-one for each message that belongs to a case"),
)
Index("message_threads_case_index", message_threads.c.tenant_id, message_threads.c.case_id)

"""Tables of calls."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text, Uuid, false
from sqlalchemy.dialects.postgresql import ARRAY

from crm_service_desk.metadata import metadata

# An event is at most 30 days old when it comes and lies within a day of all others of its call: what came longer ago
# than this is needed for none.
FACTS_LAST = timedelta(days=60)

calls = tenant_table(
    "calls",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("channel_id", Uuid, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("outcome", Text),
    Column("cause", Text),
    Column("from_number", Text),
    Column("to_number", Text),
    Column("customer_number", Text),
    Column("match", Text, nullable=False),
    Column("contact_id", Uuid),
    Column("account_id", Uuid),
    Column("user_id", Uuid),
    Column("user_team_id", Uuid),
    Column("extension", Text),
    Column("queue", Text),
    Column("menu_choices", ARRAY(Text), nullable=False),
    Column("begin_time", DateTime(timezone=True), nullable=False),
    Column("ring_time", DateTime(timezone=True)),
    Column("answer_time", DateTime(timezone=True)),
    Column("end_time", DateTime(timezone=True)),
    Column("waiting_seconds", Integer),
    Column("talk_seconds", Integer),
    Column("missed", Boolean, nullable=False),
    Column("called_back", Boolean, nullable=False, server_default=false()),
    Column("recording_url", Text),
    Column("ring_count", Integer, nullable=False),
    Column("ring_user_ids", ARRAY(Uuid), nullable=False, server_default="{}"),
    *versioned_columns(),
    unique(
        "calls_source_key",
        "channel_id",
        "source_id",
        reason="ALREADY_EXISTS",
        field="event.source_id",
        detail="the channel has a call with this id",
    ),
    reference("channel_id", "channels", name="calls_channel_fkey", field="channel_id"),
)


def _index(name: str, *columns: str) -> None:
    Index(f"calls_{name}_index", calls.c.tenant_id, *(calls.c[column] for column in columns))


_index("begin_time", "begin_time", "id")
_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("account", "account_id", "begin_time", "id")
_index("contact", "contact_id", "begin_time", "id")
_index("user", "user_id", "begin_time", "id")
_index("user_team", "user_team_id", "begin_time", "id")
Index("calls_ring_user_index", calls.c.tenant_id, calls.c.ring_user_ids, postgresql_using="gin")
_index("number", "customer_number", "begin_time", "id")
# Those to call back, and those that nobody was found for.
_index("missed", "missed", "called_back", "begin_time", "id")
_index("match", "match", "begin_time", "id")

# What was told of each call, each thing once.
call_facts = tenant_table(
    "call_facts",
    metadata,
    Column("call_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("receive_time", DateTime(timezone=True), nullable=False),
    Column("kind", Text, nullable=False),
    Column("happen_time", DateTime(timezone=True), nullable=False),
    Column("direction", Text, nullable=False),
    Column("from_number", Text),
    Column("to_number", Text),
    Column("user_id", Uuid),
    Column("extension", Text),
    Column("queue", Text),
    Column("menu_choice", Text),
    Column("cause", Text),
    Column("recording_url", Text),
    key=("call_id", "position"),
    retention=Retention("receive_time", FACTS_LAST, Clock.TENANT),
)

# Of each call that has not ended: when we wait no longer for more.
call_timers = tenant_table(
    "call_timers",
    metadata,
    Column("call_id", Uuid, nullable=False),
    Column("due_time", DateTime(timezone=True), nullable=False),
    key=("call_id",),
    plumbing=True,
    retention=Kept("at most one for each call under way"),
)
Index("call_timers_due_index", call_timers.c.tenant_id, call_timers.c.due_time)

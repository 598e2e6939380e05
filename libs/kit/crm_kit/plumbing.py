"""The tables every service has beside its own: outbox, inbox, dead letters, leases, replays, history, directory."""

from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Index,
    Integer,
    Interval,
    LargeBinary,
    MetaData,
    Text,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_kit.database.tables import NAMING, Violation, tenant_table

metadata = MetaData(naming_convention=NAMING)

# Events of committed transactions, on their way to the broker. `event` is a crm.event.v1.Event.
outbox = tenant_table(
    "outbox",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("subject", Text, nullable=False),
    Column("aggregate_id", Uuid, nullable=False),
    Column("aggregate_version", Integer, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    Column("publish_time", DateTime(timezone=True)),
    plumbing=True,
)
# The relay takes the oldest of all tenants, so the tenant does not lead: a backlog would be sorted for every batch.
Index(
    "outbox_unpublished_index",
    outbox.c.id,
    postgresql_where=text("publish_time IS NULL"),
    info={"across_tenants": True},
)

# Which events have had their effect here.
inbox = tenant_table(
    "inbox",
    metadata,
    Column("event_id", Uuid, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("event_id", "consumer"),
    plumbing=True,
)
inbox.primary_key.info["violation"] = Violation("exists", "ALREADY_EXISTS", "event", "has had its effect")

# Events whose effect failed again and again, with the reason; replayed by command.
dead_letters = tenant_table(
    "dead_letters",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("consumer", Text, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("reason", Text, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("id", "consumer"),
    plumbing=True,
)

# Work that only one process may do at a time; whoever holds it renews it, or another takes over.
leases = tenant_table(
    "leases",
    metadata,
    Column("name", Text, nullable=False),
    Column("holder", Uuid, nullable=False),
    Column("expire_time", DateTime(timezone=True), nullable=False),
    key=("name",),
    plumbing=True,
)

# What a request with an idempotency key was answered.
idempotency_keys = tenant_table(
    "idempotency_keys",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("key", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("request_hash", LargeBinary, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("user_id", "key"),
    plumbing=True,
)
idempotency_keys.primary_key.info["violation"] = Violation(
    "exists", "IDEMPOTENCY_KEY_IN_USE", "idempotency-key", "a request with this key is being answered"
)

# Who changed which field of what from what to what. `fields` is a list of {field, old, new}.
changes = tenant_table(
    "changes",
    metadata,
    Column("resource_type", Text, nullable=False),
    Column("resource_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("change_time", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid, nullable=False),
    Column("action", Text, nullable=False),
    Column("fields", JSONB, nullable=False),
    key=("resource_type", "resource_id", "version"),
)

# --- the directory as this service knows it; customer writes it with its own tables, the others on events ---

access_tenants = tenant_table(
    "access_tenants",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("slug", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("clock_offset", Interval, nullable=False),
    Column("version", Integer, nullable=False),
    plumbing=True,
)

access_users = tenant_table(
    "access_users",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("login", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("team_id", Uuid),
    Column("role_ids", ARRAY(Uuid), nullable=False),
    Column("version", Integer, nullable=False),
)
Index("access_users_login_index", access_users.c.tenant_id, access_users.c.login)

access_teams = tenant_table(
    "access_teams",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("parent_id", Uuid),
    Column("version", Integer, nullable=False),
)
Index("access_teams_parent_index", access_teams.c.tenant_id, access_teams.c.parent_id)

# `grants` maps a permission to the name of its scope.
access_roles = tenant_table(
    "access_roles",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("grants", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
)

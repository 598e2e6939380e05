"""The tables that every service has beside its own.

Events, replays, history, custom fields, approvals, working hours, automation, reports, jobs, exports, mail, comments,
tasks, change proposals, and the directory as a service knows it.
"""

from datetime import timedelta

from sqlalchemy import (
    Boolean,
    Column,
    Date,
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

from crm_kit import approval_tables
from crm_kit.attachments_tables import attachment_tables
from crm_kit.automation_tables import rules_table, runs_table, timers_table
from crm_kit.change_proposal_tables import change_proposal_timers_table, change_proposals_table
from crm_kit.comments_table import comments_table
from crm_kit.database.tables import NAMING, Clock, Kept, Retention, Violation, tenant_table, unique, versioned_columns
from crm_kit.export_tables import exports_table
from crm_kit.job_tables import job_records_table, job_turns_table, jobs_table
from crm_kit.mail_tables import mails_table
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.regions import DEFAULT_REGION
from crm_kit.report_tables import report_timers_table, reports_table
from crm_kit.task_tables import task_timers_table, tasks_table
from crm_kit.zones import DEFAULT_ZONE

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
    retention=Retention("publish_time", timedelta(hours=6), Clock.SYSTEM),
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
    retention=Retention("create_time", timedelta(days=14), Clock.SYSTEM),
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
    retention=Retention("create_time", timedelta(days=90), Clock.SYSTEM),
)

# Which types of events the versions of a service follow that ran lately: what one does not know waits for another.
followed_events = tenant_table(
    "followed_events",
    metadata,
    Column("consumer", Text, nullable=False),
    Column("event_type", Text, nullable=False),
    Column("seen_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("consumer", "event_type"),
    plumbing=True,
    retention=Retention("seen_time", timedelta(days=1), Clock.SYSTEM),
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
    retention=Kept("a row for each kind of work"),
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
    retention=Retention("create_time", timedelta(hours=48), Clock.SYSTEM),
)
idempotency_keys.primary_key.info["violation"] = Violation(
    "exists", "IDEMPOTENCY_KEY_IN_USE", "idempotency-key", "a request with this key is being answered"
)

# How many were created under a key: who looks for a record and finds none creates it only if nobody did meanwhile.
creations = tenant_table(
    "creations",
    metadata,
    Column("key", Text, nullable=False),
    Column("number", Integer, nullable=False),
    Column("create_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("key",),
    plumbing=True,
    retention=Retention("create_time", timedelta(hours=48), Clock.SYSTEM),
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
    # The change proposal that was accepted with it, and who proposed it.
    Column("change_proposal_id", Uuid),
    Column("proposer_id", Uuid),
    key=("resource_type", "resource_id", "version"),
    retention=Kept("the history of records, which as-of reads and audits go by"),
)

# --- custom fields: docs/adr/0011-custom-values-beside-the-record.md says why values are kept twice ---

custom_fields = tenant_table(
    "custom_fields",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("collection", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("label", JSONB, nullable=False),
    Column("options", JSONB, nullable=False),
    Column("required", Boolean, nullable=False),
    Column("unique", Boolean, nullable=False),
    Column("reference_collection", Text),
    Column("position", Integer, nullable=False),
    Column("state", Text, nullable=False),
    *versioned_columns(),
    unique(
        "custom_fields_key_key",
        "collection",
        "key",
        reason="CUSTOM_FIELD_KEY_TAKEN",
        field="custom_field.key",
        detail="the collection has a custom field with this key already",
    ),
    retention=Kept("at most a hundred a collection"),
)
Index("custom_fields_position_index", custom_fields.c.tenant_id, custom_fields.c.position, custom_fields.c.id)

# Moves on with every change of a collection's custom fields. Whoever writes values shares a lock on it and finds the
# version that the values were checked by; whoever changes the fields waits for them.
custom_field_versions = tenant_table(
    "custom_field_versions",
    metadata,
    Column("collection", Text, nullable=False),
    Column("version", Integer, nullable=False),
    key=("collection",),
    retention=Kept("a row for each collection"),
)

# Each value of a custom field once more, as text with its key before it: what filters, orders and uniqueness go by
# (filtering/tokens.py). Of a selection of several there is a row for each option.
custom_values = tenant_table(
    "custom_values",
    metadata,
    Column("record_id", Uuid, nullable=False),
    Column("token", Text, nullable=False),
    Column("collection", Text, nullable=False),
    # Whether no other record of the collection may have it.
    Column("unique", Boolean, nullable=False),
    key=("record_id", "token"),
    retention=Kept("the values of records, gone with them"),
)
Index(
    "custom_values_token_index",
    *(custom_values.c[name] for name in ("tenant_id", "collection", "token", "record_id")),
)
Index(
    "custom_values_unique_index",
    *(custom_values.c[name] for name in ("tenant_id", "collection", "token")),
    unique=True,
    postgresql_where=custom_values.c.unique,
    # Found before by whoever writes, who says it better; this is somebody who was quicker.
    info={"violation": Violation("conflict", "CONFLICT", "custom", "others wrote the same value at the same time")},
)

approval_policies, approvals = approval_tables.policies_table(metadata), approval_tables.approvals_table(metadata)
approval_askings, approval_timers = approval_tables.askings_table(metadata), approval_tables.timers_table(metadata)

# Each tenant's default calendar, by which working hours are counted everywhere.
working_calendars = tenant_table(
    "working_calendars",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("time_zone", Text, nullable=False),
    # A list of {weekday, hours: [{opens, closes}]}.
    Column("weekly", JSONB, nullable=False),
    # A list of {local_date, hours: [{opens, closes}]}.
    Column("exceptions", JSONB, nullable=False),
    Column("version", Integer, nullable=False),
    plumbing=True,
    retention=Kept("one for each tenant, as the service desk has it"),
)

automation_rules, automation_runs = rules_table(metadata), runs_table(metadata)
automation_timers = timers_table(metadata)
outgoing_mails = mails_table(metadata)
comments = comments_table(metadata)
attachments = attachment_tables(metadata)
change_proposals = change_proposals_table(metadata)
change_proposal_timers = change_proposal_timers_table(metadata)
reports = reports_table(metadata)
jobs = jobs_table(metadata)
job_records = job_records_table(metadata)
job_turns = job_turns_table(metadata)
exports = exports_table(metadata)
report_timers = report_timers_table(metadata)
tasks = tasks_table(metadata)
task_timers = task_timers_table(metadata)

# --- the directory as this service knows it; customer writes it with its own tables, the others on events ---

access_tenants = tenant_table(
    "access_tenants",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("slug", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("clock_offset", Interval, nullable=False),
    Column("time_zone", Text, nullable=False, server_default=DEFAULT_ZONE),
    Column("default_region", Text, nullable=False, server_default=DEFAULT_REGION),
    Column("change_proposal_days", Integer, nullable=False, server_default=str(ANSWER_DAYS)),
    # Of records that are masked, written as `leads.phone_number`.
    Column("unmasked_fields", ARRAY(Text), nullable=False, server_default="{}"),
    Column("version", Integer, nullable=False),
    plumbing=True,
    retention=Kept("the directory, as customer has it"),
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
    retention=Kept("the directory, as customer has it"),
)
Index("access_users_login_index", access_users.c.tenant_id, access_users.c.login)

access_teams = tenant_table(
    "access_teams",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("parent_id", Uuid),
    Column("leader_id", Uuid),
    Column("version", Integer, nullable=False),
    retention=Kept("the directory, as customer has it"),
)
Index("access_teams_parent_index", access_teams.c.tenant_id, access_teams.c.parent_id)

# `grants` maps a permission to the name of its scope; `hidden_fields` are written as `accounts.phone_numbers`.
access_roles = tenant_table(
    "access_roles",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False, server_default=""),
    Column("grants", JSONB, nullable=False),
    Column("hidden_fields", ARRAY(Text), nullable=False, server_default="{}"),
    Column("version", Integer, nullable=False),
    retention=Kept("the directory, as customer has it"),
)

# Who decides on approvals in whose place, from the first day to the last; `collection` is null for all.
access_deputies = tenant_table(
    "access_deputies",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("deputy_id", Uuid, nullable=False),
    Column("first_date", Date, nullable=False),
    Column("last_date", Date, nullable=False),
    Column("collection", Text),
    Column("active", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    retention=Kept("the directory, as customer has it"),
)
Index(
    "access_deputies_deputy_index",
    *(access_deputies.c[name] for name in ("tenant_id", "deputy_id", "last_date")),
    postgresql_where=access_deputies.c.active,
)

"""Tables of cases."""

from crm_kit.database.tables import Kept, reference, tenant_table, unique, versioned_columns
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_service_desk.metadata import metadata

cases = tenant_table(
    "cases",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("number", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("title_key", Text, nullable=False),
    Column("description", Text),
    Column("state", Text, nullable=False),
    Column("account_id", Uuid),
    Column("contact_id", Uuid),
    Column("channel", Text),
    Column("category", Text),
    Column("category_key", Text),
    Column("impact", Text, nullable=False),
    Column("urgency", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("assignee_id", Uuid),
    Column("assignee_team_id", Uuid),
    Column("creator_id", Uuid, nullable=False),
    Column("creator_team_id", Uuid),
    Column("resolution", Text),
    Column("reply_time", DateTime(timezone=True)),
    Column("resolve_time", DateTime(timezone=True)),
    Column("close_time", DateTime(timezone=True)),
    Column("reopenings", Integer, nullable=False),
    Column("service_level_id", Uuid),
    Column("calendar_id", Uuid, nullable=False),
    # By which version of the calendar the running clocks are counted.
    Column("calendar_version", Integer, nullable=False),
    # What was promised when the case was created; what was promised since stands in its log.
    Column("first_policy", JSONB, nullable=False),
    Column("milestones", JSONB, nullable=False),
    Column("first_response_due_time", DateTime(timezone=True)),
    Column("resolution_due_time", DateTime(timezone=True)),
    Column("breached", Boolean, nullable=False),
    # How many lines its log has.
    Column("event_count", Integer, nullable=False),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    *versioned_columns(),
    unique(
        "cases_number_key",
        "number",
        reason="ALREADY_EXISTS",
        field="case.number",
        detail="another case has this number",
    ),
    reference("account_id", "accounts", name="cases_account_fkey", field="case.account_id"),
    reference("calendar_id", "calendars", name="cases_calendar_fkey", field="case.calendar_id"),
    reference("service_level_id", "service_levels", name="cases_service_level_fkey", field="case.service_level_id"),
)
Index("cases_create_time_index", cases.c.tenant_id, cases.c.create_time, cases.c.id)
Index("cases_update_time_index", cases.c.tenant_id, cases.c.update_time, cases.c.id)
Index("cases_account_index", cases.c.tenant_id, cases.c.account_id, cases.c.create_time, cases.c.id)
Index("cases_assignee_index", cases.c.tenant_id, cases.c.assignee_id, cases.c.create_time, cases.c.id)
Index("cases_assignee_team_index", cases.c.tenant_id, cases.c.assignee_team_id, cases.c.create_time, cases.c.id)
Index("cases_creator_index", cases.c.tenant_id, cases.c.creator_id, cases.c.create_time, cases.c.id)
Index("cases_creator_team_index", cases.c.tenant_id, cases.c.creator_team_id, cases.c.create_time, cases.c.id)
Index("cases_first_response_due_index", cases.c.tenant_id, cases.c.first_response_due_time, cases.c.id)
Index("cases_resolution_due_index", cases.c.tenant_id, cases.c.resolution_due_time, cases.c.id)
Index("cases_service_level_index", cases.c.tenant_id, cases.c.service_level_id)
# Cases whose clocks may still run: those that are counted anew when their calendar changes.
OPEN_TO_RECOUNTS = text("state NOT IN ('CLOSED', 'CANCELLED')")
Index(
    "cases_calendar_index",
    cases.c.tenant_id,
    cases.c.calendar_id,
    cases.c.calendar_version,
    cases.c.id,
    postgresql_where=OPEN_TO_RECOUNTS,
)

# What happened on each case, in the order it was recorded: what its clocks are replayed from.
case_events = tenant_table(
    "case_events",
    metadata,
    Column("case_id", Uuid, nullable=False),
    Column("position", Integer, nullable=False),
    Column("kind", Text, nullable=False),
    Column("occur_time", DateTime(timezone=True), nullable=False),
    Column("record_time", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid),
    # Who wrote, of what a customer's message brought about.
    Column("contact_id", Uuid),
    Column("text", Text),
    Column("pause_reason", Text),
    # Of a POLICY_CHANGED: what is promised from then on.
    Column("policy", JSONB),
    reference("case_id", "cases", name="case_events_case_fkey", field="id"),
    key=("case_id", "position"),
    retention=Kept("part of the case"),
)

# The last case number given, per year.
case_numbers = tenant_table(
    "case_numbers",
    metadata,
    Column("year", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    key=("year",),
    retention=Kept("a row a year"),
)

# When a milestone's WARNING and BREACH are due; each fires once. Without a due time it waits for nothing.
milestone_timers = tenant_table(
    "milestone_timers",
    metadata,
    Column("case_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("level", Text, nullable=False),
    Column("due_time", DateTime(timezone=True)),
    # When to try it: when it is due, or later when that has failed.
    Column("try_time", DateTime(timezone=True)),
    Column("fire_time", DateTime(timezone=True)),
    reference("case_id", "cases", name="milestone_timers_case_fkey", field="id"),
    key=("case_id", "kind", "level"),
    plumbing=True,
    retention=Kept("at most four for each case: none fires twice"),
)
Index(
    "milestone_timers_try_index",
    milestone_timers.c.tenant_id,
    milestone_timers.c.try_time,
    postgresql_where=text("fire_time IS NULL AND try_time IS NOT NULL"),
)

"""Tables of opportunities."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table, versioned_columns
from sqlalchemy import Column, Date, DateTime, Index, Integer, Numeric, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from crm_sales.metadata import metadata

opportunities = tenant_table(
    "opportunities",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("expected_close_date", Date),
    Column("pipeline_id", Uuid, nullable=False),
    Column("stage_id", Uuid, nullable=False),
    Column("stage_time", DateTime(timezone=True), nullable=False),
    Column("move_count", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("probability_percent", Integer, nullable=False),
    Column("next_step", Text),
    Column("source", Text),
    Column("source_key", Text),
    Column("fields", JSONB, nullable=False),
    Column("checked", ARRAY(Text), nullable=False),
    Column("team", JSONB, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("lead_id", Uuid),
    Column("close_reason", Text),
    Column("close_time", DateTime(timezone=True)),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    *versioned_columns(),
    reference("stage_id", "pipeline_stages", name="opportunities_stage_fkey", field="opportunity.stage_id"),
    reference("lead_id", "leads", name="opportunities_lead_fkey", field="opportunity.lead_id"),
)


def _index(name: str, *columns: str) -> None:
    Index(f"opportunities_{name}_index", opportunities.c.tenant_id, *(opportunities.c[column] for column in columns))


_index("create_time", "create_time", "id")
_index("update_time", "update_time", "id")
_index("display_name", "display_name_key", "id")
_index("expected_close_date", "expected_close_date", "id")
_index("amount", "amount", "id")
_index("owner", "owner_id", "create_time", "id")
_index("owner_team", "owner_team_id", "create_time")
_index("account", "account_id", "create_time")
_index("stage", "stage_id", "create_time")
_index("lead", "lead_id")

# Every move through stages and states, with what it was worth then.
stage_changes = tenant_table(
    "stage_changes",
    metadata,
    Column("opportunity_id", Uuid, nullable=False),
    Column("number", Integer, nullable=False),
    Column("change_time", DateTime(timezone=True), nullable=False),
    Column("actor_id", Uuid, nullable=False),
    Column("from_stage_id", Uuid, nullable=False),
    Column("to_stage_id", Uuid, nullable=False),
    Column("from_state", Text, nullable=False),
    Column("to_state", Text, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("currency_code", Text, nullable=False),
    Column("reason", Text),
    reference("opportunity_id", "opportunities", name="stage_changes_opportunity_fkey", field="id"),
    key=("opportunity_id", "number"),
    retention=Kept("part of the opportunity"),
)

# Accounts that went to other owners with their open deals, for as long as an older event of the account may come.
account_handovers = tenant_table(
    "account_handovers",
    metadata,
    Column("account_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("former_owner_id", Uuid, nullable=False),
    Column("owner_id", Uuid, nullable=False),
    Column("owner_team_id", Uuid),
    Column("actor_id", Uuid, nullable=False),
    # When to go on, by the clock of the database: later, once a step has failed.
    Column("due_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    # When the last of the deals had been given; null while there may be more.
    Column("end_time", DateTime(timezone=True)),
    key=("account_id", "version"),
    plumbing=True,
    retention=Retention("end_time", timedelta(days=90), Clock.SYSTEM),
)
Index(
    "account_handovers_due_index",
    account_handovers.c.tenant_id,
    account_handovers.c.due_time,
    postgresql_where=account_handovers.c.end_time.is_(None),
)

# Pipelines whose open deals may not have the probabilities of their stages yet.
changed_pipelines = tenant_table(
    "changed_pipelines",
    metadata,
    Column("pipeline_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("actor_id", Uuid, nullable=False),
    # When to go on, by the clock of the database: later, once a step has failed.
    Column("due_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("pipeline_id",),
    plumbing=True,
    retention=Kept("a row for each pipeline, deleted when it is done"),
)
Index("changed_pipelines_due_index", changed_pipelines.c.tenant_id, changed_pipelines.c.due_time)

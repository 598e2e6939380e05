"""Tables of leads, and the counters that hold the pool's limits."""

from datetime import timedelta

from crm_kit.database.tables import Clock, Kept, Retention, reference, tenant_table, versioned_columns
from sqlalchemy import Boolean, Column, Date, DateTime, Index, Integer, Text, Uuid, func, text
from sqlalchemy.dialects.postgresql import JSONB

from crm_sales.metadata import metadata

leads = tenant_table(
    "leads",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("display_name_key", Text, nullable=False),
    Column("company_name", Text),
    Column("company_name_key", Text),
    Column("job_title", Text),
    Column("job_title_key", Text),
    Column("phone_number", Text),
    Column("email", Text),
    Column("email_key", Text),
    Column("region_code", Text),
    Column("source", Text),
    Column("source_key", Text),
    Column("campaign", Text),
    Column("campaign_key", Text),
    Column("description", Text),
    Column("state", Text, nullable=False),
    # NULL while it is in the pool; `in_pool` says the same, so that lists can filter by it.
    Column("owner_id", Uuid),
    Column("in_pool", Boolean, nullable=False),
    Column("owner_team_id", Uuid),
    Column("take_time", DateTime(timezone=True)),
    # When it was first taken since it was in the pool: from there the hard maximum counts, whoever it is passed on to.
    Column("owned_since_time", DateTime(timezone=True)),
    Column("pool_time", DateTime(timezone=True)),
    Column("former_owner_id", Uuid),
    Column("return_reason", Text),
    Column("was_pooled", Boolean, nullable=False),
    # What the reclaim run finds it by, and by which version of the pool's rules that was computed.
    Column("safe_until_time", DateTime(timezone=True)),
    Column("rules_version", Integer, nullable=False),
    Column("last_follow_up_time", DateTime(timezone=True)),
    Column("disqualify_reason", Text),
    Column("account_id", Uuid),
    Column("contact_id", Uuid),
    Column("opportunity_id", Uuid),
    Column("conversion_user_id", Uuid),
    Column("conversion_attempt_time", DateTime(timezone=True)),
    Column("told", JSONB, nullable=False, server_default=text("'[]'")),
    Column("custom", JSONB, nullable=False, server_default=text("'{}'")),
    *versioned_columns(),
)
# Owned by somebody, and still open.
HELD = leads.c.owner_id.is_not(None) & leads.c.state.in_(["NEW", "CONTACTED", "QUALIFIED"])
Index("leads_create_time_index", leads.c.tenant_id, leads.c.create_time, leads.c.id)
Index("leads_update_time_index", leads.c.tenant_id, leads.c.update_time, leads.c.id)
Index("leads_display_name_index", leads.c.tenant_id, leads.c.display_name_key, leads.c.id)
Index("leads_last_follow_up_time_index", leads.c.tenant_id, leads.c.last_follow_up_time, leads.c.id)
Index("leads_safe_until_time_index", leads.c.tenant_id, leads.c.safe_until_time, leads.c.id)
Index("leads_owner_index", leads.c.tenant_id, leads.c.owner_id, leads.c.create_time, leads.c.id)
Index("leads_owner_team_index", leads.c.tenant_id, leads.c.owner_team_id, leads.c.create_time)
Index(
    "leads_conversion_index",
    leads.c.tenant_id,
    leads.c.conversion_attempt_time,
    postgresql_where=leads.c.conversion_attempt_time.is_not(None),
)
Index("leads_held_index", leads.c.tenant_id, leads.c.rules_version, leads.c.id, postgresql_where=HELD)

lead_follow_ups = tenant_table(
    "lead_follow_ups",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("lead_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("happen_time", DateTime(timezone=True), nullable=False),
    # When the server learned of it; what a client types is `happen_time`.
    Column("record_time", DateTime(timezone=True), nullable=False),
    Column("user_id", Uuid, nullable=False),
    Column("note", Text),
    reference("lead_id", "leads", name="lead_follow_ups_lead_fkey", field="id"),
    retention=Kept("part of the lead"),
)
Index("lead_follow_ups_lead_index", *(lead_follow_ups.c[name] for name in ("tenant_id", "lead_id", "record_time")))

# Converted leads whose follow-ups have not all come into the history of their account, and the last one that has.
unfinished_histories = tenant_table(
    "unfinished_histories",
    metadata,
    Column("lead_id", Uuid, nullable=False),
    Column("after_id", Uuid, nullable=False),
    # Who converted it.
    Column("actor_id", Uuid, nullable=False),
    # When to go on, by the clock of the database; one that fails waits, so that it holds up no others.
    Column("due_time", DateTime(timezone=True), nullable=False, server_default=func.now()),
    key=("lead_id",),
    plumbing=True,
    retention=Kept("a row for each lead, deleted when it is done"),
)
Index("unfinished_histories_due_time_index", unfinished_histories.c.due_time, info={"across_tenants": True})

# How many open leads each user owns. Written with every change of owner, in the same statement.
lead_holders = tenant_table(
    "lead_holders",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("held", Integer, nullable=False),
    key=("user_id",),
    retention=Kept("a row for each user"),
)

# How many leads each user has claimed on a day of the pool's time zone.
lead_claims = tenant_table(
    "lead_claims",
    metadata,
    Column("user_id", Uuid, nullable=False),
    Column("day_date", Date, nullable=False),
    Column("claims", Integer, nullable=False),
    key=("user_id", "day_date"),
    retention=Retention("day_date", timedelta(days=7), Clock.TENANT),
)

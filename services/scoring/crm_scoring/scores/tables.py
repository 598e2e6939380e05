"""Tables of scores."""

from crm_kit.database.tables import Kept, tenant_table, versioned_columns
from sqlalchemy import Column, Computed, Date, DateTime, Index, Integer, Numeric, Text, Uuid

from crm_scoring.metadata import metadata

# The scores of one account, as last computed; the id is the account's. Rewritten only when they change.
scores = tenant_table(
    "scores",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("last_order_date", Date),
    Column("orders", Integer, nullable=False),
    Column("ordered", Numeric),
    Column("returned", Numeric),
    Column("currency_code", Text),
    # Quintiles, 1 to 5; 0 when unknown.
    Column("recency", Integer, nullable=False),
    Column("frequency", Integer, nullable=False),
    Column("monetary", Integer, nullable=False),
    Column("segment", Text, nullable=False),
    Column("rfm_unknown_reason", Text),
    Column("tier", Text, nullable=False),
    Column("tier_unknown_reason", Text),
    # What lists are filtered and ordered by; who contributes nothing stands between those who bring and who cost.
    Column("rfm_value", Integer, Computed("recency + frequency + monetary", persisted=True), nullable=False),
    Column("contribution", Numeric, Computed("COALESCE(ordered - returned, 0)", persisted=True), nullable=False),
    *versioned_columns(),
    retention=Kept("a row for each account"),
)
Index("scores_contribution_index", scores.c.tenant_id, scores.c.contribution, scores.c.id)
Index("scores_rfm_index", scores.c.tenant_id, scores.c.rfm_value, scores.c.id)
Index("scores_tier_index", scores.c.tenant_id, scores.c.tier, scores.c.contribution, scores.c.id)

# One row a tenant: whether its scores follow its facts. Found across tenants by the job that sees to it.
rescorings = tenant_table(
    "rescorings",
    metadata,
    # How often it was asked for, and up to which asking it is done.
    Column("asked", Integer, nullable=False),
    Column("done", Integer, nullable=False),
    # On the database's clock: when what was asked for is due.
    Column("due_time", DateTime(timezone=True), nullable=False),
    # On the tenant's clock: when it was last done, and when it must be done again although nothing happened.
    Column("compute_time", DateTime(timezone=True)),
    Column("refresh_time", DateTime(timezone=True)),
    key=(),
    plumbing=True,
    retention=Kept("a row for each tenant"),
)

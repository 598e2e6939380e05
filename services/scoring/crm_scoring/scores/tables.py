"""Tables of scores."""

from crm_kit.database.tables import Kept, tenant_table, versioned_columns
from sqlalchemy import Column, Computed, DateTime, Index, Integer, Numeric, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB

from crm_scoring.metadata import metadata

# The scores of one account, as last computed; the id is the account's. Rewritten only when they change.
scores = tenant_table(
    "scores",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("rfm", JSONB, nullable=False),
    Column("value_tier", JSONB, nullable=False),
    # What lists are filtered and ordered by; null where it is unknown.
    Column("rfm_value", Integer, Computed("(rfm ->> 'value')::integer", persisted=True)),
    Column("rfm_band", Text, Computed("rfm ->> 'band'", persisted=True), nullable=False),
    Column("contribution", Numeric, Computed("(value_tier #>> '{value,amount}')::numeric", persisted=True)),
    Column("currency_code", Text, Computed("value_tier #>> '{value,currency_code}'", persisted=True)),
    Column("tier", Text, Computed("value_tier ->> 'band'", persisted=True), nullable=False),
    *versioned_columns(),
    retention=Kept("a row for each account"),
)
Index("scores_contribution_index", scores.c.tenant_id, scores.c.contribution, scores.c.id)
Index("scores_rfm_index", scores.c.tenant_id, scores.c.rfm_value, scores.c.id)
Index("scores_rfm_band_index", scores.c.tenant_id, scores.c.rfm_band, scores.c.contribution, scores.c.id)
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

"""Tables of interactions."""

from crm_kit.database.tables import reference, tenant_table, versioned_columns
from sqlalchemy import ARRAY, Column, Date, DateTime, Index, Integer, Text, Uuid

from crm_customer.metadata import metadata

interactions = tenant_table(
    "interactions",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("account_id", Uuid, nullable=False),
    Column("channel", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("subject_key", Text, nullable=False),
    Column("body", Text),
    Column("contact_ids", ARRAY(Uuid), nullable=False),
    Column("user_ids", ARRAY(Uuid), nullable=False),
    Column("interaction_time", DateTime(timezone=True), nullable=False),
    Column("outcome", Text),
    Column("next_step", Text),
    Column("next_step_due_date", Date),
    Column("recorder_id", Uuid, nullable=False),
    Column("call_id", Uuid),
    Column("call_outcome", Text),
    # The newest of the call's versions that was heard of, so that one that comes late moves it nowhere.
    Column("call_version", Integer),
    *versioned_columns(),
    reference("account_id", "accounts", name="interactions_account_fkey", field="interaction.account_id"),
)
Index(
    "interactions_account_time_index",
    interactions.c.tenant_id,
    interactions.c.account_id,
    interactions.c.interaction_time,
    interactions.c.id,
)
Index("interactions_time_index", interactions.c.tenant_id, interactions.c.interaction_time, interactions.c.id)
Index("interactions_create_time_index", interactions.c.tenant_id, interactions.c.create_time, interactions.c.id)

"""Tables of what approval policies name."""

from crm_kit.database.tables import Kept, tenant_table
from sqlalchemy import Boolean, Column, Integer, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.metadata import metadata

# By the events of the policies, which stand in the services of their collections.
policy_references = tenant_table(
    "policy_references",
    metadata,
    Column("policy_id", Uuid, nullable=False),
    # Of callers and of approvers; none while the policy is not in use.
    Column("role_ids", ARRAY(Uuid), nullable=False),
    # Those whom its steps ask.
    Column("user_ids", ARRAY(Uuid), nullable=False),
    # Whether a step asks the leaders of teams.
    Column("asks_leaders", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    key=("policy_id",),
    retention=Kept("a row for each approval policy"),
)

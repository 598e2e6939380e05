"""Tables of tenants."""

from crm_kit.database.tables import Kept, Violation, tenant_table, versioned_columns
from crm_kit.proposed import ANSWER_DAYS
from crm_kit.regions import DEFAULT_REGION
from crm_kit.zones import DEFAULT_ZONE
from sqlalchemy import Boolean, Column, Integer, Interval, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.metadata import metadata

# One row a tenant; its `id` is its `tenant_id`.
tenants = tenant_table(
    "tenants",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("slug", Text, nullable=False),
    Column("display_name", Text, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("clock_offset", Interval, nullable=False),
    Column("time_zone", Text, nullable=False, server_default=DEFAULT_ZONE),
    Column("default_region", Text, nullable=False, server_default=DEFAULT_REGION),
    Column("change_proposal_days", Integer, nullable=False, server_default=str(ANSWER_DAYS)),
    Column("unmasked_fields", ARRAY(Text), nullable=False, server_default="{}"),
    # Grows with each change of the tenant's directory that must not happen beside another one, see `take_turn`.
    Column("turn", Integer, nullable=False, server_default="0"),
    *versioned_columns(),
    retention=Kept("the tenants of the installation"),
)
tenants.primary_key.info["violation"] = Violation("exists", "ALREADY_EXISTS", "slug", "this tenant exists already")

# Which slug is whose, unique over all tenants: rows of the platform itself, under SYSTEM_TENANT.
tenant_slugs = tenant_table(
    "tenant_slugs",
    metadata,
    Column("slug", Text, nullable=False),
    Column("id", Uuid, nullable=False),
    key=("slug",),
    retention=Kept("a row for each tenant"),
)

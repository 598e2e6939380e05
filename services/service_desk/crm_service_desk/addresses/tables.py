"""By which addresses customers write and call, from the events of the customer service."""

from crm_kit.database.tables import Kept, tenant_table
from sqlalchemy import Boolean, Column, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY

from crm_service_desk.metadata import metadata

# A contact or an account that may have addresses.
address_holders = tenant_table(
    "address_holders",
    metadata,
    Column("id", Uuid, nullable=False),
    Column("is_contact", Boolean, nullable=False),
    # Of a contact those they are at, the main one first; of an account itself.
    Column("account_ids", ARRAY(Uuid), nullable=False),
    # Neither archived nor merged.
    Column("present", Boolean, nullable=False),
    # Of the event that said so; an older one changes nothing.
    Column("version", Integer, nullable=False),
    retention=Kept("a row for each contact and account, as customer has them"),
)

# Their addresses in a version: those of another than the holder's are outdated, and deleted soon.
addresses = tenant_table(
    "addresses",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("version", Integer, nullable=False),
    Column("address", Text, nullable=False),
    key=("holder_id", "version", "address"),
    retention=Kept("at most forty for each contact and account"),
)
Index("addresses_address_index", addresses.c.tenant_id, addresses.c.address)

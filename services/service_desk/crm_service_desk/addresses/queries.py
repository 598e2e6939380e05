"""Every SELECT on addresses as they are known here."""

from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, select

from crm_service_desk.addresses.model import MAX_HOLDERS, Holder, Sender, sender_of
from crm_service_desk.addresses.tables import address_holders, addresses


@statement
def holders_of_address() -> Select[Any]:
    holder = address_holders
    same = (
        (holder.c.tenant_id == addresses.c.tenant_id)
        & (holder.c.id == addresses.c.holder_id)
        & (holder.c.version == addresses.c.version)
    )
    return (
        select(holder.c.id, holder.c.is_contact, holder.c.account_ids)
        .join_from(addresses, holder, same)
        .where(
            addresses.c.tenant_id == bindparam("tenant_id"),
            addresses.c.address == bindparam("address"),
            holder.c.present,
        )
        .limit(MAX_HOLDERS + 1)
    )


async def find_sender(reader: Reader, address: str) -> Sender:
    """Whom an address means, given as all are compared."""
    rows = await reader.all(holders_of_address(), address=address)
    if len(rows) > MAX_HOLDERS:
        return Sender(ambiguous=True)
    return sender_of([Holder(row["id"] if row["is_contact"] else None, tuple(row["account_ids"])) for row in rows])

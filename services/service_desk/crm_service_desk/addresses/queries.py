"""Every SELECT on addresses as they are known here."""

from dataclasses import replace
from typing import Any

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.projections import record_by_id
from sqlalchemy import Select, bindparam, select

from crm_service_desk.accounts.tables import accounts as known_accounts
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


async def find_known_sender(reader: Reader, address: str) -> Sender:
    """Whom an address means; an account that has not been heard of yet is nobody's."""
    sender = await find_sender(reader, address)
    if sender.account_id and await reader.one(record_by_id(known_accounts), id=sender.account_id) is None:
        return replace(sender, account_id=None)
    return sender

"""Every write on addresses as they are known here."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from crm.customer.v1 import accounts_pb2, contacts_pb2
from crm_kit.accounts import PUT_AWAY
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.ids import id_from_text
from crm_kit.projections import put_newest
from sqlalchemy import Integer, Text, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.types import Uuid

from crm_service_desk.addresses.model import all_compared
from crm_service_desk.addresses.tables import address_holders, addresses


def keep_account(work: UnitOfWork, account: accounts_pb2.Account, version: int) -> None:
    """Gather the addresses of an account in a version; an older one changes nothing."""
    id = id_from_text(account.id)
    present = account.status not in PUT_AWAY
    _keep(work, id, [id], (*account.phone_numbers, *account.emails), version, present=present, is_contact=False)


def keep_contact(work: UnitOfWork, contact: contacts_pb2.Contact, version: int) -> None:
    """Gather the addresses of a contact in a version; an older one changes nothing."""
    account_ids = [id_from_text(link.account_id) for link in contact.accounts]
    present = contact.status != contacts_pb2.Contact.STATUS_ARCHIVED
    found = (*contact.phone_numbers, *contact.emails)
    _keep(work, id_from_text(contact.id), account_ids, found, version, present=present, is_contact=True)


def _keep(
    work: UnitOfWork,
    id: UUID,
    account_ids: list[UUID],
    found: Iterable[str],
    version: int,
    *,
    present: bool,
    is_contact: bool,
) -> None:
    holder = {"is_contact": is_contact, "account_ids": account_ids, "present": present, "version": version}
    put_newest(work, address_holders, {"id": id} | holder)
    # Numbers come with their country code, so that the region does not matter.
    compared = all_compared(found, region=work.actor.access.default_region)
    work.execute(insert_addresses(), holder_id=id, holder_version=version, addresses=list(compared))
    work.execute(delete_outdated(), holder_id=id, holder_version=version)


@statement
def insert_addresses() -> Any:
    rows = select(
        bindparam("tenant_id", type_=Uuid),
        bindparam("holder_id", type_=Uuid),
        bindparam("holder_version", type_=Integer),
        func.unnest(bindparam("addresses", type_=ARRAY(Text))),
    )
    fresh = insert(addresses).from_select(["tenant_id", "holder_id", "version", "address"], rows)
    return fresh.on_conflict_do_nothing()


@statement
def delete_outdated() -> Any:
    """Those of older versions; what an older event brings after a newer one goes with the next."""
    return delete(addresses).where(
        addresses.c.tenant_id == bindparam("tenant_id"),
        addresses.c.holder_id == bindparam("holder_id"),
        addresses.c.version < bindparam("holder_version", type_=Integer),
    )

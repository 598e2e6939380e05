"""Every SELECT on accounts. What the reader may not see is not found."""

from collections.abc import Collection
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, team_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.accounts.model import (
    Account,
    Address,
    CompetitorProfile,
    Consent,
    ExternalId,
    Kind,
    Role,
    Status,
)
from crm_customer.records.accounts.tables import account_external_ids, accounts

COLUMNS = [column for column in accounts.c if column.name not in {"tenant_id", "value_tier_version"}]


@statement
def account_by_id(scope: Scope) -> Select[Any]:
    return select(*COLUMNS).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id"), visible(accounts, scope)
    )


@statement
def accounts_by_ids(scope: Scope) -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(*COLUMNS).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == any_(ids), visible(accounts, scope)
    )


@statement
def account_id_by_external_id() -> Select[Any]:
    keys = account_external_ids
    return select(keys.c.account_id).where(
        keys.c.tenant_id == bindparam("tenant_id"),
        keys.c.source == bindparam("source"),
        keys.c.value == bindparam("value"),
    )


def _listed(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
    rows = select(*COLUMNS).where(accounts.c.tenant_id == bindparam("tenant_id"), visible(accounts, scope))
    if "status" not in filtered_by:
        rows = rows.where(accounts.c.status.not_in(["ARCHIVED", "MERGED"]))
    return rows


LISTING = Listing(
    name="accounts",
    rows=_listed,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, accounts.c.id),
            "kind": enum_field(accounts.c.kind, list(Kind), prefix="KIND_"),
            "display_name": FilterField(FieldType.TEXT, accounts.c.display_name),
            "legal_name": FilterField(FieldType.TEXT, accounts.c.legal_name),
            "credit_code": FilterField(FieldType.TEXT, accounts.c.credit_code),
            "roles": enum_field(accounts.c.roles, list(Role), prefix="ROLE_", type=FieldType.TEXT_LIST),
            "status": enum_field(accounts.c.status, list(Status), prefix="STATUS_"),
            "industry": FilterField(FieldType.TEXT, accounts.c.industry),
            "employee_count": FilterField(FieldType.INTEGER, accounts.c.employee_count),
            "region_code": FilterField(FieldType.TEXT, accounts.c.region_code),
            "source": FilterField(FieldType.TEXT, accounts.c.source),
            "parent_id": FilterField(FieldType.UUID, accounts.c.parent_id),
            "owner_id": user_field(accounts.c.owner_id),
            "owner_team_id": team_field(accounts.c.owner_team_id),
            "tags": FilterField(FieldType.TEXT_LIST, accounts.c.tags),
            "phone_numbers": FilterField(FieldType.TEXT_LIST, accounts.c.phone_numbers),
            "emails": FilterField(FieldType.TEXT_LIST, accounts.c.emails),
            "value_tier": FilterField(FieldType.TEXT, accounts.c.value_tier),
            "last_contact_time": FilterField(FieldType.INSTANT, accounts.c.last_contact_time),
            "create_time": FilterField(FieldType.INSTANT, accounts.c.create_time),
            "update_time": FilterField(FieldType.INSTANT, accounts.c.update_time),
        }
    ),
    orders={
        "id": OrderColumn(accounts.c.id),
        "create_time": OrderColumn(accounts.c.create_time),
        "update_time": OrderColumn(accounts.c.update_time),
        "display_name": OrderColumn(accounts.c.display_name),
        "last_contact_time": OrderColumn(accounts.c.last_contact_time, nullable=True),
    },
)


async def get_account(reader: Reader, id: UUID) -> Account:
    """The account; NotFound when there is none or the reader may not see it."""
    row = await reader.one(account_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the account does not exist", reason="ACCOUNT_NOT_FOUND")
    return account_from(row)


async def get_accounts(reader: Reader, ids: Collection[UUID]) -> dict[UUID, Account]:
    """Those of the accounts that exist and the reader may see, by id."""
    rows = await reader.all(accounts_by_ids(reader.scope), ids=list(ids))
    return {row["id"]: account_from(row) for row in rows}


async def find_by_external_id(reader: Reader, source: str, value: str) -> UUID | None:
    """The id of the account with this key in another system."""
    row = await reader.one(account_id_by_external_id(), source=source, value=value)
    return row["account_id"] if row else None


def account_from(row: Record) -> Account:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    values["kind"] = Kind(values["kind"])
    values["status"] = Status(values["status"])
    before = values["status_before_archive"]
    values["status_before_archive"] = Status(before) if before else None
    values["roles"] = tuple(map(Role, values["roles"]))
    values["addresses"] = tuple(Address(**each) for each in values["addresses"])
    values["external_ids"] = tuple(ExternalId(**each) for each in values["external_ids"])
    values["consents"] = tuple(consent_from(each) for each in values["consents"])
    profile = values["competitor_profile"]
    values["competitor_profile"] = CompetitorProfile(**profile) if profile else None
    for name in ("phone_numbers", "emails", "tags"):
        values[name] = tuple(values[name])
    return Account(**values)


def consent_from(stored: dict[str, Any]) -> Consent:
    """A consent as JSON keeps it: its instant as text."""
    return Consent(**stored | {"change_time": datetime.fromisoformat(stored["change_time"])})

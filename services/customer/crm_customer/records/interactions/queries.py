"""Every SELECT on interactions. Who may see the account may see what happened with it, nobody else."""

from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope, visible
from crm_kit.listing import Listing
from crm_kit.paging import OrderColumn
from crm_kit.plumbing import access_users
from sqlalchemy import Select, any_, bindparam, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Uuid

from crm_customer.records.accounts.tables import accounts
from crm_customer.records.interactions.model import Channel, Direction, Interaction
from crm_customer.records.interactions.tables import interactions

COLUMNS = [column for column in interactions.c if column.name != "tenant_id"]


@statement
def interaction_by_id(scope: Scope) -> Select[Any]:
    account = (accounts.c.tenant_id == interactions.c.tenant_id) & (accounts.c.id == interactions.c.account_id)
    return (
        select(*COLUMNS)
        .join(accounts, account)
        .where(
            interactions.c.tenant_id == bindparam("tenant_id"),
            interactions.c.id == bindparam("id"),
            visible(accounts, scope),
        )
    )


@statement
def users_by_ids() -> Select[Any]:
    ids = bindparam("ids", type_=ARRAY(Uuid))
    return select(access_users.c.id).where(
        access_users.c.tenant_id == bindparam("tenant_id"), access_users.c.id == any_(ids)
    )


def _with_account(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """Of one account, which the caller has been found to see."""
    return select(*COLUMNS).where(
        interactions.c.tenant_id == bindparam("tenant_id"), interactions.c.account_id == bindparam("account_id")
    )


LISTING = Listing(
    name="interactions",
    rows=_with_account,
    fields=FilterSchema(
        {
            "id": FilterField(FieldType.UUID, interactions.c.id),
            "channel": enum_field(interactions.c.channel, list(Channel), prefix="CHANNEL_"),
            "direction": enum_field(interactions.c.direction, list(Direction), prefix="DIRECTION_"),
            "subject": FilterField(FieldType.TEXT, interactions.c.subject),
            "contact_ids": FilterField(FieldType.UUID_LIST, interactions.c.contact_ids),
            "user_ids": user_field(interactions.c.user_ids, type=FieldType.UUID_LIST),
            "recorder_id": user_field(interactions.c.recorder_id),
            "interaction_time": FilterField(FieldType.INSTANT, interactions.c.interaction_time),
            "next_step_due_date": FilterField(FieldType.DATE, interactions.c.next_step_due_date),
            "create_time": FilterField(FieldType.INSTANT, interactions.c.create_time),
        }
    ),
    orders={
        "id": OrderColumn(interactions.c.id),
        "interaction_time": OrderColumn(interactions.c.interaction_time),
        "create_time": OrderColumn(interactions.c.create_time),
    },
    default_order="interaction_time desc",
)


async def get_interaction(reader: Reader, id: UUID) -> Interaction:
    """The interaction; NotFound when there is none or the reader may not see its account."""
    row = await reader.one(interaction_by_id(reader.scope), id=id)
    if row is None:
        raise NotFound("the interaction does not exist", reason="INTERACTION_NOT_FOUND")
    return interaction_from(row)


def interaction_from(row: Record) -> Interaction:
    """The entity that a row of `COLUMNS` holds."""
    values = dict(row)
    values["channel"] = Channel(values["channel"])
    values["direction"] = Direction(values["direction"])
    values["contact_ids"] = tuple(values["contact_ids"])
    values["user_ids"] = tuple(values["user_ids"])
    return Interaction(**values)

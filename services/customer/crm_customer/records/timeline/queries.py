"""Every SELECT on timelines."""

from dataclasses import replace
from typing import Any

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Actor, Scope, reaches
from crm_kit.listing import Asked, Listing, Page
from crm_kit.paging import OrderColumn, PageTokens
from sqlalchemy import Select, Text, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_customer.records.accounts.model import Account
from crm_customer.records.timeline.model import OF_ACCOUNT, PERMISSIONS, Detail, Entry, Kind
from crm_customer.records.timeline.tables import timeline_entries

COLUMNS = [column for column in timeline_entries.c if column.name != "tenant_id"]


def _of_account(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """Of one account, which the caller has been found to see."""
    return select(*COLUMNS).where(
        timeline_entries.c.tenant_id == bindparam("tenant_id"),
        timeline_entries.c.account_id == bindparam("account_id"),
    )


def _shown_of_account(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
    """The same, of some kinds of records only, and of the others what the caller did themselves."""
    shown = timeline_entries.c.reference_type == any_(bindparam("shown_types", type_=ARRAY(Text)))
    return _of_account(scope, filtered_by).where(or_(shown, timeline_entries.c.actor_id == bindparam("me")))


LISTING = Listing(
    name="timeline",
    rows=_of_account,
    fields=FilterSchema(
        {
            "kind": enum_field(timeline_entries.c.kind, list(Kind), prefix="KIND_"),
            "entry_time": FilterField(FieldType.INSTANT, timeline_entries.c.entry_time),
            "service": FilterField(FieldType.TEXT, timeline_entries.c.service),
            "reference_type": FilterField(FieldType.TEXT, timeline_entries.c.reference_type),
            "reference_id": FilterField(FieldType.UUID, timeline_entries.c.reference_id),
            "actor_id": user_field(timeline_entries.c.actor_id),
        }
    ),
    orders={
        "id": OrderColumn(timeline_entries.c.id),
        "entry_time": OrderColumn(timeline_entries.c.entry_time),
    },
    default_order="entry_time desc",
)


PARTLY_SHOWN = replace(LISTING, rows=_shown_of_account)


def shown_types(actor: Actor, account: Account) -> frozenset[str]:
    """The kinds of records that the actor reads at an account, whoever owns the record."""
    access = actor.access
    return OF_ACCOUNT | {
        type
        for type, permission in PERMISSIONS.items()
        if access.may(permission) and reaches(access.scope(permission), actor, account.owner_id, account.owner_team_id)
    }


async def page_of(reader: Reader, asked: Asked, tokens: PageTokens, account: Account) -> Page[Record]:
    """A page of an account's timeline, as far as the reader may read what is behind its entries."""
    shown = shown_types(reader.actor, account)
    if shown == OF_ACCOUNT | PERMISSIONS.keys():
        return await LISTING.page(reader, asked, tokens, account_id=account.id)
    return await PARTLY_SHOWN.page(reader, asked, tokens, account_id=account.id, shown_types=sorted(shown))


def entry_from(row: Record) -> Entry:
    """The entry that a row of `COLUMNS` holds."""
    details = tuple(Detail(**each) for each in row["details"])
    return Entry(**dict(row) | {"kind": Kind(row["kind"]), "details": details})

"""Every SELECT on timelines."""

from dataclasses import replace
from typing import Any

from crm_kit.account_members import is_member
from crm_kit.database.connections import Record
from crm_kit.database.work import Reader
from crm_kit.filtering.schema import FilterField, FilterSchema, enum_field, user_field
from crm_kit.filtering.tree import FieldType
from crm_kit.identity.access import Scope
from crm_kit.listing import Asked, Listing, Page
from crm_kit.paging import OrderColumn, PageTokens
from sqlalchemy import ARRAY, Select, Text, Uuid, and_, any_, bindparam, or_, select

from crm_customer.records.accounts.model import Account
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.timeline.model import Detail, Entry, Kind
from crm_customer.records.timeline.reach import reach_at
from crm_customer.records.timeline.tables import timeline_entries

COLUMNS = [column for column in timeline_entries.c if column.name != "tenant_id"]
KINDS = ARRAY(Text)


def _of_account(_scope: Scope, _filtered_by: frozenset[str]) -> Select[Any]:
    """Of one account, which the caller has been found to see."""
    return select(*COLUMNS).where(
        timeline_entries.c.tenant_id == bindparam("tenant_id"),
        timeline_entries.c.account_id == bindparam("account_id"),
    )


def _in_reach(scope: Scope, filtered_by: frozenset[str]) -> Select[Any]:
    """Of one account, those of the kinds that the caller sees there: all of them, or those of records of theirs."""
    kind, team = timeline_entries.c.kind, timeline_entries.c.owner_team_id
    me = bindparam("me", type_=Uuid)
    own = or_(me == any_(timeline_entries.c.owner_ids), timeline_entries.c.actor_id == me)
    of_team = or_(own, team == any_(bindparam("team_ids", type_=ARRAY(Uuid))))
    return _of_account(scope, filtered_by).where(
        or_(
            kind == any_(bindparam("kinds_of_all", type_=KINDS)),
            and_(kind == any_(bindparam("kinds_of_team", type_=KINDS)), of_team),
            and_(kind == any_(bindparam("kinds_of_own", type_=KINDS)), own),
        )
    )


# Of whoever sees every kind of entry at the account.
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
# The same list to everybody else, page tokens included.
LISTING_IN_REACH = replace(LISTING, rows=_in_reach)


async def page_of(reader: Reader, asked: Asked, tokens: PageTokens, account: Account) -> Page[Record]:
    """A page of an account's timeline, as far as the reader may read what is behind its entries."""
    belongs = await is_member(reader, accounts, account.id)
    reach = reach_at(reader.actor, account.owner_id, account.owner_team_id, is_member=belongs)
    if reach.all == frozenset(Kind):
        return await LISTING.page(reader, asked, tokens, account_id=account.id)
    rights = {"kinds_of_all": list(reach.all), "kinds_of_team": list(reach.team), "kinds_of_own": list(reach.own)}
    return await LISTING_IN_REACH.page(reader, asked, tokens, rights=rights, account_id=account.id)


def entry_from(row: Record) -> Entry:
    """The entry that a row of `COLUMNS` holds."""
    details = tuple(Detail(**each) for each in row["details"])
    return Entry(**dict(row) | {"kind": Kind(row["kind"]), "details": details})

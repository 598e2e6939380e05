"""The accounts below an account, and above it: a group, such as a holding with all that it owns.

`group_ids:"..."` in a filter of accounts takes the one with that id and all below it, as far as whoever asks sees them:
lists, counts, sums and exports of a group are those of accounts, with this filter.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.errors import denied
from crm_kit.field_rights import is_hidden
from crm_kit.filtering.schema import FilterField
from crm_kit.filtering.tree import EVERYTHING, Field, FieldType, Filter, OneOf
from crm_kit.kept_filters import Expand, KeptFilters, Unusable
from crm_kit.listing import Listing
from sqlalchemy import CTE, Integer, Select, bindparam, func, literal, select

from crm_customer.records.accounts.model import IN_BUSINESS
from crm_customer.records.accounts.tables import accounts

GROUP_IDS = "group_ids"
# How many accounts of a group are looked at.
MAX_OF_GROUP = 5000
# A tree has no circles and few levels; this ends a walk through any that is none.
MAX_WALKED = 20
# Not `id`: that is part of the label of a restricted account, and where it belongs to is not.
_MEMBER = Field(GROUP_IDS, FieldType.UUID)


@dataclass(frozen=True, slots=True)
class Group:
    """An account and all below it that are in business, as far as somebody sees them.

    `levels` counts those below the account. `above_ids` lead from its parent to the top, those left out that are not
    seen. Of a group that is `truncated` only the first 5,000 accounts count.
    """

    account_count: int
    hidden_count: int
    levels: int
    truncated: bool
    above_ids: list[UUID]


def _walked_down() -> CTE:
    """The account and those below it, each with its level."""
    start = select(accounts.c.id, accounts.c.status, literal(0, Integer).label("level")).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id")
    )
    here = start.cte("here_and_below", recursive=True)
    below = select(accounts.c.id, accounts.c.status, here.c.level + 1).where(
        accounts.c.tenant_id == bindparam("tenant_id"),
        accounts.c.parent_id == here.c.id,
        here.c.level < MAX_WALKED,
    )
    return here.union_all(below)


@statement
def accounts_below() -> Select[Any]:
    """The first that the walk finds, which are those near the account."""
    found = _walked_down().c
    return select(found.id, found.status, found.level).limit(bindparam("most", type_=Integer))


@statement
def deepest_below() -> Select[Any]:
    return select(func.coalesce(func.max(_walked_down().c.level), 0).label("levels"))


@statement
def accounts_above() -> Select[Any]:
    """Those above the account, from its parent to the top."""
    start = select(accounts.c.id, accounts.c.parent_id, literal(0, Integer).label("level")).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == bindparam("id")
    )
    here = start.cte("here_and_above", recursive=True)
    above = select(accounts.c.id, accounts.c.parent_id, here.c.level + 1).where(
        accounts.c.tenant_id == bindparam("tenant_id"), accounts.c.id == here.c.parent_id, here.c.level < MAX_WALKED
    )
    found = here.union_all(above)
    return select(found.c.id).where(found.c.level > 0).order_by(found.c.level)


async def levels_below(reader: Reader, id: UUID) -> int:
    """How many levels of accounts there are below one, whoever sees them."""
    (row,) = await reader.all(deepest_below(), id=id)
    return int(row["levels"])


async def group_of(reader: Reader, listing: Listing, id: UUID) -> Group:
    """The group of an account that the reader sees. PermissionDenied where the tree is hidden from them."""
    if _hides_tree(reader, listing):
        raise denied("hidden_tree", "you may not see which account belongs to which (parent_id)")
    rows = await reader.all(accounts_below(), id=id, most=MAX_OF_GROUP + 1)
    truncated, rows = len(rows) > MAX_OF_GROUP, rows[:MAX_OF_GROUP]
    there = [row["id"] for row in rows if row["status"] in IN_BUSINESS]
    seen = await listing.count_to(reader, _among(there), MAX_OF_GROUP)
    above = [row["id"] for row in await reader.all(accounts_above(), id=id)]
    readable = await listing.ids_among(reader, EVERYTHING, above)
    return Group(
        account_count=seen,
        hidden_count=len(there) - seen,
        levels=max((row["level"] for row in rows), default=0),
        truncated=truncated,
        above_ids=[each for each in above if each in readable],
    )


async def read_group(reader: Reader, listing: Listing, id: UUID, _: Expand) -> Filter:
    """What stands for a group in a filter. Unusable: an account that is not seen, a hidden tree, a group too large."""
    if _hides_tree(reader, listing):
        raise Unusable("you may not see which account belongs to which (parent_id)", problem="group_hidden")
    if not await listing.ids_among(reader, EVERYTHING, [id]):
        raise Unusable(f"the account {id} does not exist, or you may not see it", problem="group_absent")
    rows = await reader.all(accounts_below(), id=id, most=MAX_OF_GROUP + 1)
    if len(rows) > MAX_OF_GROUP:
        detail = f"the group has more than {MAX_OF_GROUP} accounts"
        raise Unusable(detail, problem="group_large", most=MAX_OF_GROUP)
    return _among([row["id"] for row in rows])


GROUPS = KeptFilters(FilterField(FieldType.UUID_LIST, accounts.c.id), read_group)


def _among(ids: Collection[UUID]) -> Filter:
    return OneOf(_MEMBER, tuple(ids))


def _hides_tree(reader: Reader, listing: Listing) -> bool:
    return is_hidden("parent_id", reader.actor.access.unlisted_of(listing.collection))

"""Who sees which records where not everybody sees all: as a condition on each, and as the records that somebody sees.

A list can be read in two ways, and each is slow for somebody: along the index of its order, passing over what the
caller does not see, which is all of a million records for a new colleague; or by finding what the caller sees and
sorting it, which is half a million records for a head of sales. So a page has two parts of which one is read: it looks
for the caller's records until it has `FEW`, and reads those if there are no more, and along the order if there are.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    any_,
    bindparam,
    cast,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, array_agg
from sqlalchemy.types import Uuid

from crm_kit.identity.access import Scope, is_closed, is_open, is_restrictable, ways_to_own
from crm_kit.identity.membership import has_members

FEW = 2000
"""Records that are quicker found by their ids than among a million in the order of the list."""


Condition = Callable[[Scope], ColumnElement[bool]]


def everywhere(_scope: Scope) -> ColumnElement[bool]:
    """The condition of records that are at no account that could be restricted."""
    return true()


@dataclass(frozen=True, slots=True, eq=False)
class Reach:
    """Who sees the records of a table, within OWN or TEAM; ALL sees all.

    But nobody sees, whatever the scope, what is not `open`: it is, or is at, an account that is restricted.

    `each` is asked of a record, and `of_many` of so many that what it speaks of is better found first; of records that
    their owner alone decides on they are the same. `ways` are selects of ids, each along an index, that together say
    the same. `own_along`: an index has what is one's own, so that a condition does for OWN.
    """

    table: Table
    each: Condition
    ways: Callable[[Scope], Sequence[Select[Any]]]
    of_many: Condition
    # Without a default: whoever declares records has asked whether they are at accounts.
    open: Condition
    own_along: bool = False

    def __call__(self, scope: Scope) -> ColumnElement[bool]:
        """For records that are few already, such as those of certain ids."""
        return self.open(scope) & self.each(scope) if scope is not Scope.ALL else self.open(scope)

    def whole(self, scope: Scope) -> ColumnElement[bool]:
        """For what reads all records that the scope reaches, as sums do."""
        if scope is Scope.OWN and not self.own_along:
            ids = union_all(*self.ways(scope)).subquery()
            return self.open(scope) & self.table.c.id.in_(select(ids.c.id))
        return self.open(scope) & self.of_many(scope) if scope is not Scope.ALL else self.open(scope)

    def pages(self, scope: Scope, rows: Select[Any]) -> list[Select[Any]]:
        """Of `rows` those that the scope reaches, in parts of which one has them all and the others nothing."""
        if self._is_plain(scope):
            return [rows.where(self(scope))]
        reached = union_all(*self.ways(scope)).limit(literal(FEW + 1)).cte("reached")
        is_few = select(func.count()).select_from(reached).scalar_subquery() <= FEW
        # Of an array the planner does not believe that it has many elements, and so looks each of them up.
        among = self.table.c.id == any_(cast(select(array_agg(reached.c.id)).scalar_subquery(), ARRAY(Uuid)))
        # One user's accounts are found once for all records; the teams' may be half of the tenant's.
        is_seen = self.of_many(scope) if scope is Scope.OWN else self.each(scope)
        rows = rows.where(self.open(scope))
        return [rows.where(is_few, among), rows.where(~is_few, is_seen)]

    def _is_plain(self, scope: Scope) -> bool:
        return scope is Scope.ALL or (scope is Scope.OWN and self.own_along)


def owned(table: Table) -> Reach:
    """Records that their owner sees, and the teams above; accounts also the members of their teams."""

    def each(scope: Scope) -> ColumnElement[bool]:
        return or_(*ways_to_own(table, scope))

    def of_many(scope: Scope) -> ColumnElement[bool]:
        return table.c.id.in_(ids_along(table, scope)) if has_members(table) and scope is Scope.OWN else each(scope)

    def open_to(scope: Scope) -> ColumnElement[bool]:
        """What one has by OWN or TEAM is open."""
        return is_open(table, scope) if scope is Scope.ALL and is_restrictable(table) else true()

    along = not has_members(table)
    return Reach(table, each, lambda scope: list(ids_of_owned(table, scope)), of_many, open_to, own_along=along)


def of_owned_account(table: Table, account_id: ColumnElement[Any], accounts: Table) -> Reach:
    """Records of an account that whoever sees the account sees, and nobody else."""

    def each(scope: Scope) -> ColumnElement[bool]:
        return at_owned(table, account_id, accounts, scope)

    def of_many(scope: Scope) -> ColumnElement[bool]:
        return at_one_of_owned(account_id, accounts, scope)

    def open_to(scope: Scope) -> ColumnElement[bool]:
        """What is at an account that one has is open."""
        return at_open(table, account_id, accounts, scope) if scope is Scope.ALL else true()

    def ways(scope: Scope) -> list[Select[Any]]:
        return list(ids_at_owned(table, account_id, accounts, scope))

    return Reach(table, each, ways, of_many, open=open_to)


def beside_records(beside: Table, records: Table, visible: Reach) -> Reach:
    """What stands in a table beside records, which it names by `record_id`, and is seen with them."""
    record = (records.c.tenant_id == beside.c.tenant_id) & (records.c.id == beside.c.record_id)

    def each(scope: Scope) -> ColumnElement[bool]:
        return asked_of_each(select(records.c.id).where(record, visible.each(scope)), beside)

    def open_to(scope: Scope) -> ColumnElement[bool]:
        return asked_of_each(select(records.c.id).where(record, visible.open(scope)), beside)

    def of_many(scope: Scope) -> ColumnElement[bool]:
        ids = union_all(*visible.ways(scope)).subquery()
        return beside.c.record_id.in_(select(ids.c.id))

    def ways(scope: Scope) -> list[Select[Any]]:
        mine = select(beside.c.id).where(beside.c.tenant_id == bindparam("tenant_id"))
        return [mine.where(beside.c.record_id.in_(way)) for way in visible.ways(scope)]

    is_open_to_all = visible.open is everywhere
    return Reach(beside, each, ways, of_many, open=everywhere if is_open_to_all else open_to)


def at_open(table: Table, account_id: ColumnElement[Any], accounts: Table, scope: Scope) -> ColumnElement[bool]:
    """Whether a record is at no account that is restricted from the actor.

    Restricted accounts are few, and have an index of their own: where there are none, nothing is looked through.
    """
    account = (accounts.c.tenant_id == bindparam("tenant_id")) & (accounts.c.id == account_id)
    return not_(exists().where(account, is_closed(accounts, scope)).correlate(table))


def at_owned(table: Table, account_id: ColumnElement[Any], accounts: Table, scope: Scope) -> ColumnElement[bool]:
    """Whether a record is at an account that is one's own, or the teams'."""
    account = (accounts.c.tenant_id == table.c.tenant_id) & (accounts.c.id == account_id)
    return asked_of_each(select(accounts.c.id).where(account, or_(*ways_to_own(accounts, scope))), table)


def at_one_of_owned(account_id: ColumnElement[Any], accounts: Table, scope: Scope) -> ColumnElement[bool]:
    """The same asked of many records: the accounts are found first."""
    return account_id.in_(ids_along(accounts, scope))


def asked_of_each(rows: Select[Any], table: Table) -> ColumnElement[bool]:
    """Whether there are such rows, asked of each record of the table: with OFFSET they are not all found first."""
    return exists(rows.offset(literal_column("0")).correlate(table))


def ids_along(table: Table, scope: Scope) -> Select[Any]:
    """The ids of the records that are one's own, and of those of the teams, found each way along its index.

    Of one condition for all ways PostgreSQL would read every record of the tenant as soon as there are members.
    """
    ids = union_all(*ids_of_owned(table, scope)).subquery()
    return select(ids.c.id)


def ids_of_owned(table: Table, scope: Scope) -> Iterator[Select[Any]]:
    """The ids of the records that are one's own, and of those of the teams."""
    for way in ways_to_own(table, scope):
        yield select(table.c.id).where(table.c.tenant_id == bindparam("tenant_id"), way)


def ids_at_owned(table: Table, account_id: ColumnElement[Any], accounts: Table, scope: Scope) -> Iterator[Select[Any]]:
    """The ids of the records at accounts that are one's own, and at those of the teams."""
    for way in ways_to_own(accounts, scope):
        at = (accounts.c.tenant_id == table.c.tenant_id) & (accounts.c.id == account_id)
        yield select(table.c.id).join(accounts, at).where(table.c.tenant_id == bindparam("tenant_id"), way)

"""Members of the teams of accounts: they reach an account as its owner does, on their days, to read it or to change it.

A table of accounts knows the table of its members (`with_members`); whatever asks who sees an account finds them there.
Members count while a query runs, so a period that has ended gives nothing, whoever has heard of its end.
"""

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Date, Select, Table, Text, Uuid, any_, bindparam, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

MEMBERS = "members"
ACTIVE = "ACTIVE"
# What a membership has to be for, so that it counts: for reading, for changing, and where none does.
READING: Sequence[str] = ("READ", "WRITE")
WRITING: Sequence[str] = ("WRITE",)
NONE: Sequence[str] = ()


def with_members(accounts: Table, members: Table) -> None:
    """Let members reach the accounts. `members` has account_id, user_id, access, start_date, end_date and state."""
    accounts.info[MEMBERS] = members


def has_members(table: Table) -> bool:
    """Whether the records of a table have members."""
    return MEMBERS in table.info


def as_member(table: Table) -> list[ColumnElement[bool]]:
    """Which of the accounts the actor is a member of; nothing for tables whose records have no members."""
    if not has_members(table):
        return []
    return [table.c.id.in_(accounts_of_member(table))]


def accounts_of_member(accounts: Table) -> Select[tuple[object]]:
    """The ids of the accounts that the actor is a member of, today and for what they do."""
    # Another name, since the query may be about the members themselves.
    members = accounts.info[MEMBERS].alias("memberships")
    access = any_(bindparam("memberships", type_=ARRAY(Text)))
    return (
        select(members.c.account_id)
        .where(
            members.c.tenant_id == bindparam("tenant_id"),
            members.c.user_id == bindparam("me", type_=Uuid),
            members.c.access == access,
            is_current(members),
        )
        .correlate(None)
    )


def is_current(members: Table) -> ColumnElement[bool]:
    """Whether somebody is a member today."""
    today = bindparam("today", type_=Date)
    return (
        (members.c.state == ACTIVE)
        & or_(members.c.start_date.is_(None), members.c.start_date <= today)
        & or_(members.c.end_date.is_(None), members.c.end_date >= today)
    )

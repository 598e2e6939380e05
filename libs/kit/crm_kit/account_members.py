"""Members of the teams of accounts as services know them from the customer service, and what they reach by that."""

from datetime import date
from typing import Any
from uuid import UUID

from crm.customer.v1 import account_members_pb2 as pb
from crm.customer.v1 import events_pb2 as events
from sqlalchemy import Column, Date, Index, Integer, MetaData, Table, Text, Uuid

from crm_kit.database.tables import Kept, tenant_table
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_carrying
from crm_kit.identity.membership import MEMBERS, has_members
from crm_kit.projections import membership, put_newest

Member = pb.AccountMember


def account_members_table(metadata: MetaData) -> Table:
    """The table of the members of a service's accounts."""
    table = tenant_table(
        "account_members",
        metadata,
        Column("id", Uuid, nullable=False),
        Column("account_id", Uuid, nullable=False),
        Column("user_id", Uuid, nullable=False),
        Column("access", Text, nullable=False),
        Column("start_date", Date),
        Column("end_date", Date),
        Column("state", Text, nullable=False),
        # Of the event that said so; an older one changes nothing.
        Column("version", Integer, nullable=False),
        retention=Kept("members of accounts, as customer has them"),
    )
    Index("account_members_user_index", table.c.tenant_id, table.c.user_id)
    return table


def follow_account_members(consumers: Consumers, accounts: Table) -> None:
    """Subscribe to every event that tells of a member of the accounts."""
    table: Table = accounts.info[MEMBERS]

    def member_changed(work: UnitOfWork, event: Event, changed: Any) -> None:
        put_newest(work, table, row_of_member(changed.account_member, version=event.aggregate_version))

    for payload in events_carrying(events, Member):
        consumers.project(payload, member_changed)


def row_of_member(member: Member, *, version: int) -> dict[str, Any]:
    """What is kept of the customer service's message."""
    return {
        "id": UUID(member.id),
        "account_id": UUID(member.account_id),
        "user_id": UUID(member.user_id),
        "access": Member.Access.Name(member.access).removeprefix("ACCESS_"),
        "start_date": date.fromisoformat(member.start_date) if member.start_date else None,
        "end_date": date.fromisoformat(member.end_date) if member.end_date else None,
        "state": Member.State.Name(member.state).removeprefix("STATE_"),
        "version": version,
    }


async def is_member(reader: Reader, accounts: Table, id: UUID) -> bool:
    """Whether the actor is in the team of the account, today and for what they do."""
    return has_members(accounts) and await reader.one(membership(accounts), id=id) is not None

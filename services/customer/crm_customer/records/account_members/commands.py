"""Every write on account members. Each function is one transaction's work: row, history, event and notice."""

from typing import Any
from uuid import UUID

from crm.customer.v1 import events_pb2 as events
from crm_kit.accounts import FOLLOWING
from crm_kit.database.locks import advisory_lock
from crm_kit.database.work import Reader, UnitOfWork, counting
from crm_kit.directory.access import owner_team
from crm_kit.errors import FailedPrecondition, denied, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import NONE
from crm_kit.ids import new_id
from crm_kit.notices import Kind, raise_notice
from crm_kit.resource.owners import check_gives

from crm_customer.records.account_members.model import Access, AccountMember
from crm_customer.records.account_members.queries import team_of
from crm_customer.records.account_members.resource import ACCOUNT_MEMBERS
from crm_customer.records.accounts.model import IN_BUSINESS, Account
from crm_customer.records.accounts.resource import ACCOUNTS

USER = "account_member.user_id"


async def add_member(work: UnitOfWork, values: dict[str, Any]) -> AccountMember:
    """Take somebody into the team of an account, from the values of its fields, and tell them."""
    account = (await ACCOUNTS.get_referred(work, [values["account_id"]])).get(values["account_id"])
    if account is None:
        raise invalid_field("account_member.account_id", "reference", "does not exist", reason="REFERENCE_NOT_FOUND")
    if account.status not in IN_BUSINESS:
        raise FailedPrecondition("the account is archived or merged into another", reason="ACCOUNT_ARCHIVED")
    member = AccountMember(id=new_id(), create_time=work.now, update_time=work.now, **values)
    await require_sets_up(work, account.id, work.scope)
    # Whom an account may be given to is another matter: nobody becomes its owner.
    await owner_team(work, member.user_id, permission=ACCOUNTS.permission, field=USER, scope=Scope.ALL)
    await check_hands_on(work, account, member)
    member.require_ahead(work.actor.access.day_of(work.now))
    await check_team(work, member)
    ACCOUNT_MEMBERS.create(work, member)
    raise_notice(
        work,
        Kind.NOTICE_KIND_TEAM_JOINED,
        [member.user_id],
        record=(ACCOUNTS.collection, account.id),
        name=account.display_name,
    )
    return member


async def update_member(work: UnitOfWork, before: AccountMember, values: dict[str, Any]) -> AccountMember:
    """Change part, access or period of a member; nothing is written when nothing changes."""
    account = await ACCOUNTS.get(work, before.account_id, scope=Scope.ALL)
    await require_sets_up(work, account.id, work.scope)
    after = before.update(values)
    if after == before:
        return before
    await check_hands_on(work, account, after)
    await check_team(work, after)
    return ACCOUNT_MEMBERS.save(work, before, after, events.AccountMemberUpdated)


async def remove_member(work: UnitOfWork, before: AccountMember) -> AccountMember:
    """Take a member out of the team."""
    await require_removes(work, before, work.scope)
    return ACCOUNT_MEMBERS.save(work, before, before.remove(), events.AccountMemberRemoved)


async def require_removes(reader: Reader, member: AccountMember, scope: Scope) -> None:
    """Raise PermissionDenied for who takes out others as a member alone; themselves they may."""
    if member.user_id != reader.actor.user_id:
        await require_sets_up(reader, member.account_id, scope)


async def require_sets_up(reader: Reader, account_id: UUID, scope: Scope) -> None:
    """Raise PermissionDenied for who may write the account as a member alone: members do not set up their team."""
    with counting(reader, NONE):
        reached = await ACCOUNTS.find(reader, account_id, scope=scope)
    if reached is None:
        raise denied("member_only", "a team is set up by who may write the account without being a member")


async def check_hands_on(work: UnitOfWork, account: Account, member: AccountMember) -> None:
    """PermissionDenied when the member comes to have more for the account than the caller, who is not its owner."""
    await check_gives(
        work,
        ACCOUNTS,
        account,
        owner_id=member.user_id,
        owner_team_id=None,
        following=FOLLOWING,
        reading=member.access is Access.READ,
    )


async def check_team(work: UnitOfWork, member: AccountMember) -> None:
    """The team can have such a member; two who change a team at once wait for one another. Errors as `checked`."""
    await advisory_lock(work, team_lock(member.account_id))
    others = [each for each in await team_of(work, member.account_id) if each.id != member.id]
    member.checked(others, today=work.actor.access.day_of(work.now))


def team_lock(account_id: UUID) -> str:
    """What those who change the team of an account hold."""
    return f"account team {account_id}"

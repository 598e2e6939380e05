"""Who works on an account beside its owner: what they reach by that, on which days, and who sets up a team."""

import asyncio
from collections.abc import Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from crm.customer.v1 import account_members_pb2 as pb
from crm.customer.v1 import accounts_pb2, contacts_pb2, events_pb2
from crm.customer.v1.account_members_pb2_grpc import AccountMemberServiceStub
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.timeline_pb2 import ListTimelineRequest
from crm.customer.v1.timeline_pb2_grpc import TimelineServiceStub
from crm.resource.v1 import comments_pb2, record_access_pb2, resources_pb2
from crm.resource.v1.comments_pb2_grpc import CommentServiceStub
from crm.resource.v1.record_access_pb2_grpc import RecordAccessServiceStub
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_customer.records.account_members.model import MAX_MEMBERS
from crm_kit.clock import system_now
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.bulk_changing import Jobs
from tests.service.clocks import until_noon
from tests.service.customer.customers import Link, new_account, new_contact, new_interaction, renamed
from tests.service.customer.told import told_of
from tests.service.history import changes_of
from tests.service.notices import raised
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.account_members_pb2_grpc import AccountMemberServiceAsyncStub
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

Member = pb.AccountMember
READ, WRITE = Member.ACCESS_READ, Member.ACCESS_WRITE
SELLER = {
    f"{name}.{verb}": Scope.OWN for name in ("accounts", "contacts", "interactions") for verb in ("read", "write")
}
DENIED = ("PERMISSION_DENIED", "PERMISSION_DENIED")


class Team:
    """A tenant with an account of Li's, and Wang, who works elsewhere."""

    def __init__(self, customer: Running, li: User, wang: User, account: accounts_pb2.Account) -> None:
        self.customer, self.li, self.wang, self.account = customer, li, wang, account
        self.members: AccountMemberServiceAsyncStub = AccountMemberServiceStub(customer.channel)
        self.accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)

    async def user(self, grants: Mapping[str, Scope] = SELLER, **more: Any) -> User:
        return await self.customer.user(self.li.tenant_id, grants=grants, **more)

    async def add(
        self, user: User, access: Member.Access.ValueType = WRITE, *, by: User | None = None, **fields: Any
    ) -> Member:
        values = {"account_id": self.account.id, "role": Member.ROLE_TECHNICAL, "access": access, **fields}
        request = pb.CreateAccountMemberRequest(account_member=Member(user_id=str(user.id), **values))
        return await self.members.CreateAccountMember(request, metadata=(by or self.li).metadata)

    async def change(self, member: Member, *, by: User | None = None, **values: Any) -> Member:
        changed, mask = Member(id=member.id, **values), FieldMask(paths=list(values))
        request = pb.UpdateAccountMemberRequest(account_member=changed, update_mask=mask)
        return await self.members.UpdateAccountMember(request, metadata=(by or self.li).metadata)

    async def remove(self, member: Member, *, by: User | None = None) -> Member:
        request = pb.RemoveAccountMemberRequest(id=member.id)
        return await self.members.RemoveAccountMember(request, metadata=(by or self.li).metadata)

    async def read(self, by: User) -> accounts_pb2.Account:
        return await self.accounts.GetAccount(accounts_pb2.GetAccountRequest(id=self.account.id), metadata=by.metadata)

    async def reads(self, by: User) -> bool:
        """Whether somebody reads the account, by its id and in lists."""
        listed = await self.found(by)
        try:
            await self.read(by)
        except grpc.aio.AioRpcError:
            assert self.account.id not in listed
            return False
        assert self.account.id in listed
        return True

    async def searched(self, by: User, query: str) -> list[str]:
        request = accounts_pb2.SearchAccountsRequest(query=query)
        return [each.id for each in (await self.accounts.SearchAccounts(request, metadata=by.metadata)).accounts]

    async def found(self, by: User, filter: str = "") -> list[str]:
        request = accounts_pb2.ListAccountsRequest(filter=filter)
        return [each.id for each in (await self.accounts.ListAccounts(request, metadata=by.metadata)).accounts]


@pytest.fixture
async def team(customer: Running) -> Team:
    tenant = await customer.tenant(sandbox=True)
    await customer.know_tenant(tenant, sandbox=True, clock_offset=until_noon(), version=2)
    li, wang = [await customer.user(tenant, grants=SELLER) for _ in range(2)]
    return Team(customer, li, wang, await new_account(customer, li))


def day(ahead: int) -> str:
    """A day of the tenant's, so many from its today."""
    today: date = (system_now() + until_noon()).date()
    return (today + timedelta(days=ahead)).isoformat()


async def test_a_member_reads_and_changes_the_account_and_what_is_seen_with_it(team: Team) -> None:
    contact = await new_contact(team.customer, team.li, team.account.id)
    await new_interaction(team.customer, team.li, team.account.id)
    assert not await team.reads(team.wang)
    member = await team.add(team.wang)
    assert (member.user_name, member.account_name) == ("somebody", team.account.display_name)
    assert await team.reads(team.wang)
    contacts = ContactServiceStub(team.customer.channel)
    seen = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=team.wang.metadata)
    assert [each.id for each in seen.contacts] == [contact.id]
    timeline: Any = TimelineServiceStub(team.customer.channel)
    request = ListTimelineRequest(account_id=team.account.id)
    whole, theirs = [await timeline.ListTimeline(request, metadata=each.metadata) for each in (team.li, team.wang)]
    assert [each.id for each in theirs.entries] == [each.id for each in whole.entries]
    assert (await renamed(team.accounts, team.wang, team.account.id, "华信")).display_name == "华信"
    assert await team.searched(team.wang, "华信") == [team.account.id]
    await team.remove(member)
    # Nor does a change of the account, or of a contact, bring it back.
    await renamed(team.accounts, team.li, team.account.id, "华信电力")
    assert not await team.reads(team.wang)
    assert await team.searched(team.wang, "华信") == []
    seen = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=team.wang.metadata)
    assert not seen.contacts


async def test_a_team_is_seen_by_who_sees_the_account_and_by_nobody_else(team: Team) -> None:
    member, outsider = await team.add(team.wang), await team.user()
    for user, ids in ((team.li, [member.id]), (team.wang, [member.id]), (outsider, [])):
        listed = await team.members.ListAccountMembers(pb.ListAccountMembersRequest(), metadata=user.metadata)
        assert [each.id for each in listed.account_members] == ids
    with refused("NOT_FOUND", "ACCOUNT_MEMBER_NOT_FOUND"):
        await team.members.GetAccountMember(pb.GetAccountMemberRequest(id=member.id), metadata=outsider.metadata)


async def test_who_may_only_read_changes_nothing_and_is_told_so_beforehand(team: Team) -> None:
    await team.add(team.wang, READ)
    assert await team.reads(team.wang)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as error:
        await renamed(team.accounts, team.wang, team.account.id, "华信")
    assert error.metadata["rule"] == "member_reads"
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await new_interaction(team.customer, team.wang, team.account.id)
    actions = await ResourceServiceStub(team.customer.channel).GetRecordActions(
        resources_pb2.GetRecordActionsRequest(collection="accounts", id=team.account.id), metadata=team.wang.metadata
    )
    assert {each.reason for each in actions.actions} == {"PERMISSION_DENIED"}


async def test_a_bulk_change_takes_what_a_member_reads_and_is_refused_what_they_may_only_read(team: Team) -> None:
    await team.add(team.wang, READ)
    await new_account(team.customer, team.wang)
    jobs = Jobs(team.customer)
    tried = await jobs.tried(team.wang, "", industry="power")
    assert (tried.count, len(tried.problems)) == (2, 1)
    job = await jobs.ended(team.wang, await jobs.begin(team.wang, "", tried.count, industry="power"))
    assert (job.changed_count, job.failed_count) == (1, 1)


async def test_who_may_only_read_is_mentioned_and_answers(team: Team) -> None:
    await team.add(team.wang, READ)
    comments: Any = CommentServiceStub(team.customer.channel)
    for by, to in ((team.li, team.wang), (team.wang, team.li)):
        comment = comments_pb2.Comment(text="@", mentioned_user_ids=[str(to.id)])
        request = comments_pb2.CreateCommentRequest(collection="accounts", record_id=team.account.id, comment=comment)
        created = await comments.CreateComment(request, metadata=by.metadata)
        assert list(created.mentioned_user_ids) == [str(to.id)]


async def test_a_membership_holds_on_its_days_without_anybody_doing_anything(team: Team) -> None:
    await team.add(team.wang, start_date=day(1), end_date=day(2))
    seen = []
    for ahead in range(5):
        offset = until_noon() + timedelta(days=ahead)
        await team.customer.know_tenant(team.li.tenant_id, sandbox=True, clock_offset=offset, version=3 + ahead)
        seen.append((await team.reads(team.wang), list((await team.read(team.li)).team_member_names)))
    assert seen == [(False, []), (True, ["somebody"]), (True, ["somebody"]), (False, []), (False, [])]


async def test_a_role_decides_what_a_member_may_do_at_all(team: Team) -> None:
    reader = await team.user({"accounts.read": Scope.OWN})
    await team.add(reader)
    assert await team.reads(reader)
    with refused(*DENIED):
        await renamed(team.accounts, reader, team.account.id, "华信")
    nobody = await team.user({"contacts.read": Scope.OWN})
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED") as error:
        await team.add(nobody)
    assert list(error.fields) == ["account_member.user_id"]
    gone = await team.user()
    await team.add(gone)
    await team.customer.change_user(gone, active=False)
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await team.read(gone)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await team.add(gone, start_date=day(300))


async def test_accounts_are_found_by_who_is_in_their_team_today(team: Team) -> None:
    other = await new_account(team.customer, team.wang)
    await team.add(team.wang)
    assert sorted(await team.found(team.wang)) == sorted([team.account.id, other.id])
    assert await team.found(team.wang, "team_member_ids:me") == [team.account.id]
    assert await team.found(team.wang, f'team_member_ids:"{team.li.id}"') == []
    assert await team.found(team.wang, "NOT team_member_ids:me") == [other.id]
    assert list((await team.read(team.li)).team_member_ids) == [str(team.wang.id)]


async def test_members_hand_on_nothing_of_what_is_theirs_as_members(team: Team) -> None:
    member = await team.add(team.wang, end_date=day(3))
    friend = await team.user()
    for attempt in (
        team.add(friend, READ, by=team.wang),
        team.change(member, by=team.wang, end_date=day(300)),
        team.accounts.UpdateAccount(
            accounts_pb2.UpdateAccountRequest(
                account=accounts_pb2.Account(id=team.account.id, owner_id=str(team.wang.id)),
                update_mask=FieldMask(paths=["owner_id"]),
            ),
            metadata=team.wang.metadata,
        ),
    ):
        with refused(*DENIED):
            await attempt
    third = await team.add(friend)
    with refused(*DENIED):
        await team.remove(third, by=team.wang)
    stub: Any = ResourceServiceStub(team.customer.channel)
    for each, reason in ((third, "PERMISSION_DENIED"), (member, "")):
        request = resources_pb2.GetRecordActionsRequest(collection="account_members", id=each.id)
        (action,) = (await stub.GetRecordActions(request, metadata=team.wang.metadata)).actions
        assert (action.verb, action.reason) == ("remove", reason)
    # To leave is their own.
    assert (await team.remove(member, by=team.wang)).state == Member.STATE_REMOVED


async def test_a_contact_is_brought_to_no_other_account_by_who_reaches_it_as_a_member_alone(team: Team) -> None:
    contact = await new_contact(team.customer, team.li, team.account.id)
    member = await team.add(team.wang)
    own = await new_account(team.customer, team.wang)
    contacts: Any = ContactServiceStub(team.customer.channel)

    async def change(by: User, path: str, **values: Any) -> contacts_pb2.Contact:
        changed, mask = contacts_pb2.Contact(id=contact.id, **values), FieldMask(paths=[path])
        request = contacts_pb2.UpdateContactRequest(contact=changed, update_mask=mask)
        answer: contacts_pb2.Contact = await contacts.UpdateContact(request, metadata=by.metadata)
        return answer

    both = [Link(account_id=id) for id in (team.account.id, own.id)]
    with refused(*DENIED):
        await change(team.wang, "accounts", accounts=both)
    # What else they say of a contact is theirs to say, and a contact of their own goes where they like.
    assert (await change(team.wang, "job_title", job_title="buyer")).job_title == "buyer"
    mine = await new_contact(team.customer, team.wang, team.account.id, own.id)
    assert len(mine.accounts) == 2
    await team.remove(member)
    seen = await contacts.ListContacts(contacts_pb2.ListContactsRequest(), metadata=team.wang.metadata)
    assert [each.id for each in seen.contacts] == [mine.id]


async def test_nobody_gives_a_member_more_than_they_have_for_the_account_themselves(team: Team) -> None:
    steward = await team.user({"accounts.read": Scope.ALL, "accounts.write": Scope.ALL})
    with refused(*DENIED):
        await team.add(team.wang, READ, by=steward)
    with refused(*DENIED):
        await team.add(team.wang, by=steward)
    plain = await team.user({"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    assert (await team.add(plain, by=steward)).access == WRITE
    # Who only reads comes to change no contacts, which the clerk may not.
    keeper = await team.user({"accounts.read": Scope.OWN, "contacts.read": Scope.OWN, "contacts.write": Scope.OWN})
    clerk = await team.user(dict.fromkeys(("accounts.read", "accounts.write", "contacts.read"), Scope.ALL))
    with refused(*DENIED):
        await team.add(keeper, by=clerk)
    assert (await team.add(keeper, READ, by=clerk)).access == READ


async def test_the_same_person_is_in_a_team_once_at_a_time(team: Team) -> None:
    first = await team.add(team.wang, start_date=day(0), end_date=day(9))
    periods: list[dict[str, Any]] = [
        {},
        {"start_date": day(9)},
        {"end_date": day(0)},
        {"start_date": day(3), "end_date": day(4)},
    ]
    for period in periods:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as error:
            await team.add(team.wang, **period)
        assert list(error.fields) == ["account_member.user_id"]
    later = await team.add(team.wang, READ, start_date=day(10))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await team.change(first, end_date=day(10))
    await team.remove(later)
    assert (await team.change(first, end_date="")).end_date == ""
    wrongs: list[dict[str, Any]] = [{"start_date": day(5), "end_date": day(4)}, {"end_date": day(-1)}]
    for wrong in wrongs:
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as error:
            await team.add(await team.user(), **wrong)
        assert list(error.fields) == ["account_member.end_date"]


async def test_two_who_add_the_last_member_at_once_do_not_make_a_team_too_large(team: Team) -> None:
    people = await asyncio.gather(*(team.user() for _ in range(MAX_MEMBERS + 1)))
    over = await team.add(people[0], end_date=day(0))
    for each in people[1 : MAX_MEMBERS - 1]:
        await team.add(each)
    with refused("FAILED_PRECONDITION", "ACCOUNT_TEAM_FULL"):
        answers = await asyncio.gather(*(team.add(each) for each in people[MAX_MEMBERS - 1 :]), return_exceptions=True)
        refusals = [each for each in answers if isinstance(each, Exception)]
        assert len(refusals) == 1
        raise refusals[0]
    # Whose last day has passed leaves room.
    offset = until_noon() + timedelta(days=1)
    await team.customer.know_tenant(team.li.tenant_id, sandbox=True, clock_offset=offset, version=3)
    assert over.end_date == day(0)
    await team.add(team.wang)


async def test_a_team_stays_with_an_account_that_is_given_away(team: Team) -> None:
    await team.add(team.wang)
    admin, zhao = await team.user({"*": Scope.ALL}), await team.user()
    await team.accounts.UpdateAccount(
        accounts_pb2.UpdateAccountRequest(
            account=accounts_pb2.Account(id=team.account.id, owner_id=str(zhao.id)),
            update_mask=FieldMask(paths=["owner_id"]),
        ),
        metadata=admin.metadata,
    )
    assert [await team.reads(each) for each in (team.li, team.wang, zhao)] == [False, True, True]


async def test_access_is_explained_by_the_membership(team: Team) -> None:
    admin = await team.user({"*": Scope.ALL})
    contact = await new_contact(team.customer, team.li, team.account.id)
    member = await team.add(team.wang, READ)

    async def explained(user: User, collection: str, id: str) -> record_access_pb2.RecordAccess:
        request = record_access_pb2.ExplainRecordAccessRequest(collection=collection, id=id, user_id=str(user.id))
        stub: Any = RecordAccessServiceStub(team.customer.channel)
        found: record_access_pb2.RecordAccess = await stub.ExplainRecordAccess(request, metadata=admin.metadata)
        return found

    for collection, id in (("accounts", team.account.id), ("contacts", contact.id), ("account_members", member.id)):
        told = await explained(team.wang, collection, id)
        assert (told.by_membership, told.needed_scope) == (True, record_access_pb2.RecordAccess.SCOPE_OWN), collection
        allowed = {each.verb: each.allowed for each in told.operations}
        assert (allowed["get"], allowed["update"]) == (True, False), collection
        assert not (await explained(team.li, collection, id)).by_membership


async def test_history_events_and_a_notice_tell_of_a_member(team: Team) -> None:
    member = await team.add(team.wang, READ)
    await team.change(member, access=WRITE)
    await team.remove(member)
    told = await told_of(team.customer, team.li.tenant_id, member.id)
    assert list(map(type, told)) == [
        events_pb2.AccountMemberCreated,
        events_pb2.AccountMemberUpdated,
        events_pb2.AccountMemberRemoved,
    ]
    history = await changes_of(team.customer, "account_members", member.id, team.li.metadata)
    assert [each.action for each in history.changes] == ["REMOVED", "UPDATED", "CREATED"]
    notices = await raised(team.customer, team.li.tenant_id)
    (notice,) = [each for each in notices if str(team.wang.id) in each.user_ids]
    assert (notice.record_id, notice.record_name) == (team.account.id, team.account.display_name)


async def test_an_archived_account_gets_no_members(team: Team) -> None:
    await team.accounts.ArchiveAccount(
        accounts_pb2.ArchiveAccountRequest(id=team.account.id), metadata=team.li.metadata
    )
    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await team.add(team.wang)

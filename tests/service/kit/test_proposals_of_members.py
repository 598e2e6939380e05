"""Changes that members of the teams of accounts propose, who may read them and not change them."""

from crm.customer.v1 import account_members_pb2
from crm.customer.v1.account_members_pb2_grpc import AccountMemberServiceStub
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account, new_contact
from tests.service.proposing import Desk, Proposal
from tests.service.running import Running, refused


async def test_who_only_reads_the_account_as_a_member_of_its_team_proposes_and_takes_back_and_decides_nothing(
    customer: Running,
) -> None:
    owner, desk = await customer.user(), Desk(customer)
    account = await new_account(customer, owner)
    grants = dict.fromkeys(("accounts.read", "accounts.write", "contacts.read"), Scope.OWN)
    member = await customer.user(owner.tenant_id, grants=grants)
    contact = await new_contact(customer, owner, account.id)
    wanted = account_members_pb2.AccountMember(
        account_id=account.id,
        user_id=str(member.id),
        role=account_members_pb2.AccountMember.ROLE_SERVICE,
        access=account_members_pb2.AccountMember.ACCESS_READ,
    )
    request = account_members_pb2.CreateAccountMemberRequest(account_member=wanted)
    await AccountMemberServiceStub(customer.channel).CreateAccountMember(request, metadata=owner.metadata)
    proposal = await desk.propose(member, account.id, {"industry": "power"})
    assert [each.id for each in await desk.list(member)] == [proposal.id]
    for attempt in (desk.accept(member, proposal), desk.decline(member, proposal)):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await attempt
    assert (await desk.withdraw(member, proposal)).state == Proposal.STATE_WITHDRAWN
    of_contact = await Desk(customer, "contacts").propose(member, contact.id, {"job_title": "buyer"})
    assert of_contact.state == Proposal.STATE_PENDING

"""AccountMemberService: from message to command or query and back, nothing else."""

from crm.customer.v1 import account_members_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.records.account_members import commands
from crm_customer.records.account_members.resource import ACCOUNT_MEMBERS


class AccountMemberServicer:
    contract = pb.DESCRIPTOR.services_by_name["AccountMemberService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateAccountMember(self, request: pb.CreateAccountMemberRequest, work: UnitOfWork) -> pb.AccountMember:
        values = ACCOUNT_MEMBERS.values_of(request.account_member)
        return ACCOUNT_MEMBERS.message(work, await commands.add_member(work, values))

    async def GetAccountMember(self, request: pb.GetAccountMemberRequest, reader: Reader) -> pb.AccountMember:
        return await ACCOUNT_MEMBERS.read(reader, request.id)

    async def ListAccountMembers(
        self, request: pb.ListAccountMembersRequest, reader: Reader
    ) -> pb.ListAccountMembersResponse:
        return await ACCOUNT_MEMBERS.list(reader, request, pb.ListAccountMembersResponse, self._tokens)

    async def UpdateAccountMember(self, request: pb.UpdateAccountMemberRequest, work: UnitOfWork) -> pb.AccountMember:
        before, values = await ACCOUNT_MEMBERS.to_update(work, request)
        return ACCOUNT_MEMBERS.message(work, await commands.update_member(work, before, values))

    async def RemoveAccountMember(self, request: pb.RemoveAccountMemberRequest, work: UnitOfWork) -> pb.AccountMember:
        before = await ACCOUNT_MEMBERS.target(work, request)
        return ACCOUNT_MEMBERS.message(work, await commands.remove_member(work, before))

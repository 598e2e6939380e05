"""AccountService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork, unit_of_work
from crm_kit.directory.access import Directory
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import value_in

from crm_customer.records.accounts import commands
from crm_customer.records.accounts.hierarchy import group_of
from crm_customer.records.accounts.model import Status
from crm_customer.records.accounts.reads import READS
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.wire import group_to_pb, read_to_pb
from crm_customer.records.quality_rules.keeping import checks_of
from crm_customer.records.search.searching import Search


class AccountServicer:
    contract = pb.DESCRIPTOR.services_by_name["AccountService"]

    def __init__(
        self,
        tokens: PageTokens,
        search: Search,
        directory: Directory,
        refuse_duplicates: commands.NewAccountCheck,
    ) -> None:
        self._tokens = tokens
        self._search = search
        self._directory = directory
        self._refuse_duplicates = refuse_duplicates

    async def CreateAccount(self, request: pb.CreateAccountRequest, work: UnitOfWork) -> pb.Account:
        values = await ACCOUNTS.to_create(work, request.account)
        refuses = request.on_duplicates == pb.CreateAccountRequest.ON_DUPLICATES_REFUSE
        check = self._refuse_duplicates if refuses else None
        return ACCOUNTS.message(work, await commands.create_account(work, values, check=check))

    async def CreateAccountFromLead(self, request: pb.CreateAccountFromLeadRequest, work: UnitOfWork) -> pb.Account:
        user = await self._directory.user(work.tenant_id, UUID(request.user_id))
        scope = user.access.scope("accounts.write")
        async with unit_of_work(work.database, user, scope=scope, now=work.now) as own:
            own.stand_in_for(work)
            values = await ACCOUNTS.to_create(own, request.account)
            created = await commands.create_account_from_lead(own, values, UUID(request.lead_id))
            return await ACCOUNTS.answer(own, created)

    async def GetAccount(self, request: pb.GetAccountRequest, reader: Reader) -> pb.Account:
        return await ACCOUNTS.read(reader, request.id)

    async def ListAccounts(self, request: pb.ListAccountsRequest, reader: Reader) -> pb.ListAccountsResponse:
        return await ACCOUNTS.list(reader, request, pb.ListAccountsResponse, self._tokens)

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, work: UnitOfWork) -> pb.Account:
        before, values = await ACCOUNTS.to_update(work, request)
        updated = await commands.update_account(work, before, values, keep_opportunities=request.keep_opportunities)
        return await ACCOUNTS.answer(work, updated)

    async def ChangeAccountStatus(self, request: pb.ChangeAccountStatusRequest, work: UnitOfWork) -> pb.Account:
        before, status = await ACCOUNTS.target(work, request), value_in(request, "status", Status)
        return await ACCOUNTS.answer(work, commands.change_account_status(work, before, status))

    async def ConfirmAccountFields(self, request: pb.ConfirmAccountFieldsRequest, work: UnitOfWork) -> pb.Account:
        before = await ACCOUNTS.target(work, request)
        confirmed = await commands.confirm_account_fields(work, before, checks_of(work, request))
        return await ACCOUNTS.answer(work, confirmed)

    async def AdoptAccountSourceValue(self, request: pb.AdoptAccountSourceValueRequest, work: UnitOfWork) -> pb.Account:
        id, value_id = UUID(request.id), UUID(request.source_value_id)
        adopted = await commands.adopt_account_source_value(work, id, value_id, etag=request.etag)
        return await ACCOUNTS.answer(work, adopted)

    async def ArchiveAccount(self, request: pb.ArchiveAccountRequest, work: UnitOfWork) -> pb.Account:
        return ACCOUNTS.message(work, await commands.archive_account(work, await ACCOUNTS.target(work, request)))

    async def RestoreAccount(self, request: pb.RestoreAccountRequest, work: UnitOfWork) -> pb.Account:
        return ACCOUNTS.message(work, await commands.restore_account(work, await ACCOUNTS.target(work, request)))

    async def RestrictAccount(self, request: pb.RestrictAccountRequest, work: UnitOfWork) -> pb.Account:
        before = await ACCOUNTS.target(work, request)
        return ACCOUNTS.message(work, commands.restrict_account(work, before, request.reason))

    async def UnrestrictAccount(self, request: pb.UnrestrictAccountRequest, work: UnitOfWork) -> pb.Account:
        before = await ACCOUNTS.target(work, request)
        return ACCOUNTS.message(work, commands.unrestrict_account(work, before, request.reason))

    async def ListAccountReads(
        self, request: pb.ListAccountReadsRequest, reader: Reader
    ) -> pb.ListAccountReadsResponse:
        account_id = UUID(request.id)
        await ACCOUNTS.check_readable(reader, account_id)
        page = await READS.page(reader, request, self._tokens, account_id=account_id)
        reads = map(read_to_pb, page.rows)
        return pb.ListAccountReadsResponse(
            reads=reads, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def GetAccountGroup(self, request: pb.GetAccountGroupRequest, reader: Reader) -> pb.AccountGroup:
        id = UUID(request.id)
        await ACCOUNTS.check_readable(reader, id)
        return group_to_pb(await group_of(reader, ACCOUNTS.listing, id))

    async def SearchAccounts(self, request: pb.SearchAccountsRequest, reader: Reader) -> pb.SearchAccountsResponse:
        return await self._search.answer(reader, request, pb.SearchAccountsResponse, self._tokens)

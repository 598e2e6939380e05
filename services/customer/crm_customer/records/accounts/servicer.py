"""AccountService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.customer.v1 import accounts_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.history import list_changes
from crm_kit.paging import PageTokens
from crm_kit.wire import goes_inside

from crm_customer.records.accounts import commands
from crm_customer.records.accounts.queries import LISTING, account_from, get_account
from crm_customer.records.accounts.search import search_accounts
from crm_customer.records.accounts.wire import CHANGEABLE, FIELDS, KINDS, STATUSES, account_to_pb


class AccountServicer:
    contract = pb.DESCRIPTOR.services_by_name["AccountService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateAccount(self, request: pb.CreateAccountRequest, work: UnitOfWork) -> pb.Account:
        account = await commands.create_account(
            work,
            kind=KINDS.entity(request.account.kind),
            display_name=request.account.display_name,
            values=FIELDS.all_of(request.account),
        )
        return account_to_pb(account)

    async def GetAccount(self, request: pb.GetAccountRequest, reader: Reader) -> pb.Account:
        return account_to_pb(await get_account(reader, UUID(request.id)))

    async def ListAccounts(self, request: pb.ListAccountsRequest, reader: Reader) -> pb.ListAccountsResponse:
        page = await LISTING.page(reader, request, self._tokens)
        accounts = [account_to_pb(account_from(row)) for row in page.rows]
        return pb.ListAccountsResponse(
            accounts=accounts, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateAccount(self, request: pb.UpdateAccountRequest, work: UnitOfWork) -> pb.Account:
        id, etag, current = UUID(request.account.id), request.account.etag, None
        if goes_inside(request.update_mask):
            current = account_to_pb(await get_account(work, id))
            # What was not sent stays as it was read: nobody may change it in between.
            etag = etag or current.etag
        values = CHANGEABLE.masked(request.account, request.update_mask, current)
        account = await commands.update_account(work, id, values, etag=etag)
        return account_to_pb(account)

    async def ChangeAccountStatus(self, request: pb.ChangeAccountStatusRequest, work: UnitOfWork) -> pb.Account:
        status = STATUSES.entity(request.status)
        return account_to_pb(await commands.change_account_status(work, UUID(request.id), status, etag=request.etag))

    async def ArchiveAccount(self, request: pb.ArchiveAccountRequest, work: UnitOfWork) -> pb.Account:
        return account_to_pb(await commands.archive_account(work, UUID(request.id), etag=request.etag))

    async def RestoreAccount(self, request: pb.RestoreAccountRequest, work: UnitOfWork) -> pb.Account:
        return account_to_pb(await commands.restore_account(work, UUID(request.id), etag=request.etag))

    async def SearchAccounts(self, request: pb.SearchAccountsRequest, reader: Reader) -> pb.SearchAccountsResponse:
        found = await search_accounts(reader, request.query, limit=request.page_size or 20)
        return pb.SearchAccountsResponse(accounts=map(account_to_pb, found))

    async def ListAccountChanges(
        self, request: pb.ListAccountChangesRequest, reader: Reader
    ) -> pb.ListAccountChangesResponse:
        await get_account(reader, UUID(request.id))
        page = await list_changes(
            reader,
            "account",
            UUID(request.id),
            page_size=request.page_size,
            page_token=request.page_token,
            tokens=self._tokens,
        )
        return pb.ListAccountChangesResponse(
            changes=page.rows, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

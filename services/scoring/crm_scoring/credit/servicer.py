"""CreditService: from message to command or query and back, nothing else."""

from datetime import timedelta
from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.history import list_changes
from crm_kit.paging import PageTokens
from crm_kit.wire import id_from

from crm_scoring.accounts.queries import Accounts, get_account
from crm_scoring.credit import commands
from crm_scoring.credit.queries import get_credit_limit, with_usage
from crm_scoring.credit.rules import CreditRules
from crm_scoring.credit.wire import credit_limit_to_pb, decision_to_pb, money_from_pb


class CreditServicer:
    contract = pb.DESCRIPTOR.services_by_name["CreditService"]

    def __init__(self, tokens: PageTokens, accounts: Accounts, *, rules: CreditRules, reserve_for: timedelta) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._rules = rules
        self._reserve_for = reserve_for

    async def GetCreditLimit(self, request: pb.GetCreditLimitRequest, reader: Reader) -> pb.CreditLimit:
        account = await get_account(reader, self._accounts, UUID(request.account_id))
        return credit_limit_to_pb(await with_usage(reader, await get_credit_limit(reader, account.id)))

    async def SetCreditLimit(self, request: pb.SetCreditLimitRequest, work: UnitOfWork) -> pb.CreditLimit:
        account = await get_account(work, self._accounts, UUID(request.account_id))
        amount = money_from_pb(request.amount, field="amount")
        limit = await commands.set_credit_limit(work, account.id, amount, request.reason, etag=request.etag)
        return credit_limit_to_pb(limit)

    async def CheckCredit(self, request: pb.CheckCreditRequest, work: UnitOfWork) -> pb.CheckCreditResponse:
        account = await get_account(work, self._accounts, UUID(request.account_id))
        decision, limit, usage = await commands.check_order(
            work,
            account.id,
            id_from(request.order_id),
            money_from_pb(request.amount, field="amount"),
            rules=self._rules,
            reserve_for=self._reserve_for,
        )
        return decision_to_pb(decision, limit, usage)

    async def ListCreditLimitChanges(
        self, request: pb.ListCreditLimitChangesRequest, reader: Reader
    ) -> pb.ListCreditLimitChangesResponse:
        account = await get_account(reader, self._accounts, UUID(request.account_id))
        page = await list_changes(
            reader,
            "credit_limit",
            account.id,
            page_size=request.page_size,
            page_token=request.page_token,
            tokens=self._tokens,
        )
        return pb.ListCreditLimitChangesResponse(
            changes=page.rows, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

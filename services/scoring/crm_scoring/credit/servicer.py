"""CreditService: from message to command or query and back, nothing else."""

from datetime import timedelta
from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.accounts import Accounts
from crm_kit.database.work import Reader, UnitOfWork

from crm_scoring.accounts.queries import get_account
from crm_scoring.credit import commands
from crm_scoring.credit.decisions import decide
from crm_scoring.credit.freed import Cause, tell_freed, tell_reservation_ended
from crm_scoring.credit.resource import CREDIT_LIMITS, get_credit_limit
from crm_scoring.credit.rules import CreditRules
from crm_scoring.credit.wire import decided
from crm_scoring.wire import money_from_pb


class CreditServicer:
    contract = pb.DESCRIPTOR.services_by_name["CreditService"]

    def __init__(self, accounts: Accounts, *, rules: CreditRules, reserve_for: timedelta) -> None:
        self._accounts = accounts
        self._rules = rules
        self._reserve_for = reserve_for

    async def GetCreditLimit(self, request: pb.GetCreditLimitRequest, reader: Reader) -> pb.CreditLimit:
        account = await get_account(reader, self._accounts, UUID(request.account_id))
        return CREDIT_LIMITS.message(reader, await get_credit_limit(reader, account.id))

    async def SetCreditLimit(self, request: pb.SetCreditLimitRequest, work: UnitOfWork) -> pb.CreditLimit:
        account = await get_account(work, self._accounts, UUID(request.account_id))
        amount = money_from_pb(request.amount, field="amount")
        limit = await commands.set_credit_limit(work, account.id, amount, request.reason, etag=request.etag)
        await tell_freed(work, account.id, Cause.CAUSE_LIMIT_SET)
        return CREDIT_LIMITS.message(work, limit)

    async def PreviewCredit(self, request: pb.PreviewCreditRequest, reader: Reader) -> pb.PreviewCreditResponse:
        account = await get_account(reader, self._accounts, UUID(request.account_id))
        amount = money_from_pb(request.amount, field="amount")
        today = reader.actor.access.day_of(reader.now)
        decision = await decide(reader, account.id, amount, rules=self._rules, today=today)
        return decided(pb.PreviewCreditResponse, *decision)

    async def CheckCredit(self, request: pb.CheckCreditRequest, work: UnitOfWork) -> pb.CheckCreditResponse:
        account_id, order_id = UUID(request.account_id), UUID(request.order_id)
        decision, gives_back = await commands.check_order(
            work,
            account_id,
            order_id,
            request.order_version,
            money_from_pb(request.amount, field="amount"),
            rules=self._rules,
            reserve_for=self._reserve_for,
        )
        if gives_back:
            await tell_reservation_ended(work, account_id, without=order_id)
        return decided(pb.CheckCreditResponse, *decision)

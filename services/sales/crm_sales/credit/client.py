"""Calls to the scoring service for credit."""

import time
from dataclasses import replace
from uuid import UUID

import structlog
from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.errors import CrmError
from crm_kit.money import Money
from crm_kit.resource.codecs import build
from crm_kit.rpc.clients import ServiceClient
from crm_kit.telemetry import current

from crm_sales.credit.model import CreditDecision, CreditReason

log = structlog.get_logger()
CHECK = "/crm.scoring.v1.CreditService/CheckCredit"


class CreditClient:
    """Asks in the service's own name whether an account may owe an amount; waits for the answer at most `seconds`."""

    def __init__(self, peer: ServiceClient, *, seconds: float) -> None:
        self._peer = peer
        self._seconds = seconds

    async def check(
        self, *, tenant_id: UUID, account_id: UUID, order_id: UUID, order_version: int, amount: Money
    ) -> CreditDecision | None:
        """The decision on an order in a version; None when there was no answer, whatever the cause."""
        asked = {"account_id": account_id, "order_id": order_id, "order_version": order_version, "amount": amount}
        request = build(pb.CheckCreditRequest, **asked)
        info = current.get()
        end = time.monotonic() + self._seconds
        token = current.set(replace(info, deadline=end if info.deadline is None else min(end, info.deadline)))
        try:
            answer = await self._peer.call(CHECK, request, pb.CheckCreditResponse, tenant_id=tenant_id)
        except CrmError as error:
            log.warning("credit.unavailable", reason=error.reason)
            return None
        finally:
            current.reset(token)
        found = (CreditReason(each.code, each.explanation, dict(each.metadata)) for each in answer.reason_details)
        return CreditDecision(answer.approved, tuple(found))

"""Credit as the scoring service judges it."""

import time
from collections.abc import Sequence
from dataclasses import replace

import structlog
from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.errors import CrmError
from crm_kit.rpc.clients import ServiceClient
from crm_kit.telemetry import current

from crm_sales.opportunities.wire import money_to_pb
from crm_sales.orders.model import HoldReason, Order

log = structlog.get_logger()
CHECK = "/crm.scoring.v1.CreditService/CheckCredit"


class Credit:
    """Asks whether an order may go out on credit, and waits for the answer no longer than told."""

    def __init__(self, peer: ServiceClient, *, seconds: float) -> None:
        self._peer = peer
        self._seconds = seconds

    async def hold_reasons(self, order: Order) -> Sequence[HoldReason] | None:
        """Why the order has to wait: nothing when it need not, None when nobody could say."""
        if order.gross.amount <= 0:
            # It takes nothing on credit.
            return ()
        request = pb.CheckCreditRequest(account_id=order.account_id, amount=money_to_pb(order.gross), order_id=order.id)
        info = current.get()
        end = time.monotonic() + self._seconds
        token = current.set(replace(info, deadline=end if info.deadline is None else min(end, info.deadline)))
        try:
            answer = await self._peer.call(CHECK, request, pb.CheckCreditResponse)
        except CrmError as error:
            # Whatever the reason is: without a yes the order waits.
            log.warning("credit.unavailable", reason=error.reason)
            return None
        finally:
            current.reset(token)
        if answer.approved:
            return ()
        names = [pb.CheckCreditResponse.Reason.Name(each).removeprefix("REASON_") for each in answer.reasons]
        reasons = names or ["CREDIT_REFUSED"]
        return [HoldReason(code, answer.explanation or code) for code in reasons]

"""Credit for tests: what is asked and set, and how the answers read."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb

from tests.service.running import User

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub

Reason = pb.CheckCreditResponse.Reason
Check = Callable[..., Awaitable[pb.CheckCreditResponse]]
SetLimit = Callable[..., Awaitable[pb.CreditLimit]]


def names(answer: pb.CheckCreditResponse) -> list[str]:
    """The reasons without their prefix."""
    return [Reason.Name(each).removeprefix("REASON_") for each in answer.reasons]


async def read(stub: "CreditServiceAsyncStub", user: User, account_id: UUID) -> pb.CreditLimit:
    return await stub.GetCreditLimit(pb.GetCreditLimitRequest(account_id=str(account_id)), metadata=user.metadata)

"""Credit for tests: what is asked and set, and how the answers read."""

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.identity.services import ServiceIdentity
from crm_scoring.settings import ScoringSettings

from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub

Reason = pb.CheckCreditResponse.Reason
CHECK = "/crm.scoring.v1.CreditService/CheckCredit"
Answer = pb.CheckCreditResponse | pb.PreviewCreditResponse
Check = Callable[..., Awaitable[Answer]]
SetLimit = Callable[..., Awaitable[pb.CreditLimit]]


def as_sales(
    scoring: Running, tenant_id: UUID, *, name: str = "sales", path: str = CHECK, key: bytes = b""
) -> tuple[tuple[str, str], ...]:
    """The metadata of a call by the sales service in its own name; or of another service, for another rpc, by a key."""
    settings = scoring.service.settings
    assert isinstance(settings, ScoringSettings)
    identity = ServiceIdentity(name, key or settings.sales_key.encode())
    return (("authorization", identity.authorization(path, tenant_id)),)


def names(answer: Answer) -> list[str]:
    """The reasons without their prefix."""
    return [Reason.Name(each).removeprefix("REASON_") for each in answer.reasons]


async def read(stub: "CreditServiceAsyncStub", user: User, account_id: UUID) -> pb.CreditLimit:
    return await stub.GetCreditLimit(pb.GetCreditLimitRequest(account_id=str(account_id)), metadata=user.metadata)

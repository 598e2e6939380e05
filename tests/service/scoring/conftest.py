"""An account, its credit limit, and an order that was approved within it."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope

from tests.service.approving import REFUSE, Desk, Row, allows, asks, step, up_to
from tests.service.running import Running, User
from tests.service.scoring.approved_limits import READER, People
from tests.service.scoring.business import Order, money, new_account, order
from tests.service.scoring.credit import Answer, Check, SetLimit, as_sales

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


@pytest.fixture
async def user(scoring: Running) -> User:
    return await scoring.user(await scoring.tenant(sandbox=True))


@pytest.fixture
async def account_id(scoring: Running, user: User) -> UUID:
    return await new_account(scoring, user.tenant_id, user)


@pytest.fixture
def set_limit(scoring: Running, user: User, account_id: UUID) -> SetLimit:
    """Sets the account's limit as `user`; `by` another user, `key` an idempotency key, `etag` what was seen."""
    stub: CreditServiceAsyncStub = CreditServiceStub(scoring.channel)

    async def set_credit_limit(
        amount: object,
        currency_code: str = "CNY",
        *,
        of: UUID = account_id,
        by: User = user,
        key: str = "",
        reason: str = "known for years",
        etag: str = "",
    ) -> pb.CreditLimit:
        request = pb.SetCreditLimitRequest(
            account_id=str(of), amount=money(amount, currency_code), reason=reason, etag=etag
        )
        return await stub.SetCreditLimit(request, metadata=by.with_key(key) if key else by.metadata)

    return set_credit_limit


@pytest.fixture
def check(scoring: Running, user: User, account_id: UUID) -> Check:
    """Asks for an amount as `user`, or as the sales service for an order when one is given."""
    stub: CreditServiceAsyncStub = CreditServiceStub(scoring.channel)

    async def check_credit(
        amount: object,
        order_id: UUID | None = None,
        currency_code: str = "CNY",
        *,
        of: UUID = account_id,
        by: User = user,
        version: int = 1,
    ) -> Answer:
        values: dict[str, Any] = {"account_id": str(of), "amount": money(amount, currency_code)}
        if order_id is None:
            return await stub.PreviewCredit(pb.PreviewCreditRequest(**values), metadata=by.metadata)
        request = pb.CheckCreditRequest(**values, order_id=str(order_id), order_version=version)
        return await stub.CheckCredit(request, metadata=as_sales(scoring, by.tenant_id))

    return check_credit


@pytest.fixture
async def reserved(user: User, account_id: UUID, set_limit: SetLimit, check: Check) -> Order:
    """An order over 600 of a limit of 1000, approved a moment ago."""
    made = order(user.tenant_id, account_id, 600)
    await set_limit(1000)
    assert (await check(600, made.id)).approved
    return made


@pytest.fixture
def desk(scoring: Running) -> Desk:
    return Desk(scoring.channel, "credit_limits", "setLimit")


@pytest.fixture
async def people(scoring: Running, user: User) -> People:
    rep = await scoring.user(user.tenant_id, grants={"credit.write": Scope.ALL, "credit.read": Scope.ALL})
    boss, other = [await scoring.user(user.tenant_id, grants=READER) for _ in range(2)]
    return People(rep, boss, other)


@pytest.fixture
async def policy(desk: Desk, user: User, people: People) -> Any:
    """To 1,000 anybody, to 100,000 with the boss, and beyond nobody."""
    rows = [allows(up_to=up_to(1000)), asks(step(people.boss), up_to=up_to(100000)), Row(outcome=REFUSE)]
    return await desk.policy(user, *rows)

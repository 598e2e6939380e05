"""What an account has paid in advance is as good as credit, until it has paid for something."""

from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.ids import new_id

from tests.service.running import Running, User
from tests.service.scoring.business import money, order, paid_in_advance, reversed_payment, tell
from tests.service.scoring.credit import Check, SetLimit, read
from tests.service.scoring.test_freed_credit import freed

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)


async def test_who_has_paid_in_advance_needs_no_credit_for_as_much(
    stub: "CreditServiceAsyncStub",
    scoring: Running,
    user: User,
    account_id: UUID,
    set_limit: SetLimit,
    check: Check,
) -> None:
    await set_limit(0)
    advance = paid_in_advance(user.tenant_id, account_id, 100)
    assert not (await check("100.00")).approved
    await tell(scoring, advance, advance)
    assert (await read(stub, user, account_id)).used.amount == "-100.00"
    asked = pb.PreviewCreditRequest(account_id=str(account_id), amount=money("100.01"))
    preview = await stub.PreviewCredit(asked, metadata=user.metadata)
    assert (preview.approved, preview.used.amount) == (False, "-100.00")
    assert not (await check("100.01")).approved
    assert (await check("100.00", new_id())).approved
    assert not (await check("0.01", new_id())).approved


async def test_an_advance_counts_once_whether_it_has_paid_an_order_or_not(
    stub: "CreditServiceAsyncStub", scoring: Running, user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await set_limit(1000)
    bought = order(user.tenant_id, account_id, 300)
    advance = paid_in_advance(user.tenant_id, account_id, 100)
    later = bought.paid_later(advance, 60)
    for told in (bought.released(), later, advance, later):
        await tell(scoring, told)
    assert (await read(stub, user, account_id)).used.amount == "200.00"
    await tell(scoring, reversed_payment(later), advance)
    assert (await read(stub, user, account_id)).used.amount == "300.00"


async def test_an_order_that_waits_for_credit_is_told_of_an_advance(
    scoring: Running, user: User, account_id: UUID, set_limit: SetLimit
) -> None:
    await set_limit(0)
    await tell(scoring, order(user.tenant_id, account_id, 100).held())
    await tell(scoring, paid_in_advance(user.tenant_id, account_id, 100))
    assert await freed(scoring, user, account_id) == ["CAUSE_PAYMENT_RECEIVED"]

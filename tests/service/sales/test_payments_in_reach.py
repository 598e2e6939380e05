"""What a payment tells of orders that its reader may not read: nothing, in whatever way it is read."""

from dataclasses import dataclass
from datetime import timedelta

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import orders_pb2
from crm.sales.v1 import payments_pb2 as pb
from crm_kit.identity.access import Scope
from crm_sales.orders.servicer import OrderServicer
from google.protobuf.message import Message

from tests.service.running import Running, User
from tests.service.sales.ordering import Draft, approve, pay, placed
from tests.service.sales.selling import Sales, cny

RIGHTS = {"payments.read": Scope.ALL, "payments.write": Scope.ALL, "accounts.read": Scope.ALL}


@dataclass(frozen=True)
class Paid:
    """A payment of both orders, and one that names the other's."""

    mine: orders_pb2.Order
    others: orders_pb2.Order
    both: pb.Payment
    named: pb.Payment


@pytest.fixture
async def north(sales: Running, user: User) -> User:
    return await sales.user(user.tenant_id, grants=RIGHTS | {"orders.read": Scope.OWN})


@pytest.fixture
async def paid(api: Sales, user: User, north: User, draft: Draft, servicer: OrderServicer, sales: Running) -> Paid:
    south = await sales.user(user.tenant_id)
    mine, others = [
        await placed(api, servicer, user, await draft("100.00", owner_id=str(owner.id)), approve)
        for owner in (north, south)
    ]
    named = await pay(api, user, "30.00", order_id=others.id)
    both = await pay(api, user, "180.00", account_id=mine.account_id)
    return Paid(mine, others, both, named)


def tells(message: Message, order: orders_pb2.Order) -> bool:
    # Records of the generic operations are bytes to them.
    return order.id.encode() in message.SerializeToString()


async def test_each_way_to_read_a_payment_tells_of_those_orders_alone_that_one_may_read(
    api: Sales, sales: Running, user: User, north: User, paid: Paid
) -> None:
    generic = ResourceServiceStub(sales.channel)
    ids = [paid.both.id, paid.named.id]
    as_of = resources_pb2.GetRecordAsOfRequest(collection="payments", id=paid.both.id)
    as_of.read_time.FromDatetime(paid.both.create_time.ToDatetime() + timedelta(milliseconds=1))
    batch = resources_pb2.BatchGetRecordsRequest(collection="payments", ids=ids)
    for reader, expected in ((user, True), (north, False)):
        answers = [
            await api.payments.GetPayment(pb.GetPaymentRequest(id=paid.both.id), metadata=reader.metadata),
            await api.payments.ListPayments(pb.ListPaymentsRequest(), metadata=reader.metadata),
            await generic.BatchGetRecords(batch, metadata=reader.metadata),
            await generic.GetRecordAsOf(as_of, metadata=reader.metadata),
        ]
        assert [tells(each, paid.others) for each in answers] == [expected] * 4
        assert all(tells(each, paid.mine) for each in answers)
    shown = await api.payments.GetPayment(pb.GetPaymentRequest(id=paid.both.id), metadata=north.metadata)
    assert [(each.order_id, each.amount) for each in shown.allocations] == [(paid.mine.id, cny("100.00"))]
    assert (shown.amount, shown.unallocated_amount) == (cny("180.00"), cny("10.00"))


async def test_who_may_read_no_orders_is_told_of_none(api: Sales, sales: Running, user: User, paid: Paid) -> None:
    cashier = await sales.user(user.tenant_id, grants=RIGHTS)
    page = await api.payments.ListPayments(pb.ListPaymentsRequest(), metadata=cashier.metadata)
    assert [(each.order_id, list(each.allocations)) for each in page.payments] == [("", [])] * 2


async def test_answers_to_what_is_done_with_a_payment_and_its_history_tell_no_more(
    api: Sales, sales: Running, user: User, north: User, paid: Paid, draft: Draft, servicer: OrderServicer
) -> None:
    await placed(api, servicer, user, await draft("5.00", owner_id=str(north.id)), approve)
    allocate = pb.AllocatePaymentRequest(id=paid.both.id)
    allocated = await api.payments.AllocatePayment(allocate, metadata=north.metadata)
    assert len(allocated.allocations) == 2
    assert not tells(allocated, paid.others)
    reverse = pb.ReversePaymentRequest(id=paid.both.id, reason="the bank took it back")
    reversed = await api.payments.ReversePayment(reverse, metadata=north.metadata)
    assert (tells(reversed, paid.others), tells(reversed, paid.mine)) == (False, True)
    request = resources_pb2.ListRecordChangesRequest(collection="payments", id=paid.both.id)
    for reader, expected in ((user, True), (north, False)):
        changes = await ResourceServiceStub(sales.channel).ListRecordChanges(request, metadata=reader.metadata)
        assert (tells(changes, paid.others), tells(changes, paid.mine)) == (expected, True)


async def test_no_filter_group_or_count_finds_a_payment_by_an_order_that_one_may_not_read(
    api: Sales, sales: Running, user: User, north: User, paid: Paid
) -> None:
    generic = ResourceServiceStub(sales.channel)
    by_order = f'order_id = "{paid.others.id}"'
    group = resources_pb2.SummarizeRecordsRequest(collection="payments", group_by=["order_id"])
    facet = resources_pb2.CountRecordValuesRequest(collection="payments", field="order_id")
    count = resources_pb2.CountRecordsRequest(collection="payments", filter=by_order)
    for reader, found in ((user, 1), (north, 0)):
        page = await api.payments.ListPayments(pb.ListPaymentsRequest(filter=by_order), metadata=reader.metadata)
        counted = await generic.CountRecords(count, metadata=reader.metadata)
        assert (len(page.payments), counted.count) == (found, found)
        for answer in (
            await generic.SummarizeRecords(group, metadata=reader.metadata),
            await generic.CountRecordValues(facet, metadata=reader.metadata),
        ):
            assert tells(answer, paid.others) == bool(found)


@pytest.mark.parametrize("scope", [Scope.OWN, Scope.TEAM, Scope.ALL])
async def test_a_payment_is_found_by_an_order_that_one_may_read(
    api: Sales, sales: Running, user: User, draft: Draft, servicer: OrderServicer, scope: Scope
) -> None:
    team_id = await sales.team(user.tenant_id)
    reader = await sales.user(user.tenant_id, grants=RIGHTS | {"orders.read": scope}, team_id=team_id)
    owners = {
        Scope.OWN: reader,
        Scope.TEAM: await sales.user(user.tenant_id, team_id=team_id),
        Scope.ALL: await sales.user(user.tenant_id),
    }
    found = set()
    for reached, owner in owners.items():
        order = await placed(api, servicer, user, await draft(owner_id=str(owner.id)), approve)
        await pay(api, user, "10.00", order_id=order.id)
        asked = pb.ListPaymentsRequest(filter=f'order_id = "{order.id}"')
        if (await api.payments.ListPayments(asked, metadata=reader.metadata)).payments:
            found.add(reached)
    assert found == {each for each in Scope if each <= scope}

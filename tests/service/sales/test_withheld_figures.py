"""What an order on hold tells of its account's credit: figures to who may read that credit, codes to everybody."""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import events_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.resource.values import DeclarationError
from crm_kit.resource.withholding import Withholding
from crm_sales.orders.servicer import OrderServicer
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from tests.service.running import Running, User, refused
from tests.service.sales.ordering import Draft, pay, placed, refuse
from tests.service.sales.selling import Sales, emitted, known_account

# What scoring says of the credit in these tests.
FIGURES = ("used 90 and new 20", "limit")
READER = {"orders.read": Scope.ALL, "orders.write": Scope.ALL, "orders.release": Scope.ALL, "accounts.read": Scope.ALL}


def reads(api: Sales, sales: Running, order: pb.Order) -> list[Callable[[User], Awaitable[Message]]]:
    """Every way to read an order; a file that is exported has what a list has."""
    records = ResourceServiceStub(sales.channel)
    now = Timestamp()
    now.GetCurrentTime()
    asked: list[tuple[Any, Message]] = [
        (api.orders.GetOrder, pb.GetOrderRequest(id=order.id)),
        (api.orders.ListOrders, pb.ListOrdersRequest()),
        (records.BatchGetRecords, resources_pb2.BatchGetRecordsRequest(collection="orders", ids=[order.id])),
        (
            records.GetRecordAsOf,
            resources_pb2.GetRecordAsOfRequest(collection="orders", id=order.id, read_time=now),
        ),
        (records.ListRecordChanges, resources_pb2.ListRecordChangesRequest(collection="orders", id=order.id)),
        (records.GetRecordActions, resources_pb2.GetRecordActionsRequest(collection="orders", id=order.id)),
    ]
    return [partial(read_as, call, request) for call, request in asked]


async def read_as(call: Any, request: Message, by: User) -> Message:
    answer: Message = await call(request, metadata=by.metadata)
    return answer


def tells_figures(answer: Message) -> bool:
    data = answer.SerializeToString()
    return any(figure.encode() in data for figure in FIGURES)


@pytest.mark.parametrize("released", [False, True], ids=["on hold", "released"])
async def test_whoever_may_not_read_credit_learns_the_code_and_no_figure(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running, *, released: bool
) -> None:
    order = await placed(api, servicer, user, await draft(), refuse)
    assert tells_figures(order)
    if released:
        request = pb.ReleaseOrderRequest(id=order.id, reason="old friends")
        order = await api.orders.ReleaseOrder(request, metadata=user.metadata)
    clerk = await sales.user(user.tenant_id, grants=READER)
    for read in reads(api, sales, order):
        answer = await read(clerk)
        assert not tells_figures(answer), answer
    shown = await api.orders.GetOrder(pb.GetOrderRequest(id=order.id), metadata=clerk.metadata)
    (reason,) = shown.hold_reasons
    assert (reason.code, reason.explanation, dict(reason.metadata)) == ("CREDIT_LIMIT_EXCEEDED", "", {})
    events = await emitted(sales, user.tenant_id, order.id)
    placing = next(each for each in events if isinstance(each, events_pb2.OrderPlaced))
    assert tells_figures(placing), "services need what people must not see"


async def test_who_places_and_releases_an_order_learns_no_figure_either(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    clerk = await sales.user(user.tenant_id, grants=READER)
    held = await placed(api, servicer, clerk, await draft(), refuse)
    assert ([each.code for each in held.hold_reasons], tells_figures(held)) == (["CREDIT_LIMIT_EXCEEDED"], False)
    request = pb.ReleaseOrderRequest(id=held.id, reason="old friends")
    assert not tells_figures(await api.orders.ReleaseOrder(request, metadata=clerk.metadata))


@pytest.mark.parametrize(
    ("scope", "seen"),
    [(Scope.OWN, {"mine"}), (Scope.TEAM, {"mine", "my team's"}), (Scope.ALL, {"mine", "my team's", "another's"})],
)
async def test_figures_are_seen_where_credit_can_be_read(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running, scope: Scope, seen: set[str]
) -> None:
    """By the owner of the account, as credit is read itself, whoever owns the order."""
    team = await sales.team(user.tenant_id)
    rep = await sales.user(user.tenant_id, grants=READER | {"credit.read": scope}, team_id=team)
    colleague = await sales.user(user.tenant_id, grants=READER, team_id=team)
    owners = {"mine": rep, "my team's": colleague, "another's": user}
    orders = {}
    for whose, owner in owners.items():
        account_id = await known_account(sales, user.tenant_id, owner)
        held = await placed(api, servicer, user, await draft(account_id=account_id), refuse)
        orders[held.id] = whose
    page = await api.orders.ListOrders(pb.ListOrdersRequest(), metadata=rep.metadata)
    assert {orders[each.id] for each in page.orders if tells_figures(each)} == seen
    assert len(page.orders) == len(owners)


async def test_the_error_for_an_order_on_hold_names_codes_only(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, sales: Running
) -> None:
    held = await placed(api, servicer, user, await draft(), refuse)
    rights = READER | {"payments.write": Scope.ALL, "payments.read": Scope.ALL}
    cashier = await sales.user(user.tenant_id, grants=rights)
    with refused("FAILED_PRECONDITION", "ORDER_ON_HOLD") as refusal:
        await pay(api, cashier, "1", order_id=held.id)
    assert refusal.detail == "the order is on hold: CREDIT_LIMIT_EXCEEDED"
    assert refusal.metadata["reasons"] == "CREDIT_LIMIT_EXCEEDED"


def test_a_service_that_withholds_something_says_where_accounts_are() -> None:
    with pytest.raises(DeclarationError, match="where the accounts are"):
        Withholding(None).places_in(pb.ListOrdersResponse.DESCRIPTOR)

"""Held orders whose release is approved first."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from crm.customer.v1.accounts_pb2 import Account
from crm.customer.v1.events_pb2 import AccountRestricted
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_sales.orders.servicer import OrderServicer

from tests.service.approving import REFUSE, Approval, Desk, Row, allows, asks, step, up_to
from tests.service.running import Running, User, refused
from tests.service.sales.ordering import Draft, placed, read, refuse
from tests.service.sales.selling import Sales

Actions = resources_pb2.RecordActions
Held = Callable[[str], Awaitable[pb.Order]]


@pytest.fixture
def desk(sales: Running) -> Desk:
    return Desk(sales.channel, "orders", "release")


@pytest.fixture
async def boss(sales: Running, user: User) -> User:
    return await sales.user(user.tenant_id, grants={"orders.read": Scope.OWN})


@pytest.fixture
async def manager(sales: Running, user: User) -> User:
    return await sales.user(user.tenant_id)


@pytest.fixture
def held(api: Sales, user: User, draft: Draft, servicer: OrderServicer) -> Held:
    async def held_order(price: str) -> pb.Order:
        return await placed(api, servicer, user, await draft(price), refuse)

    return held_order


def release(order: pb.Order) -> pb.ReleaseOrderRequest:
    return pb.ReleaseOrderRequest(id=order.id, reason="they pay tomorrow")


async def test_a_release_that_is_approved_is_that_of_who_asked_for_it(
    api: Sales, desk: Desk, user: User, boss: User, manager: User, held: Held
) -> None:
    await desk.policy(user, allows(up_to=up_to(500)), asks(step(boss)))
    small, large = await held("10.00"), await held("1000.00")
    assert (await api.orders.ReleaseOrder(release(small), metadata=manager.metadata)).state == pb.Order.STATE_RELEASED
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await api.orders.ReleaseOrder(release(large), metadata=manager.metadata)
    assert (await read(api, user, large)).etag == large.etag
    approval = await desk.submit(manager, release(large))
    assert (approval.record_etag, approval.owner_id) == (large.etag, str(user.id))
    assert approval.amount == large.gross_amount
    # Who is asked sees it, though not the order.
    assert await desk.waiting(boss) == [approval.id]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(user, approval)
    assert (await desk.approve(boss, approval)).state == Approval.STATE_APPROVED
    released = await read(api, user, large)
    assert (released.state, released.release.actor_id) == (pb.Order.STATE_RELEASED, str(manager.id))
    assert released.release.reason == "they pay tomorrow"


async def test_who_is_asked_decides_of_an_order_whose_account_is_restricted_from_them(
    api: Sales, sales: Running, desk: Desk, user: User, boss: User, manager: User, held: Held
) -> None:
    await desk.policy(user, asks(step(boss)))
    order = await held("1000.00")
    account = Account(id=order.account_id, display_name="华信电力", owner_id=str(user.id), restricted=True)
    told, id = AccountRestricted(account=account), UUID(order.account_id)
    await sales.hear(told, tenant_id=user.tenant_id, aggregate_id=id, version=2)
    approval = await desk.submit(manager, release(order))
    with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
        await read(api, boss, order)
    assert (await desk.approve(boss, approval)).state == Approval.STATE_APPROVED
    assert (await read(api, user, order)).state == pb.Order.STATE_RELEASED


async def test_an_order_that_was_cancelled_meanwhile_is_not_released(
    api: Sales, desk: Desk, user: User, boss: User, manager: User, held: Held
) -> None:
    await desk.policy(user, asks(step(boss)))
    order = await held("1000.00")
    approval = await desk.submit(manager, release(order))
    await api.orders.CancelOrder(pb.CancelOrderRequest(id=order.id, reason="x"), metadata=user.metadata)
    await desk.outdated(boss, approval)
    assert (await read(api, user, order)).state == pb.Order.STATE_CANCELLED
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.submit(manager, release(order))


async def test_what_a_policy_lets_nobody_release_is_looked_for_first(
    api: Sales, desk: Desk, user: User, held: Held
) -> None:
    await desk.policy(user, Row(outcome=REFUSE))
    order, unknown = await held("1000.00"), pb.Order(id=str(new_id()))
    with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
        await api.orders.ReleaseOrder(release(unknown), metadata=user.metadata)
    with refused("NOT_FOUND", "ORDER_NOT_FOUND"):
        await desk.submit(user, release(unknown))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.orders.ReleaseOrder(release(order), metadata=user.metadata)


async def test_what_can_be_done_with_an_order_says_whether_it_has_to_be_approved(
    sales: Running, desk: Desk, user: User, boss: User, manager: User, held: Held
) -> None:
    small, large, huge = [await held(price) for price in ("10.00", "1000.00", "100000.00")]

    async def released(order: pb.Order) -> tuple[bool, int, str]:
        request = resources_pb2.GetRecordActionsRequest(collection="orders", id=order.id)
        found = await ResourceServiceStub(sales.channel).GetRecordActions(request, metadata=manager.metadata)
        needs = {each.verb: each for each in found.actions}
        assert needs["cancel"].approval == Actions.APPROVAL_NOT_NEEDED
        action = needs["release"]
        return action.allowed, action.approval, action.metadata.get("rule", "")

    assert await released(large) == (True, Actions.APPROVAL_NOT_NEEDED, "")
    rows = [allows(up_to=up_to(500)), asks(step(boss), up_to=up_to(50000)), Row(outcome=REFUSE)]
    await desk.policy(user, *rows)
    assert await released(small) == (True, Actions.APPROVAL_NOT_NEEDED, "")
    assert await released(large) == (True, Actions.APPROVAL_NEEDED, "")
    assert await released(huge) == (False, Actions.APPROVAL_NOT_NEEDED, "policy")


async def test_an_approval_is_seen_with_its_order_and_by_nobody_else(
    sales: Running, desk: Desk, user: User, boss: User, manager: User, held: Held
) -> None:
    await desk.policy(user, asks(step(boss)))
    approval = await desk.submit(manager, release(await held("1000.00")))
    owner_of_nothing = await sales.user(user.tenant_id, grants={"orders.read": Scope.TEAM})
    assert [each.id for each in await desk.listed(user)] == [approval.id]
    assert await desk.listed(owner_of_nothing) == []
    with refused("NOT_FOUND", "APPROVAL_NOT_FOUND"):
        await desk.get(owner_of_nothing, approval)

"""Nothing begins with an account or a deal that ends at the same moment, whichever of both is first."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2
from crm.customer.v1 import events_pb2 as customer_events
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.sales.v1 import events_pb2, leads_pb2, opportunities_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import UnitOfWork
from crm_kit.projections import put_newest
from crm_sales.accounts.tables import accounts
from crm_sales.leads import conversion
from crm_sales.opportunities.commands import lose_opportunity
from crm_sales.opportunities.resource import OPPORTUNITIES
from crm_sales.orders.commands import require_not_lost
from crm_sales.orders.deals import require_not_ordered
from crm_sales.orders.resource import ORDERS
from crm_sales.orders.servicer import OrderServicer
from sqlalchemy import column, func, select, table

from tests.service.customer.customers import new_account
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.sales.converting import Qualified, accounts_of
from tests.service.sales.ordering import Check, Checked, Draft, approve, placed, read, refuse
from tests.service.sales.selling import Sales, cny, known_account

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

Begin = Callable[[], Awaitable[Any]]
WAITING = compile_statement(
    select(func.count().label("sessions"))
    .select_from(table("pg_stat_activity", column("datname"), column("wait_event_type")))
    .where(column("datname") == func.current_database(), column("wait_event_type") == "Lock")
)


async def meanwhile(sales: Running, user: User, end: Callable[[UnitOfWork], Awaitable[object]], begin: Begin) -> None:
    """Begin something while `end` is written and not committed yet: it waits, and then goes by what has become true."""
    async with sales.unit_of_work(user.tenant_id) as work:
        await end(work)
        await work.flush()
        beginning = asyncio.ensure_future(begin())

        async def is_waiting() -> bool:
            # By another session: within a transaction PostgreSQL shows what others did when it was first asked.
            async with sales.unit_of_work(user.tenant_id) as other:
                row = await other.one(WAITING)
            return beginning.done() or (row is not None and row["sessions"] > 0)

        await eventually(is_waiting)
    await beginning


def archiving(account_id: str) -> Callable[[UnitOfWork], Awaitable[None]]:
    async def archive(work: UnitOfWork) -> None:
        row = {"display_name": "华信电力", "owner_id": None, "owner_team_id": None, "archived": True, "version": 2}
        put_newest(work, accounts, {"id": UUID(account_id)} | row)

    return archive


def losing(deal: opportunities_pb2.Opportunity) -> Callable[[UnitOfWork], Awaitable[None]]:
    async def lose(work: UnitOfWork) -> None:
        before = await OPPORTUNITIES.get(work, UUID(deal.id))
        await lose_opportunity(work, before, "price", require_not_ordered=require_not_ordered)

    return lose


def placing(order: pb.Order) -> Callable[[UnitOfWork], Awaitable[None]]:
    async def place(work: UnitOfWork) -> None:
        before = await ORDERS.get(work, UUID(order.id))
        assert before.opportunity_id is not None
        require_not_lost(work, await OPPORTUNITIES.get(work, before.opportunity_id))
        ORDERS.save(work, before, before.place((), now=work.now, today=work.now.date()), events_pb2.OrderPlaced)

    return place


async def heard_that_it_was_archived(sales: Running, user: User, account_id: str) -> None:
    account = accounts_pb2.Account(id=account_id, display_name="华信电力", status=accounts_pb2.Account.STATUS_ARCHIVED)
    told = customer_events.AccountArchived(account=account)
    await sales.hear(told, tenant_id=user.tenant_id, aggregate_id=UUID(account_id), version=2)


async def deal_of(api: Sales, user: User, account_id: str) -> opportunities_pb2.Opportunity:
    deal = opportunities_pb2.Opportunity(account_id=account_id, display_name="Boiler")
    request = opportunities_pb2.CreateOpportunityRequest(opportunity=deal)
    return await api.opportunities.CreateOpportunity(request, metadata=user.metadata)


async def lost(api: Sales, user: User, deal: opportunities_pb2.Opportunity) -> None:
    request = opportunities_pb2.LoseOpportunityRequest(id=deal.id, reason="price")
    await api.opportunities.LoseOpportunity(request, metadata=user.metadata)


# --- while credit is asked for


async def test_an_order_is_not_placed_when_its_deal_is_lost_while_credit_is_asked_for(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, account_id: str
) -> None:
    deal = await deal_of(api, user, account_id)
    order = await draft(opportunity_id=deal.id)

    async def answer(request: Check) -> Checked:
        await lost(api, user, deal)
        return await approve(request)

    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await placed(api, servicer, user, order, answer)
    assert "LOST" in refusal.detail
    assert await read(api, user, order) == order


async def test_an_order_is_not_placed_when_its_account_is_archived_while_credit_is_asked_for(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, account_id: str, sales: Running
) -> None:
    order = await draft()

    async def answer(request: Check) -> Checked:
        await heard_that_it_was_archived(sales, user, account_id)
        return await approve(request)

    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await placed(api, servicer, user, order, answer)
    assert await read(api, user, order) == order


# --- in the same moment


@pytest.mark.parametrize("what", ["opportunity", "order", "order of a deal", "placing", "releasing", "reopening"])
async def test_nothing_begins_with_an_account_that_is_archived_in_the_same_moment(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, account_id: str, sales: Running, what: str
) -> None:
    deal = await deal_of(api, user, account_id)
    gone = await deal_of(api, user, account_id)
    await lost(api, user, gone)
    order = await draft()
    held = await placed(api, servicer, user, await draft(), refuse)
    reopen = opportunities_pb2.ReopenOpportunityRequest(id=gone.id, reason="they called")
    release = pb.ReleaseOrderRequest(id=held.id, reason="old friends")
    begin: dict[str, Begin] = {
        "opportunity": lambda: deal_of(api, user, account_id),
        "order": draft,
        "order of a deal": lambda: draft(opportunity_id=deal.id),
        "placing": lambda: placed(api, servicer, user, order, approve),
        "releasing": lambda: api.orders.ReleaseOrder(release, metadata=user.metadata),
        "reopening": lambda: api.opportunities.ReopenOpportunity(reopen, metadata=user.metadata),
    }
    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await meanwhile(sales, user, archiving(account_id), begin[what])


@pytest.mark.parametrize("what", ["ordering", "placing", "releasing"])
async def test_nothing_is_ordered_of_a_deal_that_is_lost_in_the_same_moment(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, account_id: str, sales: Running, what: str
) -> None:
    deal = await deal_of(api, user, account_id)
    order = await draft(opportunity_id=deal.id)
    held = await placed(api, servicer, user, await draft(opportunity_id=deal.id), refuse)
    release = pb.ReleaseOrderRequest(id=held.id, reason="old friends")
    begin: dict[str, Begin] = {
        "ordering": lambda: draft(opportunity_id=deal.id),
        "placing": lambda: placed(api, servicer, user, order, approve),
        "releasing": lambda: api.orders.ReleaseOrder(release, metadata=user.metadata),
    }
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await meanwhile(sales, user, losing(deal), begin[what])
    assert "LOST" in refusal.detail


async def test_a_held_order_is_not_released_once_its_deal_is_lost_or_its_account_archived(
    api: Sales, user: User, draft: Draft, servicer: OrderServicer, account_id: str, sales: Running
) -> None:
    deal = await deal_of(api, user, account_id)
    held = await placed(api, servicer, user, await draft(opportunity_id=deal.id), refuse)
    release = pb.ReleaseOrderRequest(id=held.id, reason="old friends")
    await lost(api, user, deal)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.orders.ReleaseOrder(release, metadata=user.metadata)
    reopen = opportunities_pb2.ReopenOpportunityRequest(id=deal.id, reason="they called")
    await api.opportunities.ReopenOpportunity(reopen, metadata=user.metadata)
    await heard_that_it_was_archived(sales, user, account_id)
    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await api.orders.ReleaseOrder(release, metadata=user.metadata)
    # What is in the way of releasing it is not in the way of cancelling it.
    cancel = pb.CancelOrderRequest(id=held.id, reason="never mind")
    assert (await api.orders.CancelOrder(cancel, metadata=user.metadata)).state == pb.Order.STATE_CANCELLED


async def test_a_deal_is_not_lost_of_which_an_order_is_placed_in_the_same_moment(
    api: Sales, user: User, draft: Draft, account_id: str, sales: Running
) -> None:
    deal = await deal_of(api, user, account_id)
    order = await draft(opportunity_id=deal.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
        await meanwhile(sales, user, placing(order), lambda: lost(api, user, deal))
    assert refusal.metadata["order_ids"] == order.id


async def test_two_orders_of_one_deal_are_drafted_at_once(
    api: Sales, user: User, draft: Draft, account_id: str
) -> None:
    """Whoever only needs it to stay as it is waits for nobody who needs the same."""
    deal = await deal_of(api, user, account_id)
    drafts = await asyncio.gather(*(draft(opportunity_id=deal.id) for _ in range(10)))
    assert len({order.id for order in drafts}) == 10


# --- conversions that are gone on with


async def archive(customer: Running, user: User, id: str) -> None:
    stub: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    await stub.ArchiveAccount(accounts_pb2.ArchiveAccountRequest(id=id), metadata=user.metadata)


async def test_a_conversion_that_is_gone_on_with_asks_again_for_its_account(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    lead = await qualified()
    request = leads_pb2.ConvertLeadRequest(id=lead.id, amount=cny("5000"))
    whole = conversion.finish

    async def crash(*_: object) -> None:
        raise RuntimeError("the process ends here")

    monkeypatch.setattr(conversion, "finish", crash)
    with refused("INTERNAL", "INTERNAL"):
        await api.leads.ConvertLead(request, metadata=seller.metadata)
    monkeypatch.setattr(conversion, "finish", whole)
    (account,) = await accounts_of(customer, seller)
    await archive(customer, seller, account.id)
    await heard_that_it_was_archived(sales, seller, account.id)
    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await api.leads.ConvertLead(request, metadata=seller.metadata)
    page = await api.opportunities.ListOpportunities(
        opportunities_pb2.ListOpportunitiesRequest(), metadata=seller.metadata
    )
    assert list(page.opportunities) == []
    # That attempt is over: the lead may become another account.
    other = await new_account(customer, seller, display_name="华信集团")
    request.account_id = other.id
    converted = await api.leads.ConvertLead(request, metadata=seller.metadata)
    assert (converted.state, converted.account_id) == (leads_pb2.Lead.STATE_CONVERTED, other.id)


async def test_a_lead_is_not_converted_into_a_deal_with_an_account_that_is_archived_in_the_same_moment(
    api: Sales, seller: User, qualified: Qualified, customer: Running, sales: Running
) -> None:
    account = await new_account(customer, seller)
    await known_account(sales, seller.tenant_id, seller, id=UUID(account.id))
    lead = await qualified()
    request = leads_pb2.ConvertLeadRequest(id=lead.id, account_id=account.id)
    with refused("FAILED_PRECONDITION", "ACCOUNT_ARCHIVED"):
        await meanwhile(
            sales,
            seller,
            archiving(account.id),
            lambda: api.leads.ConvertLead(request, metadata=seller.metadata),
        )

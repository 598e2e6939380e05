"""The sales service's clients, somebody to call them, and leads to work with."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest
from crm.sales.v1 import leads_pb2 as pb
from crm.sales.v1 import orders_pb2
from crm_sales.orders.servicer import OrderServicer

from tests.service.running import Running, User
from tests.service.sales.converting import Qualified
from tests.service.sales.ordering import Draft, Released, approve, placed
from tests.service.sales.selling import Sales, also_in, clients, cny, known_account

CreateLead = Callable[..., Awaitable[pb.Lead]]


@pytest.fixture
def api(sales: Running) -> Sales:
    return clients(sales)


@pytest.fixture
async def user(sales: Running) -> User:
    return await sales.user()


@pytest.fixture
def create(api: Sales, user: User) -> CreateLead:
    """Creates a lead as `user`; keywords are its fields, `by` another user, `to_pool` puts it there."""

    async def create_lead(*, by: User = user, to_pool: bool = False, **fields: Any) -> pb.Lead:
        lead = pb.Lead(**{"display_name": "王伟", "company_name": "华信电力有限公司"} | fields)
        request = pb.CreateLeadRequest(lead=lead, to_pool=to_pool)
        return await api.leads.CreateLead(request, metadata=by.metadata)

    return create_lead


# --- conversion


@pytest.fixture
async def seller(user: User, customer: Running) -> User:
    await also_in(customer, user)
    return user


@pytest.fixture
def qualified(api: Sales, create: CreateLead, seller: User) -> Qualified:
    async def qualified_lead(**fields: Any) -> pb.Lead:
        told = {"phone_number": "+8613800138000", "email": "wang@huaxin.example"}
        lead = await create(by=seller, **told | fields)
        call = pb.RecordFollowUpRequest(id=lead.id, follow_up=pb.FollowUp(kind=pb.FollowUp.KIND_CALL))
        await api.leads.RecordFollowUp(call, metadata=seller.metadata)
        return await api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=seller.metadata)

    return qualified_lead


# --- orders


@pytest.fixture
async def account_id(sales: Running, user: User) -> str:
    return await known_account(sales, user.tenant_id, user)


@pytest.fixture
def servicer(sales: Running) -> Iterator[OrderServicer]:
    found = next(each for each in sales.service.servicers if isinstance(each, OrderServicer))
    before = found._credit
    yield found
    found._credit = before


@pytest.fixture
def draft(api: Sales, user: User, account_id: str) -> Draft:
    async def draft_order(price: str = "100.00", *, by: User = user, **fields: Any) -> orders_pb2.Order:
        line = orders_pb2.OrderLine(product="boiler", quantity="1", unit_price=cny(price))
        values: dict[str, Any] = {"account_id": account_id, "currency_code": "CNY", "lines": [line]}
        request = orders_pb2.CreateOrderRequest(order=orders_pb2.Order(**values | fields))
        return await api.orders.CreateOrder(request, metadata=by.metadata)

    return draft_order


@pytest.fixture
def released(api: Sales, servicer: OrderServicer, user: User, draft: Draft) -> Released:
    async def released_order(price: str = "100.00", **fields: Any) -> orders_pb2.Order:
        return await placed(api, servicer, user, await draft(price, **fields), approve)

    return released_order

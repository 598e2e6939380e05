"""The sales service's clients, somebody to call them, and leads to work with."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from crm.sales.v1 import leads_pb2 as pb

from tests.service.running import Running, User
from tests.service.sales.selling import Sales, clients

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

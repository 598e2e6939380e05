"""What policies of other services name is known where people get their roles."""

from uuid import UUID

import pytest
from crm.customer.v1 import roles_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_roles, access_tenants
from grpc.aio import AioRpcError
from sqlalchemy import select

from tests.service.approving import ANY, Desk, Step, asks
from tests.service.customer.companies import Company, open_company
from tests.service.eventually import eventually
from tests.service.running import Running, User

RELEASING, LIMITING = ("orders", "release"), ("credit_limits", "setLimit")


@pytest.fixture
async def company(customer: Running) -> Company:
    return await open_company(customer)


async def known_in(service: Running, company: Company, role: roles_pb2.Role) -> User:
    """Somebody who may do everything there, once the service has heard of the company and the role."""

    async def has_heard() -> bool:
        async with service.unit_of_work(company.tenant_id) as work:
            tenants = await work.all(compile_statement(select(access_tenants.c.id)))
            roles = await work.all(compile_statement(select(access_roles.c.id)))
        return bool(tenants) and UUID(role.id) in {row["id"] for row in roles}

    await eventually(has_heard)
    return await service.user(company.tenant_id)


async def is_given(company: Company, role: roles_pb2.Role, by: User) -> bool:
    try:
        await company.user(role, by=by)
    except AioRpcError as error:
        assert error.code().name == "PERMISSION_DENIED", error
        return False
    return True


@pytest.mark.parametrize(("service", "verb"), [("sales", RELEASING), ("scoring", LIMITING)])
async def test_a_role_is_not_given_by_others_while_a_policy_names_it(
    company: Company, sales: Running, scoring: Running, service: str, verb: tuple[str, str]
) -> None:
    role = await company.role(orders_read=Scope.ALL, credit_read=Scope.ALL)
    other = {"sales": sales, "scoring": scoring}[service]
    admin = await known_in(other, company, role)
    staffing = await company.role(users_write=Scope.ALL, orders_read=Scope.ALL, credit_read=Scope.ALL)
    hr = company.acting(await company.user(staffing))
    assert await is_given(company, role, hr)
    desk = Desk(other.channel, *verb)
    policy = await desk.policy(admin, asks(Step(mode=ANY, role_ids=[role.id])))

    async def is_refused() -> bool:
        return not await is_given(company, role, hr)

    await eventually(is_refused)
    await desk.on_policy("ArchiveApprovalPolicy", admin, policy.id)
    await eventually(lambda: is_given(company, role, hr))

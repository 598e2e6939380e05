"""A new company, one whose people sign in with an identity provider, and a second replica of the service."""

from collections.abc import AsyncIterator

import grpc
import msgspec
import pytest
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm_customer.app import build
from crm_kit.rpc.keys import keys_from_customer
from crm_kit.service import running as service_running
from crm_local.port_check import free_ports

from tests.service.customer.companies import Company, open_company
from tests.service.customer.openid_provider import OpenIdProvider, serving
from tests.service.customer.sign_ins import Firm, with_provider
from tests.service.customer.tokens import Replica, settings_of
from tests.service.running import Running


@pytest.fixture
async def company(customer: Running) -> Company:
    return await open_company(customer)


@pytest.fixture(scope="module")
async def replica(customer: Running) -> AsyncIterator[Replica]:
    first = customer.service.settings
    port = free_ports().customer
    service = build(msgspec.structs.replace(settings_of(customer), listen_address=f"127.0.0.1:{port}"))
    async with (
        service_running(service, keys_from_customer(first.listen_address)) as ready,
        grpc.aio.insecure_channel(service.settings.listen_address) as channel,
    ):
        await ready.wait()
        yield Replica(UserServiceStub(channel))


@pytest.fixture
async def openid() -> AsyncIterator[OpenIdProvider]:
    async with serving(OpenIdProvider()) as provider:
        yield provider


@pytest.fixture
async def firm(company: Company, openid: OpenIdProvider) -> Firm:
    return await with_provider(company, openid)

"""Tokens of an OpenID provider beside the built-in issuer: users are found by login, tenants by slug."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_customer.app import build
from crm_customer.settings import CustomerSettings
from crm_kit.database.statements import compile_statement
from crm_kit.identity.issuers import OidcIssuer
from crm_kit.plumbing import access_tenants, access_users
from crm_kit.service import running as service_running
from crm_kit.settings import read_settings
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from sqlalchemy import select

from tests.service.running import Running, Tokens, User, environment, refused

PROVIDER = "https://login.example"


@contextlib.asynccontextmanager
async def key_server(tokens: Tokens) -> AsyncIterator[str]:
    """The provider's keys over HTTP, at the address given."""
    body = json.dumps(dict(await tokens.keys())).encode()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/keys"
    finally:
        server.close()


@pytest.fixture
async def provider() -> Tokens:
    return Tokens()


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
async def channel(
    servers: Servers, tokens: Tokens, provider: Tokens, customer: Running, user: User
) -> AsyncIterator[grpc.aio.Channel]:
    """A second replica of customer that trusts the provider too, for one tenant."""
    with environment(servers.environment("customer")):
        settings = read_settings(CustomerSettings)
    settings.listen_address, settings.drain_seconds = f"127.0.0.1:{free_ports().customer}", 0
    async with key_server(provider) as url:
        slug, _ = await names_of(customer, user.tenant_id, user.id)
        settings.oidc_issuers = (OidcIssuer(issuer=PROVIDER, jwks_url=url, audience="crm", tenants=(slug,)),)
        async with (
            service_running(build(settings), tokens.keys) as ready,
            grpc.aio.insecure_channel(settings.listen_address) as opened,
        ):
            await ready.wait()
            yield opened


async def names_of(customer: Running, tenant_id: UUID, user_id: UUID) -> tuple[str, str]:
    """The tenant's slug and the user's login."""
    database = customer.service.database
    slug = await database.all(tenant_id, compile_statement(select(access_tenants.c.slug)), {})
    query = compile_statement(select(access_users.c.login).where(access_users.c.id == user_id))
    return str(slug[0][0]), str((await database.all(tenant_id, query, {}))[0][0])


async def listed(channel: grpc.aio.Channel, token: str) -> pb.ListAccountsResponse:
    metadata = (("authorization", f"Bearer {token}"),)
    answer: pb.ListAccountsResponse = await AccountServiceStub(channel).ListAccounts(
        pb.ListAccountsRequest(), metadata=metadata
    )
    return answer


def token_of(provider: Tokens, user: User, slug: str, login: str, **claims: object) -> str:
    """What the provider says of somebody."""
    told = {"aud": "crm", "tenant": slug, "email": login, "email_verified": True}
    return provider.token(PROVIDER, user.tenant_id, user.id, **told | claims)


async def test_a_user_of_a_trusted_provider_is_let_in_by_login(
    customer: Running, channel: grpc.aio.Channel, provider: Tokens, user: User
) -> None:
    slug, login = await names_of(customer, user.tenant_id, user.id)
    account = pb.Account(kind=pb.Account.KIND_PERSON, display_name="someone")
    request = pb.CreateAccountRequest(account=account)
    created = await AccountServiceStub(customer.channel).CreateAccount(request, metadata=user.metadata)
    token = token_of(provider, user, slug, login)
    assert [each.id for each in (await listed(channel, token)).accounts] == [created.id]


async def test_a_login_that_is_not_in_the_tenant_is_refused(
    customer: Running, channel: grpc.aio.Channel, provider: Tokens, user: User
) -> None:
    stranger = await customer.user()
    slug, _ = await names_of(customer, user.tenant_id, user.id)
    _, foreign = await names_of(customer, stranger.tenant_id, stranger.id)
    for login in (foreign, "nobody@example.test"):
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await listed(channel, token_of(provider, user, slug, login))


async def test_a_provider_cannot_speak_for_a_tenant_that_does_not_trust_it(
    customer: Running, channel: grpc.aio.Channel, provider: Tokens
) -> None:
    stranger = await customer.user()
    slug, login = await names_of(customer, stranger.tenant_id, stranger.id)
    for tenant in (slug, "no-such-tenant"):
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await listed(channel, token_of(provider, stranger, tenant, login))


async def test_an_address_that_the_provider_has_not_verified_lets_nobody_in(
    customer: Running, channel: grpc.aio.Channel, provider: Tokens, user: User
) -> None:
    slug, login = await names_of(customer, user.tenant_id, user.id)
    for verified in (False, "true"):
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await listed(channel, token_of(provider, user, slug, login, email_verified=verified))


async def test_the_provider_cannot_speak_for_the_built_in_issuer(
    customer: Running, channel: grpc.aio.Channel, provider: Tokens, user: User
) -> None:
    forged = provider.token(customer.service.settings.issuer, user.tenant_id, user.id)
    with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
        await listed(channel, forged)

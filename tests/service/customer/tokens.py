"""Tokens for tests: how they are asked for and used, and what a test changes below the contract."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1 import users_pb2
from crm_customer.settings import CustomerSettings
from crm_kit.database.statements import Statement

from tests.service.customer.companies import ADMIN_LOGIN, PASSWORD, Company
from tests.service.running import Running

if TYPE_CHECKING:
    from crm.customer.v1.users_pb2_grpc import UserServiceAsyncStub

INVALID = ("UNAUTHENTICATED", "INVALID_CREDENTIALS")
ME = users_pb2.GetCurrentUserRequest()


@dataclass(frozen=True)
class Replica:
    """Another process of the service, which knows the keys only by asking the first."""

    users: "UserServiceAsyncStub"


def settings_of(customer: Running) -> CustomerSettings:
    settings = customer.service.settings
    assert isinstance(settings, CustomerSettings)
    return settings


def credentials(company: Company, *, login: str = ADMIN_LOGIN, password: str = PASSWORD) -> pb.CreateTokenRequest:
    return pb.CreateTokenRequest(tenant=company.slug, login=login, password=password)


def bearer(token: pb.Token) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token.access_token}"),)


def refresh(token: pb.Token) -> pb.RefreshTokenRequest:
    return pb.RefreshTokenRequest(refresh_token=token.refresh_token)


async def run(company: Company, query: Statement, **values: Any) -> None:
    async with company.customer.unit_of_work(company.tenant_id) as work:
        work.execute(query, **values)

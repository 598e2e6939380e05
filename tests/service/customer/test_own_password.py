"""Changing one's own password."""

from typing import TYPE_CHECKING

import pytest
from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm_customer.directory.tokens.model import HERE

from tests.service.customer.companies import PASSWORD, Company
from tests.service.customer.tokens import INVALID, credentials, refresh
from tests.service.running import Running, refused

if TYPE_CHECKING:
    from crm.customer.v1.tokens_pb2_grpc import TokenServiceAsyncStub

OWN = "my own password, quite long"


@pytest.fixture
def issuer(customer: Running) -> "TokenServiceAsyncStub":
    return TokenServiceStub(customer.channel)


def change(*, current: str = PASSWORD, new: str = OWN) -> pb.ChangePasswordRequest:
    return pb.ChangePasswordRequest(current_password=current, new_password=new)


async def test_who_changes_their_password_signs_in_with_it_and_only_with_it(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    token = await issuer.CreateToken(credentials(company))
    await issuer.ChangePassword(change(), metadata=company.admin.metadata)
    for request in (issuer.RefreshToken(refresh(token)), issuer.CreateToken(credentials(company))):
        with refused(*INVALID):
            await request
    assert (await issuer.CreateToken(credentials(company, password=OWN))).access_token


async def test_a_wrong_current_password_changes_nothing_and_counts_as_a_failure(
    issuer: "TokenServiceAsyncStub", company: Company
) -> None:
    token = await issuer.CreateToken(credentials(company))
    for _ in range(HERE.free_failures):
        with refused("INVALID_ARGUMENT", "INVALID_CREDENTIALS") as refusal:
            await issuer.ChangePassword(change(current="wrong"), metadata=company.admin.metadata)
        assert refusal.fields == ["current_password"]
    for guess in ("wrong", PASSWORD):
        with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED"):
            await issuer.ChangePassword(change(current=guess), metadata=company.admin.metadata)
    assert (await issuer.RefreshToken(refresh(token))).access_token


@pytest.mark.parametrize(
    "typed", ["Gru\u0308ße aus Zu\u0308rich 2026", "Grüße aus Zürich ２０２６", "Grüße\u00a0aus\u3000Zürich 2026"]
)
async def test_a_password_is_the_same_on_any_keyboard(
    issuer: "TokenServiceAsyncStub", company: Company, typed: str
) -> None:
    await issuer.ChangePassword(change(new="Grüße aus Zürich 2026"), metadata=company.admin.metadata)
    assert (await issuer.CreateToken(credentials(company, password=typed))).access_token
    for other in ("Grusse aus Zurich 2026", "grüße aus zürich 2026"):
        with refused(*INVALID):
            await issuer.CreateToken(credentials(company, password=other))
    await issuer.ChangePassword(change(current=typed, new=OWN), metadata=company.admin.metadata)
    await issuer.ChangePassword(change(current=OWN, new=typed), metadata=company.admin.metadata)
    assert (await issuer.CreateToken(credentials(company, password="Grüße aus Zürich 2026"))).access_token


async def test_a_new_password_of_ones_own_is_long_enough(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await issuer.ChangePassword(change(new="short"), metadata=company.admin.metadata)
    assert refusal.fields == ["new_password"]


async def test_who_has_no_password_here_cannot_change_it(issuer: "TokenServiceAsyncStub", company: Company) -> None:
    user = company.acting(await company.user())
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await issuer.ChangePassword(change(), metadata=user.metadata)

"""The issuer's signing keys: public to all, private to it alone, and how one follows another."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import jwt
import msgspec
import pytest
from crm.customer.v1 import tokens_pb2 as pb
from crm.customer.v1.tokens_pb2_grpc import TokenServiceStub
from crm_customer.app import built_in_keys, signing_keys
from crm_customer.directory.tokens.signing_keys import SigningKeys
from crm_customer.directory.tokens.tables import signing_keys as signing_keys_table
from crm_kit.clock import system_now
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import ReadSession
from crm_kit.errors import Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.identity.tokens import Issuer as TrustedIssuer
from crm_kit.identity.tokens import TokenVerifier
from crm_kit.rpc.keys import keys_from_customer
from crm_local.port_check import free_ports
from sqlalchemy import Select, bindparam, select

from tests.service.customer.companies import Company
from tests.service.customer.tokens import credentials, settings_of
from tests.service.running import Running

if TYPE_CHECKING:
    from crm.customer.v1.tokens_pb2_grpc import TokenServiceAsyncStub


@pytest.fixture
def issuer(customer: Running) -> "TokenServiceAsyncStub":
    return TokenServiceStub(customer.channel)


async def test_the_keys_are_public_and_only_public(issuer: "TokenServiceAsyncStub", customer: Running) -> None:
    found = await issuer.GetSigningKeys(pb.GetSigningKeysRequest())
    assert found.keys
    for key in found.keys:
        assert (key.kty, key.crv, key.alg, key.use) == ("OKP", "Ed25519", "EdDSA", "sig")
    own = await built_in_keys(customer.service)()
    asked = await keys_from_customer(customer.service.settings.listen_address)()
    assert own == asked
    assert [key["kid"] for key in own["keys"]] == [key.kid for key in found.keys]


async def test_a_private_key_is_stored_encrypted_by_the_secret(customer: Running) -> None:
    settings = settings_of(customer)
    key = await signing_keys(customer.service, settings).current()
    raw = key.private_key.private_bytes_raw()
    eyes = ReadSession(customer.service.database, service_actor(SYSTEM_TENANT), scope=Scope.ALL, now=system_now())
    rows = await eyes.all(stored_keys())
    assert rows
    assert not any(raw in row["private_key"] for row in rows)
    other = msgspec.structs.replace(settings, signing_key_secret="x" * 32)
    with pytest.raises(Unavailable):
        await signing_keys(customer.service, other).current()


async def test_after_a_rotation_old_tokens_hold_until_they_expire(
    issuer: "TokenServiceAsyncStub", company: Company, customer: Running
) -> None:
    settings = settings_of(customer)
    token = await issuer.CreateToken(credentials(company))
    # A moment later, when every key that other tests made signs already.
    then, soon, late = (later_keys(customer, seconds) for seconds in (30, 60, 1200))
    old_keys = {(await then.current()).key_id, jwt.get_unverified_header(token.access_token)["kid"]}
    new_key = await then.rotate()
    # Shown at once, used a little later: by then every service has it.
    shown = [key["kid"] for key in (await then.jwks())["keys"]]
    assert shown[0] == new_key
    assert old_keys <= set(shown)
    assert (await then.current()).key_id in old_keys
    assert (await soon.current()).key_id == new_key
    verifier = TokenVerifier([TrustedIssuer(settings.issuer, settings.audience, soon.jwks)])
    assert (await verifier.verify(token.access_token)).user == str(company.admin.id)
    assert [key["kid"] for key in (await late.jwks())["keys"]] == [new_key]
    assert (await late.current()).key_id == new_key


async def test_rotations_at_the_same_time_leave_a_key_that_stays(customer: Running) -> None:
    keys = [signing_keys(customer.service, settings_of(customer)) for _ in range(4)]
    answers = await asyncio.gather(*(each.rotate() for each in keys), return_exceptions=True)
    assert any(isinstance(answer, str) for answer in answers)
    for_ever = later_keys(customer, 10 * 365 * 86_400)
    assert len((await for_ever.jwks())["keys"]) == 1


async def test_keys_that_cannot_be_asked_for_are_unavailable() -> None:
    with pytest.raises(Unavailable):
        await keys_from_customer(f"127.0.0.1:{free_ports().customer}")()


# --- looking below the contract


def later_keys(customer: Running, seconds: int) -> SigningKeys:
    """The keys as they will be."""
    settings = settings_of(customer)
    secret = settings.signing_key_secret
    return SigningKeys(
        customer.service.database,
        secret,
        token_seconds=settings.access_token_seconds,
        now=lambda: system_now() + timedelta(seconds=seconds),
    )


@statement
def stored_keys() -> Select[tuple[object, ...]]:
    table = signing_keys_table
    return select(table).where(table.c.tenant_id == bindparam("tenant_id"))

"""Rules of signing in: how long a login waits, what a refresh token looks like, and names of keys."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from crm_customer.directory.tokens.model import (
    ANYWHERE,
    HERE,
    Failures,
    Patience,
    RefreshToken,
    login_key,
    network_of,
    new_refresh_token,
    parse_refresh_token,
)
from crm_customer.directory.tokens.signing_keys import thumbprint
from crm_customer.directory.users.passwords import PARAMETERS, Passwords
from crm_kit.errors import ResourceExhausted
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("count", "seconds"), [(0, 0), (4, 0), (5, 30), (6, 60), (7, 120), (8, 240), (9, 480), (10, 900), (1000, 900)]
)
def test_each_further_failure_doubles_the_wait_up_to_a_quarter_of_an_hour(count: int, seconds: int) -> None:
    assert Failures(count, NOW).wait(NOW, HERE) == timedelta(seconds=seconds)


@pytest.mark.parametrize(("count", "seconds"), [(0, 0), (49, 0), (50, 30), (51, 60), (52, 60), (100_000, 60)])
def test_whoever_comes_to_a_new_place_never_waits_for_long(count: int, seconds: int) -> None:
    assert Failures(count, NOW).wait(NOW, ANYWHERE) == timedelta(seconds=seconds)


@given(
    count=st.integers(min_value=50, max_value=100_000),
    passed=st.integers(min_value=0, max_value=100_000),
    patience=st.sampled_from([HERE, ANYWHERE]),
)
def test_time_that_passes_is_waited_off(count: int, passed: int, patience: Patience) -> None:
    later = NOW + timedelta(seconds=passed)
    wait = Failures(count, NOW).wait(later, patience)
    assert wait == Failures(count, NOW).wait(NOW, patience) - timedelta(seconds=passed)
    assert (wait <= timedelta(0)) or passed < patience.longest_wait.total_seconds()


@given(tenant=st.uuids(), family=st.uuids(), secret=st.binary(min_size=32, max_size=32))
def test_a_refresh_token_is_read_back_from_its_text(tenant: UUID, family: UUID, secret: bytes) -> None:
    token = RefreshToken(tenant, family, secret)
    assert parse_refresh_token(token.text) == token


@given(st.text(max_size=100))
def test_any_text_is_read_or_passed_over(text: str) -> None:
    token = parse_refresh_token(text)
    assert token is None or len(token.secret) == 32


def test_a_successor_is_of_the_same_family_with_another_secret() -> None:
    token = new_refresh_token(UUID(int=1), UUID(int=2))
    successor = token.successor(b"key")
    assert (successor.tenant_id, successor.family_id) == (token.tenant_id, token.family_id)
    assert successor.secret != token.secret
    assert successor.digest != token.digest


def test_a_successor_is_always_the_same_and_depends_on_key_and_token() -> None:
    token = new_refresh_token(UUID(int=1), UUID(int=2))
    assert token.successor(b"key") == token.successor(b"key") != token.successor(b"another key")
    assert new_refresh_token(UUID(int=1), UUID(int=2)).successor(b"key") != token.successor(b"key")
    assert parse_refresh_token(token.successor(b"key").text) == token.successor(b"key")


def test_failures_of_one_login_are_not_those_of_another_tenant() -> None:
    assert login_key("a", "b", "192.0.2.1") != login_key("b", "a", "192.0.2.1")
    assert login_key("a", "b", "192.0.2.1") == login_key("a", "b", "192.0.2.1")


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("unix", "unix"),
    ],
)
def test_failures_count_for_the_network_that_they_come_from(address: str, network: str) -> None:
    assert network_of(address) == network
    assert login_key("a", "b", address) == login_key("a", "b", network.removesuffix("/64"))


def test_a_key_is_named_by_its_thumbprint() -> None:
    # RFC 8037, appendices A.2 and A.3.
    public = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    assert thumbprint(public) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


async def test_a_password_is_right_or_wrong_and_nobody_is_never_right() -> None:
    passwords = Passwords()
    hashed = await passwords.hash("correct horse", UUID(int=1))
    assert hashed.startswith("$argon2id$")
    assert (await passwords.verify(hashed, "correct horse")).right
    assert not (await passwords.verify(hashed, "wrong horse")).right
    assert not (await passwords.verify(None, "correct horse")).right
    assert not (await passwords.verify("not a hash", "correct horse")).right


async def test_those_who_flood_the_sign_ins_of_one_tenant_leave_room_for_others() -> None:
    passwords, flooded, other = Passwords(), UUID(int=1), UUID(int=2)
    over = asyncio.Event()

    async def waits(tenant_id: UUID) -> None:
        async with passwords.turn(tenant_id):
            await over.wait()

    tasks = [asyncio.create_task(waits(flooded)) for _ in range(100)]
    tasks += [asyncio.create_task(waits(other)) for _ in range(10)]
    # Each gets as far as it can.
    await asyncio.sleep(0)
    over.set()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    refused = [isinstance(each, ResourceExhausted) for each in outcomes]
    assert 0 < refused[:100].count(False) < 64
    assert not any(refused[100:])
    # Whoever has had a turn is not counted any more.
    await waits(flooded)


async def test_only_a_hash_of_other_parameters_is_replaced() -> None:
    passwords = Passwords()
    old = type(PARAMETERS)(time_cost=1, memory_cost=64, parallelism=1).hash("correct horse")
    replaced = (await passwords.verify(old, "correct horse")).new_hash
    assert not PARAMETERS.check_needs_rehash(replaced)
    assert (await passwords.verify(replaced, "correct horse")).new_hash == ""
    assert (await passwords.verify(old, "wrong horse")).new_hash == ""

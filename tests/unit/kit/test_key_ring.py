"""Keys of an issuer: asked for when needed, by one for all, and kept while the issuer is silent."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from crm_kit.errors import Unauthenticated, Unavailable
from crm_kit.identity import key_ring
from crm_kit.identity.key_ring import KeyRing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm

PUBLIC = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)


class Source:
    """An issuer that can be slow or silent, and a clock."""

    def __init__(self) -> None:
        self.key_ids = ["one"]
        self.asked = 0
        self.silent = False
        self.answer = asyncio.Event()
        self.answer.set()
        self.more: list[Any] = []
        self.time = 1000.0
        self.ring = KeyRing(self.fetch, lambda: self.time)

    async def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        await self.answer.wait()
        if self.silent:
            raise Unavailable("silent")
        return {"keys": [*self.more, *(PUBLIC | {"kid": key_id, "alg": "EdDSA"} for key_id in self.key_ids)]}


@pytest.fixture
def source() -> Source:
    return Source()


async def test_those_who_come_while_it_is_asked_wait_for_the_answer(source: Source) -> None:
    source.answer.clear()
    waiting = [asyncio.create_task(source.ring.key("one")) for _ in range(5)]
    await asyncio.wait(waiting, timeout=0)
    source.answer.set()
    assert len({id(key) for key in await asyncio.gather(*waiting)}) == 1
    assert source.asked == 1


async def test_an_unknown_key_is_asked_for_again_only_after_a_while(source: Source) -> None:
    await source.ring.key("one")
    source.key_ids = ["two", "one"]
    with pytest.raises(Unauthenticated):
        await source.ring.key("two")
    assert source.asked == 1
    source.time += key_ring.REFRESH_AT_MOST_EVERY_SECONDS + 0.1
    await source.ring.key("two")
    assert source.asked == 2


async def test_while_the_issuer_is_silent_known_keys_serve_and_unknown_ones_are_unavailable(source: Source) -> None:
    await source.ring.key("one")
    source.silent = True
    source.time += key_ring.REFRESH_AT_LEAST_EVERY_SECONDS + 1
    await source.ring.key("one")
    with pytest.raises(Unavailable):
        await source.ring.key("two")
    assert source.asked == 2
    source.silent, source.key_ids = False, ["two"]
    source.time += key_ring.ASK_AGAIN_AFTER_SECONDS
    await source.ring.key("two")
    with pytest.raises(Unauthenticated):
        await source.ring.key("one")


async def test_a_silent_issuer_is_not_taken_for_one_without_the_key(source: Source) -> None:
    source.silent = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await source.ring.key("one")
        source.time += key_ring.ASK_AGAIN_AFTER_SECONDS
    source.silent = False
    await source.ring.key("one")


async def test_those_who_have_their_key_do_not_wait_while_the_issuer_is_asked_again(source: Source) -> None:
    known = await source.ring.key("one")
    source.time += key_ring.REFRESH_AT_LEAST_EVERY_SECONDS + 1
    source.answer.clear()
    asking = asyncio.create_task(source.ring.key("one"))
    await asyncio.wait([asking], timeout=0)
    assert await source.ring.key("one") is known
    assert not asking.done()
    source.answer.set()
    await asking


async def test_what_else_an_issuer_publishes_does_not_disturb(source: Source) -> None:
    rsa = RSAAlgorithm.to_jwk(generate_private_key(65537, 2048).public_key(), as_dict=True)
    source.more = [
        rsa | {"kid": "enc", "use": "enc", "alg": "RSA-OAEP"},
        rsa | {"kid": "encrypts", "use": "enc"},
        rsa | {"kid": "oaep", "alg": "RSA-OAEP"},
        rsa | {"kid": "pss", "alg": "PS256"},
        rsa | {"kid": "broken", "n": "!"},
        {"kty": "oct", "kid": "shared", "k": "c2VjcmV0"},
        {"kty": "AKP", "kid": "future", "alg": "ML-DSA-65"},
        {"kid": "no kind"},
        "no key",
        None,
    ]
    await source.ring.key("one")
    for passed_over in ("enc", "encrypts", "oaep", "pss", "broken", "shared", "future", "no kind"):
        with pytest.raises(Unauthenticated):
            await source.ring.key(passed_over)


@pytest.mark.parametrize("answer", [{}, {"keys": None}, {"keys": {"kid": "one"}}])
async def test_what_is_no_key_set_is_no_answer_and_asked_for_again_after_a_while(answer: dict[str, Any]) -> None:
    asked = 0

    async def fetch() -> Mapping[str, Any]:
        nonlocal asked
        asked += 1
        return answer

    ring = KeyRing(fetch, lambda: 1000.0)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await ring.key("one")
    assert asked == 1


async def test_a_token_that_names_no_key_means_the_only_one_there_is(source: Source) -> None:
    assert await source.ring.key("") is await source.ring.key("one")
    source.key_ids = ["one", "two"]
    source.time += key_ring.REFRESH_AT_LEAST_EVERY_SECONDS + 1
    with pytest.raises(Unauthenticated):
        await source.ring.key("")

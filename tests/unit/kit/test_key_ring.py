"""Keys of an issuer: asked for when needed, by one for all, and kept while the issuer is silent."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from crm_kit.errors import Unauthenticated, Unavailable
from crm_kit.identity import tokens
from crm_kit.identity.tokens import Issuer, KeyRing
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

PUBLIC = OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)


class Source:
    """An issuer that can be slow or silent, and a clock."""

    def __init__(self) -> None:
        self.key_ids = ["one"]
        self.asked = 0
        self.silent = False
        self.answer = asyncio.Event()
        self.answer.set()
        self.time = 1000.0
        self.ring = KeyRing(Issuer("issuer", "guanxi", self.fetch), lambda: self.time)

    async def fetch(self) -> Mapping[str, Any]:
        self.asked += 1
        await self.answer.wait()
        if self.silent:
            raise Unavailable("silent")
        return {"keys": [PUBLIC | {"kid": key_id, "alg": "EdDSA"} for key_id in self.key_ids]}


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
    source.time += tokens.REFRESH_AT_MOST_EVERY_SECONDS + 0.1
    await source.ring.key("two")
    assert source.asked == 2


async def test_while_the_issuer_is_silent_known_keys_serve_and_unknown_ones_are_unavailable(source: Source) -> None:
    await source.ring.key("one")
    source.silent = True
    source.time += tokens.REFRESH_AT_LEAST_EVERY_SECONDS + 1
    await source.ring.key("one")
    with pytest.raises(Unavailable):
        await source.ring.key("two")
    assert source.asked == 2
    source.silent, source.key_ids = False, ["two"]
    source.time += tokens.ASK_AGAIN_AFTER_SECONDS
    await source.ring.key("two")
    with pytest.raises(Unauthenticated):
        await source.ring.key("one")


async def test_a_silent_issuer_is_not_taken_for_one_without_the_key(source: Source) -> None:
    source.silent = True
    for _ in range(2):
        with pytest.raises(Unavailable):
            await source.ring.key("one")
        source.time += tokens.ASK_AGAIN_AFTER_SECONDS
    source.silent = False
    await source.ring.key("one")

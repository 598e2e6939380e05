"""A request with an idempotency key takes effect once; repetitions get the first answer.

Key, request hash and answer are written in the same transaction as the effect.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import asyncpg
from google.protobuf.message import Message
from sqlalchemy import bindparam, select

from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.errors import AlreadyExists, CrmError, InvalidArgument
from crm_kit.identity.access import Actor
from crm_kit.plumbing import idempotency_keys
from crm_kit.rpc.kept_answers import kept_part, whole_answer
from crm_kit.rpc.methods import Method

MAX_KEY_LENGTH = 255


@dataclass(frozen=True, slots=True)
class Answer:
    """The serialized response, and whether an earlier request got it first."""

    data: bytes
    replayed: bool = False


class StoredResponse:
    """One request under its key. The same key with another request is refused."""

    def __init__(self, database: Database, actor: Actor, key: str, method: Method, request: Message) -> None:
        self._database = database
        self._actor = actor
        self._key = key
        self._method = method
        self._request = request
        # Not as it came: whoever repeats it may send the keys of a map in another order.
        canonical = request.SerializeToString(deterministic=True)
        self._digest = hashlib.sha256(method.path.encode() + canonical).digest()

    async def answer(self, write: Callable[[], Awaitable[Answer]]) -> Answer:
        """The earlier answer, or that of `write`, which must call `remember` in its transaction."""
        earlier = await self._earlier()
        if earlier is not None:
            return earlier
        try:
            return await retried(write)
        except (CrmError, asyncpg.IntegrityConstraintViolationError):
            # A twin may have been faster: which of the constraints that both touch refuses us is chance.
            earlier = await self._earlier()
            if earlier is None:
                raise
            return earlier

    def remember(self, work: UnitOfWork, answer: Message, data: bytes) -> None:
        """Gather the answer, whose serialized form is `data`, to become true with the effect."""
        work.insert(
            idempotency_keys,
            {
                "user_id": self._actor.user_id,
                "key": self._key,
                "method": self._method.path,
                "request_hash": self._digest,
                "response": kept_part(answer, data, self._request),
            },
        )

    async def _earlier(self) -> Answer | None:
        values = {"tenant_id": self._actor.tenant_id, "user_id": self._actor.user_id, "key": self._key}
        rows = await self._database.all(self._actor.tenant_id, answered(), values)
        if not rows:
            return None
        if rows[0]["request_hash"] != self._digest:
            raise AlreadyExists("this idempotency key was used with another request", reason="IDEMPOTENCY_KEY_REUSED")
        data = whole_answer(rows[0]["response"], self._request, self._method.response)
        return Answer(data, replayed=True)


@statement
def answered() -> Any:
    keys = idempotency_keys
    return select(keys.c.request_hash, keys.c.response).where(
        keys.c.tenant_id == bindparam("tenant_id"),
        keys.c.user_id == bindparam("user_id"),
        keys.c.key == bindparam("key"),
    )


def checked_key(key: str) -> str:
    """The idempotency key, at most 255 visible ASCII characters."""
    if key and not (len(key) <= MAX_KEY_LENGTH and key.isascii() and key.isprintable()):
        raise InvalidArgument("idempotency-key: must be 1 to 255 visible ASCII characters")
    return key

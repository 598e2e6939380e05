"""Passwords: Argon2id, hashed beside the event loop, a few at a time."""

import asyncio
import contextlib
import secrets
import unicodedata
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID

from argon2 import PasswordHasher, Type
from argon2.exceptions import InvalidHashError, VerificationError
from crm_kit.errors import ResourceExhausted

# OWASP Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane. About 25 ms of one core.
PARAMETERS = PasswordHasher(time_cost=2, memory_cost=19_456, parallelism=1, type=Type.ID)
AT_ONCE = 2
WAITING = 64
# Of one tenant: whoever floods the sign-ins of one leaves room for those of others.
WAITING_OF_TENANT = 48


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the password was right, and its hash by the present parameters when it must be replaced."""

    right: bool
    new_hash: str = ""


class Passwords:
    """`async with passwords.turn(tenant_id): await passwords.verify(...)`; `hash` takes a turn of its own."""

    def __init__(self, hasher: PasswordHasher = PARAMETERS) -> None:
        self._hasher = hasher
        self._limit = asyncio.Semaphore(AT_ONCE)
        self._waiting: Counter[UUID] = Counter()
        # What is compared with when there is no such user: the same work, and never right.
        self._decoy = hasher.hash(secrets.token_urlsafe())

    async def hash(self, password: str, tenant_id: UUID) -> str:
        """The hash in PHC string format."""
        async with self.turn(tenant_id):
            return await asyncio.to_thread(self._hasher.hash, as_hashed(password))

    @contextlib.asynccontextmanager
    async def turn(self, tenant_id: UUID) -> AsyncIterator[None]:
        """Room for one hash; ResourceExhausted when too many wait for it, of all tenants or of this one.

        Failures are counted inside it, so that many guesses at the same time find the count of those before.
        """
        if self._waiting.total() >= WAITING or self._waiting[tenant_id] >= WAITING_OF_TENANT:
            raise ResourceExhausted("too many sign in at this moment; try again", retry_after_seconds=1)
        self._waiting[tenant_id] += 1
        try:
            async with self._limit:
                yield
        finally:
            self._waiting[tenant_id] -= 1
            self._waiting = +self._waiting

    async def verify(self, hash: str | None, password: str) -> Verdict:
        """Compare within a turn; None is a user who does not exist, and takes as long."""
        return await asyncio.to_thread(self._verify, hash, as_hashed(password))

    def _verify(self, hash: str | None, password: str) -> Verdict:
        try:
            self._hasher.verify(hash or self._decoy, password)
        except (VerificationError, InvalidHashError):
            return Verdict(right=False)
        if hash is None:
            return Verdict(right=False)
        if self._hasher.check_needs_rehash(hash):
            return Verdict(right=True, new_hash=self._hasher.hash(password))
        return Verdict(right=True)


def as_hashed(password: str) -> str:
    """The same for one password on any keyboard: NFKC, as NIST SP 800-63B-4 (section 3.1.1.2) has it."""
    return unicodedata.normalize("NFKC", password)

"""The issuer's key pairs: made on first need, kept encrypted, changed by command."""

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import Database, Record
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import ReadSession, unit_of_work
from crm_kit.errors import Conflict, Unavailable
from crm_kit.identity.access import Scope, service_actor
from crm_kit.sealing import Sealer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import bindparam, update
from sqlalchemy.dialects.postgresql import insert

from crm_customer.directory.tokens.queries import get_living_keys
from crm_customer.directory.tokens.tables import signing_keys

log = structlog.get_logger()
ACTOR = service_actor(SYSTEM_TENANT)
# Services ask for unknown keys at most every five seconds: by then all have the new one.
SHOWN_BEFORE_SIGNING = timedelta(seconds=15)
# Clocks of machines differ.
LEEWAY = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that signs now."""

    key_id: str
    private_key: Ed25519PrivateKey


class SigningKeys:
    """The keys in the database. `token_seconds` is how long the longest token holds."""

    def __init__(self, database: Database, secret: str, *, token_seconds: int, now: Now = system_now) -> None:
        self._database = database
        self._token_time = timedelta(seconds=token_seconds)
        self._now = now
        self._sealer = Sealer(secret, b"guanxi signing keys")

    async def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK set (RFC 7517), the newest first."""
        return {"keys": [jwk_of(row["public_key"], row["key_id"]) for row in await self._living()]}

    async def current(self) -> SigningKey:
        """The key to sign with. Unavailable when the secret is not the one it was encrypted with."""
        now = self._now()
        rows = await self._living()
        row = next((each for each in rows if each["sign_time"] <= now), rows[-1])
        return SigningKey(row["key_id"], self._decrypt(row))

    async def rotate(self) -> str:
        """Make a new key and let the others end with their last token; the new key's id."""
        now = self._now()
        rows = await self._living()
        sign_time = now + SHOWN_BEFORE_SIGNING
        return await self._make(rows[0]["number"] + 1, sign_time, ends=sign_time + self._token_time + LEEWAY)

    async def _living(self) -> list[Record]:
        """The keys to show, the newest first; the first key of all is made now."""
        rows = await self._read()
        if not rows:
            await self._make(1, self._now())
            rows = await self._read()
        return rows

    async def _read(self) -> list[Record]:
        return await get_living_keys(ReadSession(self._database, ACTOR, scope=Scope.ALL, now=self._now()))

    async def _make(self, number: int, sign_time: datetime, *, ends: datetime | None = None) -> str:
        """Store a new key, unless another process has just made the one of this number."""
        private_key = Ed25519PrivateKey.generate()
        public_key = private_key.public_key().public_bytes_raw()
        key_id = thumbprint(public_key)
        now = self._now()
        async with unit_of_work(self._database, ACTOR, scope=Scope.ALL, now=now) as work:
            if ends is not None:
                work.execute(end_keys(), ends=ends, number=number)
            work.execute(
                put_key(),
                # Two that need the first key share it; two that change it do so one after the other.
                unmet=None if ends is None else lambda: Conflict("the keys are being changed by somebody else"),
                number=number,
                key_id=key_id,
                public_key=public_key,
                private_key=self._encrypt(private_key, key_id),
                create_time=now,
                sign_time=sign_time,
            )
        log.info("signing_key.made", key_id=key_id, number=number)
        return key_id

    def _encrypt(self, private_key: Ed25519PrivateKey, key_id: str) -> bytes:
        return self._sealer.seal(private_key.private_bytes_raw(), key_id.encode())

    def _decrypt(self, row: Record) -> Ed25519PrivateKey:
        private_key = self._sealer.open(row["private_key"], row["key_id"].encode())
        if private_key is None:
            log.warning("signing_key.unreadable", key_id=row["key_id"], hint="was CRM_SIGNING_KEY_SECRET changed?")
            raise Unavailable("nobody can sign in at this moment")
        return Ed25519PrivateKey.from_private_bytes(private_key)


def jwk_of(public_key: bytes, key_id: str) -> dict[str, str]:
    """A public key as a JWK (RFC 8037)."""
    return required_members(public_key) | {"kid": key_id, "alg": "EdDSA", "use": "sig"}


def thumbprint(public_key: bytes) -> str:
    """The key's name by RFC 7638: SHA-256 over its required members."""
    text = json.dumps(required_members(public_key), sort_keys=True, separators=(",", ":"))
    return base64url(sha256(text.encode()).digest())


def required_members(public_key: bytes) -> dict[str, str]:
    return {"crv": "Ed25519", "kty": "OKP", "x": base64url(public_key)}


def base64url(data: bytes) -> str:
    """Without padding."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


@statement
def put_key() -> Any:
    names = ("tenant_id", "number", "key_id", "public_key", "private_key", "create_time", "sign_time")
    row = insert(signing_keys).values({name: bindparam(name) for name in names})
    return row.on_conflict_do_nothing().returning(signing_keys.c.number)


@statement
def end_keys() -> Any:
    return (
        update(signing_keys)
        .where(
            signing_keys.c.tenant_id == bindparam("tenant_id"),
            signing_keys.c.number < bindparam("number"),
            signing_keys.c.expire_time.is_(None),
        )
        .values(expire_time=bindparam("ends"))
    )

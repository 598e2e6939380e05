"""Every write of the built-in issuer: signing in, going on, signing out.

These run for somebody who is not yet known: each opens its own unit in the tenant that the request names.
"""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import structlog
from crm.customer.v1 import events_pb2 as events
from crm_kit import telemetry
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import Database
from crm_kit.database.statements import statement
from crm_kit.database.tables import SYSTEM_TENANT
from crm_kit.database.work import ReadSession, UnitOfWork, unit_of_work
from crm_kit.errors import Conflict, Unauthenticated, illegal_state, invalid_field
from crm_kit.events.outbox import emit
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import new_id
from sqlalchemy import bindparam, delete, or_, update

from crm_customer.directory.tenants.queries import find_tenant_id
from crm_customer.directory.tokens.guesses import check_may_try, is_known, note_failure, note_success, origin_of
from crm_customer.directory.tokens.model import RefreshToken, new_refresh_token
from crm_customer.directory.tokens.queries import (
    Family,
    find_credential,
    find_family,
    find_own_credential,
)
from crm_customer.directory.tokens.signing_keys import SigningKey, SigningKeys
from crm_customer.directory.tokens.tables import refresh_tokens, sign_in_failures
from crm_customer.directory.users.commands import set_password
from crm_customer.directory.users.model import login_of
from crm_customer.directory.users.passwords import Passwords
from crm_customer.directory.users.resource import USERS
from crm_customer.directory.users.tables import user_passwords

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pair:
    """What a sign-in gives: a signed token for `expires_in` seconds, and the means to get the next."""

    access_token: str
    expires_in: int
    refresh_token: str
    refresh_expires_in: int


@dataclass(frozen=True, slots=True)
class Issuer:
    """The built-in issuer: who it is to those who trust it, its keys, and how long its tokens hold."""

    database: Database
    keys: SigningKeys
    passwords: Passwords
    name: str
    audience: str
    access_token_seconds: int
    refresh_token_time: timedelta
    # Makes refresh tokens follow from one another.
    successor_key: bytes
    now: Now = system_now

    async def sign_in(self, slug: str, login: str, password: str, *, now: datetime) -> Pair:
        """A first pair. Unauthenticated without saying what was wrong; ResourceExhausted after many failures."""
        slug, login = slug.lower(), login_of(login)
        # Whoever does not exist costs the same statements and the same hash as who does.
        tenant_id = await find_tenant_id(self.database, slug) or SYSTEM_TENANT
        origin = origin_of(slug, login, telemetry.current.get().client_address)
        reader = ReadSession(self.database, service_actor(tenant_id), scope=Scope.ALL, now=now)
        signing = await self.keys.current()
        async with self.passwords.turn(tenant_id):
            known = await is_known(reader, origin)
            await check_may_try(reader, origin, known=known)
            credential = await find_credential(reader, login)
            verdict = await self.passwords.verify(credential.hash if credential else None, password)
            async with self.unit(tenant_id, now) as work:
                if credential is None or not verdict.right:
                    note_failure(work, origin, known=known)
                    token = None
                else:
                    token = new_refresh_token(tenant_id, new_id())
                    note_success(work, origin)
                    self.begin_family(work, token, credential.user_id, credential.version)
                    if verdict.new_hash:
                        work.execute(
                            replace_hash(),
                            user_id=credential.user_id,
                            seen=credential.hash,
                            new_hash=verdict.new_hash,
                        )
        if credential is None or token is None:
            raise wrong_credentials()
        return self.pair(token, credential.user_id, signing, now)

    async def refresh(self, token: RefreshToken, *, now: datetime) -> Pair:
        """The next pair; the same one again for a moment. Later the old token ends its family: it was stolen.

        A token that was given a moment ago stays as it is, so however often the tabs of a browser ask, the one before
        it still leads to it.
        """
        successor = token.successor(self.successor_key)
        family = await self._living_family(token, now)
        # What can fail comes before the old token ends.
        signing = await self.keys.current()
        if family.was_just_given(token, now):
            return self.pair(token, family.user_id, signing, now)
        if family.digest == token.digest:
            if await self._replaced(token, successor, now):
                return self.pair(successor, family.user_id, signing, now)
            # Another request with this token was faster.
            family = await self._living_family(token, now)
        if family.was_just_given(successor, now):
            return self.pair(successor, family.user_id, signing, now)
        log.warning("refresh_token.reused", tenant_id=str(token.tenant_id), user_id=str(family.user_id))
        await self.revoke(token, now=now)
        raise wrong_credentials()

    async def _living_family(self, token: RefreshToken, now: datetime) -> Family:
        reader = ReadSession(self.database, service_actor(token.tenant_id), scope=Scope.ALL, now=now)
        family = await find_family(reader, token.family_id)
        if family is None or not family.holds or family.expire_time <= now:
            raise wrong_credentials()
        return family

    async def _replaced(self, token: RefreshToken, successor: RefreshToken, now: datetime) -> bool:
        """Put the successor in the token's place; False when another has done so."""
        try:
            async with self.unit(token.tenant_id, now) as work:
                work.execute(
                    replace_token(),
                    unmet=lambda: Conflict("the refresh token is being used at this moment"),
                    family_id=token.family_id,
                    seen_digest=token.digest,
                    new_digest=successor.digest,
                    expire_time=now + self.refresh_token_time,
                    replace_time=now,
                )
        except Conflict:
            return False
        return True

    async def change_password(self, work: UnitOfWork, current: str, new: str) -> None:
        """Give the caller a new password. InvalidArgument when the current one is wrong, which counts as a failure."""
        now, tenant_id, user_id = self.now(), work.tenant_id, work.actor.user_id
        reader = ReadSession(self.database, service_actor(tenant_id), scope=Scope.ALL, now=now)
        credential = await find_own_credential(reader, user_id)
        if credential is None:
            raise illegal_state("no_password", "you have no password here: you sign in by another provider")
        origin = origin_of(credential.slug, credential.login, telemetry.current.get().client_address)
        async with self.passwords.turn(tenant_id):
            # Signed in already: no stranger, wherever they are.
            await check_may_try(reader, origin, known=True)
            verdict = await self.passwords.verify(credential.hash, current)
            if not verdict.right:
                async with self.unit(tenant_id, now) as counting:
                    note_failure(counting, origin, known=True)
                raise invalid_field("current_password", "credentials", "is wrong", reason="INVALID_CREDENTIALS")
        # Before the unit takes a connection: whoever waits for a hash must not hold one.
        hashed = await self.passwords.hash(new, tenant_id)
        work.delete(sign_in_failures, login_key=origin.here)
        await set_password(work, await USERS.get(work, user_id, scope=Scope.ALL), hashed)

    async def revoke(self, token: RefreshToken, *, now: datetime) -> None:
        """End the token's family, if it is still there, and tell whoever has the session open."""
        async with self.unit(token.tenant_id, now) as work:
            family = await find_family(work, token.family_id)
            if family is None:
                return
            work.delete(refresh_tokens, family_id=token.family_id)
            ended = events.SessionEnded(session_id=str(token.session_id), user_id=str(family.user_id))
            emit(work, ended, aggregate_type="session", id=token.session_id, version=1)

    def begin_family(
        self, work: UnitOfWork, token: RefreshToken, user_id: UUID, version: int, *, provider_id: UUID | None = None
    ) -> None:
        """Gather a sign-in that refresh tokens continue, by the user's password or at an identity provider.

        `version` is that of the user's password, 0 for who has none.
        """
        work.execute(delete_ended(), user_id=user_id, now=work.now, version=version)
        work.insert(
            refresh_tokens,
            {
                "family_id": token.family_id,
                "user_id": user_id,
                "digest": token.digest,
                "password_version": version,
                "create_time": work.now,
                "expire_time": work.now + self.refresh_token_time,
                "provider_id": provider_id,
            },
        )

    def pair(self, token: RefreshToken, user_id: UUID, key: SigningKey, now: datetime) -> Pair:
        """The refresh token with a new access token."""
        issued = int(now.timestamp())
        claims = {
            "iss": self.name,
            "aud": self.audience,
            "sub": str(user_id),
            "tenant": str(token.tenant_id),
            "iat": issued,
            "exp": issued + self.access_token_seconds,
            "jti": str(uuid4()),
            "sid": str(token.session_id),
        }
        signed = jwt.encode(claims, key.private_key, algorithm="EdDSA", headers={"kid": key.key_id})
        return Pair(signed, self.access_token_seconds, token.text, int(self.refresh_token_time.total_seconds()))

    def unit(self, tenant_id: UUID, now: datetime) -> AbstractAsyncContextManager[UnitOfWork]:
        """A unit of work in the tenant of somebody who is not yet known."""
        return unit_of_work(self.database, service_actor(tenant_id), scope=Scope.ALL, now=now)


def wrong_credentials() -> Unauthenticated:
    """One answer for all: it does not say which part was wrong."""
    return Unauthenticated("these credentials do not hold", reason="INVALID_CREDENTIALS")


@statement
def delete_ended() -> Any:
    """Of one user, what has expired, or was signed in with another version of the password."""
    tokens = refresh_tokens.c
    return delete(refresh_tokens).where(
        tokens.tenant_id == bindparam("tenant_id"),
        tokens.user_id == bindparam("user_id"),
        or_(tokens.expire_time < bindparam("now"), tokens.password_version != bindparam("version")),
    )


@statement
def replace_token() -> Any:
    return (
        update(refresh_tokens)
        .where(
            refresh_tokens.c.tenant_id == bindparam("tenant_id"),
            refresh_tokens.c.family_id == bindparam("family_id"),
            refresh_tokens.c.digest == bindparam("seen_digest"),
        )
        .values(
            digest=bindparam("new_digest"), expire_time=bindparam("expire_time"), replace_time=bindparam("replace_time")
        )
        .returning(refresh_tokens.c.family_id)
    )


@statement
def replace_hash() -> Any:
    """The same password by the present parameters, unless it has been changed since."""
    return (
        update(user_passwords)
        .where(
            user_passwords.c.tenant_id == bindparam("tenant_id"),
            user_passwords.c.user_id == bindparam("user_id"),
            user_passwords.c.hash == bindparam("seen"),
        )
        .values(hash=bindparam("new_hash"))
    )

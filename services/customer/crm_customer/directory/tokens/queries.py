"""Every SELECT of the built-in issuer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, bindparam, func, or_, select

from crm_customer.directory.identity_providers.tables import identity_providers
from crm_customer.directory.tenants.tables import tenants
from crm_customer.directory.tokens.model import REUSE_WINDOW, RefreshToken
from crm_customer.directory.tokens.tables import refresh_tokens, signing_keys
from crm_customer.directory.users.tables import user_passwords, users


@dataclass(frozen=True, slots=True)
class Credential:
    """What an active user of an active tenant signs in with."""

    user_id: UUID
    hash: str
    version: int


@dataclass(frozen=True, slots=True)
class OwnCredential:
    """What a user signs in with, and under which names."""

    slug: str
    login: str
    hash: str


@dataclass(frozen=True, slots=True)
class Family:
    """A sign-in that goes on: its newest token and whose it is.

    `holds` unless user, tenant, password or identity provider ended it.
    """

    user_id: UUID
    digest: bytes
    expire_time: datetime
    replace_time: datetime | None
    holds: bool

    def was_just_given(self, token: RefreshToken, now: datetime) -> bool:
        """Whether the token is the newest and took the place of the one before a moment ago."""
        recent = self.replace_time is not None and now - self.replace_time <= REUSE_WINDOW
        return recent and self.digest == token.digest


@statement
def credential_by_login() -> Select[Any]:
    return (
        select(users.c.id, user_passwords.c.hash, user_passwords.c.version)
        .join(
            user_passwords,
            (user_passwords.c.tenant_id == users.c.tenant_id) & (user_passwords.c.user_id == users.c.id),
        )
        .join(tenants, tenants.c.tenant_id == users.c.tenant_id)
        .where(
            users.c.tenant_id == bindparam("tenant_id"),
            users.c.login == bindparam("login"),
            user_passwords.c.hash.is_not(None),
            users.c.active,
            tenants.c.active,
        )
    )


@statement
def credential_by_user() -> Select[Any]:
    return (
        select(tenants.c.slug, users.c.login, user_passwords.c.hash)
        .join(users, users.c.tenant_id == tenants.c.tenant_id)
        .join(
            user_passwords,
            (user_passwords.c.tenant_id == users.c.tenant_id) & (user_passwords.c.user_id == users.c.id),
        )
        .where(
            users.c.tenant_id == bindparam("tenant_id"),
            users.c.id == bindparam("user_id"),
            user_passwords.c.hash.is_not(None),
        )
    )


@statement
def family_by_id() -> Select[Any]:
    same_password = refresh_tokens.c.password_version == func.coalesce(user_passwords.c.version, 0)
    provider_serves = or_(refresh_tokens.c.provider_id.is_(None), identity_providers.c.active)
    return (
        select(
            refresh_tokens.c.user_id,
            refresh_tokens.c.digest,
            refresh_tokens.c.expire_time,
            refresh_tokens.c.replace_time,
            (users.c.active & tenants.c.active & same_password & provider_serves).label("holds"),
        )
        .join(users, (users.c.tenant_id == refresh_tokens.c.tenant_id) & (users.c.id == refresh_tokens.c.user_id))
        .outerjoin(
            user_passwords,
            (user_passwords.c.tenant_id == users.c.tenant_id) & (user_passwords.c.user_id == users.c.id),
        )
        .outerjoin(
            identity_providers,
            (identity_providers.c.tenant_id == refresh_tokens.c.tenant_id)
            & (identity_providers.c.id == refresh_tokens.c.provider_id),
        )
        .join(tenants, tenants.c.tenant_id == refresh_tokens.c.tenant_id)
        .where(
            refresh_tokens.c.tenant_id == bindparam("tenant_id"),
            refresh_tokens.c.family_id == bindparam("family_id"),
        )
    )


@statement
def living_keys() -> Select[Any]:
    return (
        select(signing_keys)
        .where(
            signing_keys.c.tenant_id == bindparam("tenant_id"),
            or_(signing_keys.c.expire_time.is_(None), signing_keys.c.expire_time > bindparam("now")),
        )
        .order_by(signing_keys.c.number.desc())
    )


async def find_credential(reader: Reader, login: str) -> Credential | None:
    """What the user of this login signs in with; None when nobody may."""
    row = await reader.one(credential_by_login(), login=login)
    return Credential(row["id"], row["hash"], row["version"]) if row else None


async def find_own_credential(reader: Reader, user_id: UUID) -> OwnCredential | None:
    """What a user signs in with; None when they have no password here."""
    row = await reader.one(credential_by_user(), user_id=user_id)
    return OwnCredential(**dict(row)) if row else None


async def find_family(reader: Reader, family_id: UUID) -> Family | None:
    """The sign-in that a refresh token continues."""
    row = await reader.one(family_by_id(), family_id=family_id)
    return Family(**dict(row)) if row else None


async def get_living_keys(reader: Reader) -> list[Record]:
    """The keys that are shown now, the newest first; the reader is the platform's own."""
    return await reader.all(living_keys(), now=reader.now)

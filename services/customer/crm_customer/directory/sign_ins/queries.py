"""Every SELECT of signing in with an identity provider."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from sqlalchemy import Select, and_, bindparam, func, select

from crm_customer.directory.users.tables import user_identities, user_passwords, users


@dataclass(frozen=True, slots=True)
class Person:
    """A user as they sign in here: `version` is that of their password, `subject` who they are at the provider."""

    user_id: UUID
    active: bool
    version: int
    subject: str | None


def person(*condition: Any) -> Select[Any]:
    """One user with their identity at the provider `provider_id`."""
    identity, password = user_identities, user_passwords
    return (
        select(
            users.c.id.label("user_id"),
            users.c.active,
            func.coalesce(password.c.version, 0).label("version"),
            identity.c.subject,
        )
        .outerjoin(password, and_(password.c.tenant_id == users.c.tenant_id, password.c.user_id == users.c.id))
        .outerjoin(
            identity,
            and_(
                identity.c.tenant_id == users.c.tenant_id,
                identity.c.user_id == users.c.id,
                identity.c.provider_id == bindparam("provider_id"),
            ),
        )
        .where(users.c.tenant_id == bindparam("tenant_id"), *condition)
    )


@statement
def person_by_subject() -> Select[Any]:
    return person(user_identities.c.subject == bindparam("subject"))


@statement
def person_by_login() -> Select[Any]:
    return person(users.c.login == bindparam("login"))


async def find_by_subject(reader: Reader, provider_id: UUID, subject: str) -> Person | None:
    """The user who is linked to the subject of the provider."""
    row = await reader.one(person_by_subject(), provider_id=provider_id, subject=subject)
    return Person(**dict(row)) if row else None


async def find_by_login(reader: Reader, provider_id: UUID, login: str) -> Person | None:
    """The user of a login, with the subject that they are linked to if they are."""
    row = await reader.one(person_by_login(), provider_id=provider_id, login=login)
    return Person(**dict(row)) if row else None

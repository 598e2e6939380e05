"""Opening a tenant: all that it takes to work in it, at once or not at all."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from crm_kit.clock import system_now
from crm_kit.database.connections import Database
from crm_kit.database.work import ReadSession, UnitOfWork, unit_of_work
from crm_kit.errors import AlreadyExists
from crm_kit.identity.access import Scope, service_actor

from crm_customer.directory.roles.built_in import ADMINISTRATOR
from crm_customer.directory.roles.commands import create_built_in_roles
from crm_customer.directory.tenants.commands import create_tenant, reserve_slug
from crm_customer.directory.tenants.queries import find_tenant
from crm_customer.directory.users.commands import add_user, new_user
from crm_customer.directory.users.passwords import Passwords


@dataclass(frozen=True, slots=True)
class Opening:
    """A tenant to open, with its first administrator."""

    slug: str
    display_name: str
    admin_login: str
    admin_name: str
    admin_password: str
    sandbox: bool = False


def nothing(_work: UnitOfWork) -> None:
    """Of a tenant that begins with no records."""


async def open_tenant(
    database: Database, passwords: Passwords, opening: Opening, *, begin: Callable[[UnitOfWork], None] = nothing
) -> tuple[UUID, bool]:
    """The tenant's id, and whether it was made now. What an earlier attempt left half done is finished.

    `begin` gathers what else a new tenant has.
    """
    id = await reserve_slug(database, opening.slug)
    if await find_tenant(ReadSession(database, service_actor(id), scope=Scope.ALL, now=system_now())) is not None:
        return id, False
    hashed = await passwords.hash(opening.admin_password, id)
    try:
        await fill(database, id, opening, hashed, begin)
    except AlreadyExists:
        # Somebody else opened it in the meantime.
        return id, False
    return id, True


async def fill(
    database: Database, id: UUID, opening: Opening, hashed: str, begin: Callable[[UnitOfWork], None]
) -> None:
    """The tenant, its roles and its administrator in one transaction."""
    async with unit_of_work(database, service_actor(id), scope=Scope.ALL, now=system_now()) as work:
        create_tenant(work, slug=opening.slug, display_name=opening.display_name, sandbox=opening.sandbox)
        roles = create_built_in_roles(work)
        admin = {"display_name": opening.admin_name, "login": opening.admin_login}
        admin_roles = (roles[ADMINISTRATOR].id,)
        add_user(work, new_user(work, admin | {"role_ids": admin_roles}), password_hash=hashed)
        begin(work)

"""What an operator does by command, beside what every service can.

python -m crm_customer create-tenant SLUG NAME ADMIN_LOGIN [--sandbox] | seed-demo | rotate-keys
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence

from crm_kit import logging
from crm_kit.errors import AlreadyExists, CrmError, InvalidArgument
from crm_kit.service import Service

from crm_customer.app import signing_keys
from crm_customer.demo.people import ADMIN_LOGIN, ADMIN_NAME, DISPLAY_NAME, SLUG
from crm_customer.demo.seeding import seed_demo
from crm_customer.directory.opening import Opening, open_tenant
from crm_customer.directory.users.passwords import Passwords
from crm_customer.records.quality_rules.commands import create_default_rules
from crm_customer.settings import CustomerSettings

MIN_PASSWORD_LENGTH = 12
Command = Callable[[Service, CustomerSettings], Awaitable[str]]


def command_of(arguments: Sequence[str]) -> Command | None:
    """The command that the arguments name; None when it is none of these."""
    match arguments:
        case ["seed-demo"]:
            return seed
        case ["rotate-keys"]:
            return rotate
        case ["create-tenant", slug, name, login]:
            return lambda service, settings: create(service, settings, slug, name, login, sandbox=False)
        case ["create-tenant", slug, name, login, "--sandbox"]:
            return lambda service, settings: create(service, settings, slug, name, login, sandbox=True)
    return None


def run(command: Command, service: Service, settings: CustomerSettings) -> None:
    """Run it and print the one line it answers; exit code 1 with one line when it could not be done."""

    async def whole() -> str:
        await service.database.open()
        try:
            return await command(service, settings)
        finally:
            await service.database.close()

    # What it answers is one line; only what goes wrong is worth more.
    logging.set_up(service.name, level="warning", style=settings.log_format)
    try:
        sys.stdout.write(asyncio.run(whole()) + "\n")
    except CrmError as error:
        sys.stderr.write(f"{error.detail}\n")
        raise SystemExit(1) from None


async def seed(service: Service, settings: CustomerSettings) -> str:
    """The demo tenant with its people."""
    password = settings.demo_password
    check_given(password, "CRM_DEMO_PASSWORD")
    made = await seed_demo(service, Passwords(), password)
    if not (made.tenant or made.is_more):
        return f"tenant {SLUG} ({DISPLAY_NAME}): all there"
    told = (
        f"{made.teams} teams, {made.users + made.tenant} users, {made.custom_fields} custom fields, "
        f"{made.views} views, {made.automation_rules} rules, {made.dashboards} dashboards, {made.feeds} feeds, "
        f"{made.segments} segments"
    )
    return f"tenant {SLUG} ({DISPLAY_NAME}): made {told}; sign in as {ADMIN_LOGIN}"


async def create(
    service: Service, settings: CustomerSettings, slug: str, name: str, login: str, *, sandbox: bool
) -> str:
    """A new tenant with its first administrator."""
    password = settings.admin_password
    check_given(password, "CRM_ADMIN_PASSWORD")
    opening = Opening(slug, name, login, ADMIN_NAME, password, sandbox)
    id, is_new = await open_tenant(service.database, Passwords(), opening, begin=create_default_rules)
    if not is_new:
        raise AlreadyExists(f"tenant {slug} exists already")
    return f"tenant {slug} ({name}): made with id {id}; sign in as {login}"


async def rotate(service: Service, settings: CustomerSettings) -> str:
    """A new signing key."""
    key_id = await signing_keys(service, settings).rotate()
    return f"key {key_id} signs in a few seconds; the others end with their last tokens"


def check_given(password: str, variable: str) -> None:
    """Raise when the environment gives no password, or one that is too short to be one."""
    if len(password) < MIN_PASSWORD_LENGTH:
        raise InvalidArgument(f"{variable} must hold a password of at least {MIN_PASSWORD_LENGTH} characters")

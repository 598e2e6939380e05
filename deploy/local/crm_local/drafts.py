"""A new migration drafted from the difference between tables and the migrations there are so far."""

import re
from importlib import import_module
from pathlib import Path

from crm_kit import plumbing
from crm_kit.migrating import PLUMBING, draft, migrate
from sqlalchemy import MetaData

from crm_local.failure import LocalFailure
from crm_local.settings import SERVICES
from crm_local.testing import servers_for_tests

KIT = "kit"
EXAMPLE = 'for example `make migration SERVICE=customer MESSAGE="add fax number"`'
# Its words become the file's name, and the text in three quotes that the file begins with.
MESSAGE = re.compile(r'[^"\\\n]*[A-Za-z0-9][^"\\\n]*')
DRAFTED = (*SERVICES, KIT)
"""What has migrations: each service, and the kit for the tables that every service has."""


async def draft_migration(of: str, message: str) -> Path | None:
    """Run the migrations there are on a throwaway database, compare, and write the next one; None: nothing differs.

    Raises LocalFailure for a message that cannot name it.
    """
    if of not in DRAFTED:
        raise LocalFailure(f"SERVICE={of}: it has to be one of {', '.join(DRAFTED)}; {EXAMPLE}")
    if not MESSAGE.fullmatch(message):
        raise LocalFailure(f"MESSAGE={message}: it has to say in a few English words what changes; {EXAMPLE}")
    folder, metadata = _migrations_of(of)
    async with servers_for_tests() as servers:
        url = servers.migration_url(SERVICES[0] if of == KIT else of)
        migrate(url, folder)
        return draft(url, folder, metadata, message)


def _migrations_of(of: str) -> tuple[Path, MetaData]:
    """The folder of migrations, and the tables that they lead to."""
    if of == KIT:
        return PLUMBING.folder, plumbing.metadata
    package = import_module(f"crm_{of}")
    return Path(str(package.__path__[0])) / "migrations", import_module(f"crm_{of}.tables").metadata

"""A new migration drafted from the difference between a service's tables and its migrations so far."""

from importlib import import_module
from pathlib import Path

from crm_kit.migrations import draft, migrate

from crm_local.testing import servers_for_tests


async def draft_migration(service: str, message: str) -> Path:
    """Run the migrations there are on a throwaway database, compare, and write the next one."""
    package = import_module(f"crm_{service}")
    folder = Path(str(package.__path__[0])) / "migrations"
    metadata = import_module(f"crm_{service}.tables").metadata
    async with servers_for_tests() as servers:
        url = servers.migration_url(service)
        migrate(url, folder)
        return draft(url, folder, metadata, message)

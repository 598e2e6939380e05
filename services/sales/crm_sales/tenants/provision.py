"""What every tenant starts with: a pipeline and a public pool. Made once, when the tenant is first met."""

from uuid import UUID

from crm_kit.database.connections import Database
from crm_kit.database.work import Reader, UnitOfWork, unit_of_work
from crm_kit.identity.access import Scope, service_actor

from crm_sales.pipelines.commands import provide_pipeline
from crm_sales.pools.commands import provide_pool


class Provision:
    """Makes what is missing, and remembers for whom it has."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._done: set[UUID] = set()

    async def ensure(self, reader: Reader) -> None:
        """Have pipeline and pool there for the reader's tenant. Called before anything else in a unit."""
        if reader.tenant_id in self._done:
            return
        if isinstance(reader, UnitOfWork):
            # One connection at a time: a pool full of units that each want a second one would wait for itself.
            await reader.release()
        actor = service_actor(reader.tenant_id)
        async with unit_of_work(self._database, actor, scope=Scope.ALL, now=reader.now) as work:
            provide_pipeline(work)
            provide_pool(work)
        self._done.add(reader.tenant_id)

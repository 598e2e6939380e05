"""What every tenant begins with: a calendar and a service level, made when first needed."""

from uuid import UUID

from crm_kit.database.connections import Database
from crm_kit.database.work import ReadSession, UnitOfWork, unit_of_work
from crm_kit.identity.access import Scope, service_actor

from crm_service_desk.calendars.commands import put_default_calendar
from crm_service_desk.service_levels.commands import put_default_service_level


class Defaults:
    """Makes them once; asking again costs nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._made: set[UUID] = set()

    async def ensure(self, reader: ReadSession | UnitOfWork) -> None:
        """Both are there when this returns. Call it before anything is gathered."""
        if reader.tenant_id in self._made:
            return
        if isinstance(reader, UnitOfWork):
            await reader.release()
        actor = service_actor(reader.tenant_id)
        async with unit_of_work(self._database, actor, scope=Scope.ALL, now=reader.now) as work:
            put_default_calendar(work)
            put_default_service_level(work)
        self._made.add(reader.tenant_id)

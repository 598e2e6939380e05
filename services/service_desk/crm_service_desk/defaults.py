"""What every tenant begins with."""

from crm_kit.database.work import UnitOfWork

from crm_service_desk.calendars.commands import make_default_calendar
from crm_service_desk.service_levels.commands import make_default_service_level


async def make_defaults(work: UnitOfWork) -> None:
    """Gather the calendar and the service level that a tenant begins with; what it has already stays as it is.

    Called in the unit of work that makes the tenant known here: nobody can sign in to a tenant that has none.
    """
    await make_default_calendar(work)
    await make_default_service_level(work)

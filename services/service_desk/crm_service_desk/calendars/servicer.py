"""CalendarService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import calendars_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_service_desk.calendars import commands
from crm_service_desk.calendars.queries import get_version
from crm_service_desk.calendars.resource import CALENDARS


class CalendarServicer:
    contract = pb.DESCRIPTOR.services_by_name["CalendarService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateCalendar(self, request: pb.CreateCalendarRequest, work: UnitOfWork) -> pb.Calendar:
        values = CALENDARS.values_of(request.calendar)
        return CALENDARS.message(work, commands.create_calendar(work, values))

    async def GetCalendar(self, request: pb.GetCalendarRequest, reader: Reader) -> pb.Calendar:
        if not request.version:
            return await CALENDARS.read(reader, request.id)
        return CALENDARS.message(reader, await get_version(reader, UUID(request.id), request.version))

    async def ListCalendars(self, request: pb.ListCalendarsRequest, reader: Reader) -> pb.ListCalendarsResponse:
        return await CALENDARS.list(reader, request, pb.ListCalendarsResponse, self._tokens)

    async def UpdateCalendar(self, request: pb.UpdateCalendarRequest, work: UnitOfWork) -> pb.Calendar:
        before, values = await CALENDARS.to_update(work, request)
        return CALENDARS.message(work, commands.update_calendar(work, before, values))

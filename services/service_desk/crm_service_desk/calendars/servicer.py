"""CalendarService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import calendars_pb2 as pb
from crm_kit.database.work import Reader, ReadSession, UnitOfWork
from crm_kit.paging import PageTokens

from crm_service_desk.calendars import commands, queries
from crm_service_desk.calendars.wire import calendar_from, calendar_to_pb, changes_from
from crm_service_desk.defaults import Defaults


class CalendarServicer:
    contract = pb.DESCRIPTOR.services_by_name["CalendarService"]

    def __init__(self, tokens: PageTokens, defaults: Defaults) -> None:
        self._tokens = tokens
        self._defaults = defaults

    async def CreateCalendar(self, request: pb.CreateCalendarRequest, work: UnitOfWork) -> pb.Calendar:
        calendar = calendar_from(request.calendar)
        name = request.calendar.display_name
        return calendar_to_pb(await commands.create_calendar(work, display_name=name, calendar=calendar))

    async def GetCalendar(self, request: pb.GetCalendarRequest, reader: Reader) -> pb.Calendar:
        return calendar_to_pb(await queries.get_calendar(reader, UUID(request.id), request.version))

    async def ListCalendars(self, request: pb.ListCalendarsRequest, reader: ReadSession) -> pb.ListCalendarsResponse:
        await self._defaults.ensure(reader)
        page = await queries.LISTING.page(reader, request, self._tokens)
        calendars = [calendar_to_pb(queries.calendar_from(row)) for row in page.rows]
        return pb.ListCalendarsResponse(
            calendars=calendars, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateCalendar(self, request: pb.UpdateCalendarRequest, work: UnitOfWork) -> pb.Calendar:
        id, etag = UUID(request.calendar.id), request.calendar.etag
        now = await queries.get_calendar(work, id)
        values = changes_from(request.calendar, request.update_mask, now.calendar)
        return calendar_to_pb(await commands.update_calendar(work, id, values, etag=etag))

"""CalendarService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import calendars_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_service_desk.calendars import commands, queries
from crm_service_desk.calendars.wire import FIELDS, calendar_to_pb


class CalendarServicer:
    contract = pb.DESCRIPTOR.services_by_name["CalendarService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateCalendar(self, request: pb.CreateCalendarRequest, work: UnitOfWork) -> pb.Calendar:
        return calendar_to_pb(commands.create_calendar(work, FIELDS.all_of(request.calendar)))

    async def GetCalendar(self, request: pb.GetCalendarRequest, reader: Reader) -> pb.Calendar:
        return calendar_to_pb(await queries.get_calendar(reader, UUID(request.id), request.version))

    async def ListCalendars(self, request: pb.ListCalendarsRequest, reader: Reader) -> pb.ListCalendarsResponse:
        page = await queries.LISTING.page(reader, request, self._tokens)
        calendars = [calendar_to_pb(queries.calendar_from(row)) for row in page.rows]
        return pb.ListCalendarsResponse(
            calendars=calendars, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateCalendar(self, request: pb.UpdateCalendarRequest, work: UnitOfWork) -> pb.Calendar:
        values = FIELDS.masked(request.calendar, request.update_mask)
        id, etag = UUID(request.calendar.id), request.calendar.etag
        return calendar_to_pb(await commands.update_calendar(work, id, values, etag=etag))

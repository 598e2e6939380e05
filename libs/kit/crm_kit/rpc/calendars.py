"""The tenant's calendar, asked of the service desk."""

from uuid import UUID

from crm.service_desk.v1 import calendars_pb2 as pb

from crm_kit.rpc.clients import ServiceClient
from crm_kit.working_time.calendars import Ask

GET_CALENDAR = "/crm.service_desk.v1.CalendarService/GetCalendar"


def asked_of_desk(desk: ServiceClient) -> Ask:
    """Reads calendars as the user whose request this is."""

    async def ask(id: UUID) -> pb.Calendar:
        return await desk.call(GET_CALENDAR, pb.GetCalendarRequest(id=str(id)), pb.Calendar)

    return ask

"""ServiceLevelService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.calendars.wire import business_hours_from
from crm_service_desk.service_levels import commands, queries
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.wire import (
    FIELDS,
    explanation_to_pb,
    facts_from,
    preview_policy_from,
    preview_time,
    service_level_to_pb,
)


class ServiceLevelServicer:
    contract = pb.DESCRIPTOR.services_by_name["ServiceLevelService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateServiceLevel(self, request: pb.CreateServiceLevelRequest, work: UnitOfWork) -> pb.ServiceLevel:
        return service_level_to_pb(commands.create_service_level(work, FIELDS.all_of(request.service_level)))

    async def GetServiceLevel(self, request: pb.GetServiceLevelRequest, reader: Reader) -> pb.ServiceLevel:
        return service_level_to_pb(await queries.get_service_level(reader, UUID(request.id)))

    async def ListServiceLevels(
        self, request: pb.ListServiceLevelsRequest, reader: Reader
    ) -> pb.ListServiceLevelsResponse:
        page = await queries.LISTING.page(reader, request, self._tokens)
        levels = [service_level_to_pb(queries.service_level_from(row)) for row in page.rows]
        return pb.ListServiceLevelsResponse(
            service_levels=levels, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateServiceLevel(self, request: pb.UpdateServiceLevelRequest, work: UnitOfWork) -> pb.ServiceLevel:
        asked = request.service_level
        values = FIELDS.masked(asked, request.update_mask)
        level = await commands.update_service_level(work, UUID(asked.id), values, etag=asked.etag)
        return service_level_to_pb(level)

    async def PreviewServiceLevel(
        self, request: pb.PreviewServiceLevelRequest, reader: Reader
    ) -> pb.PreviewServiceLevelResponse:
        calendar = await get_calendar(reader, UUID(request.calendar_id)) if request.calendar_id else None
        hours = calendar.business_hours if calendar else business_hours_from(request.calendar)
        now = preview_time(request, reader.now)
        counted = evaluate(hours, preview_policy_from(request), facts_from(request), now)
        if not counted:
            return pb.PreviewServiceLevelResponse()
        explanation = explanation_to_pb(counted[0], counted[0].kept(calendar))
        return pb.PreviewServiceLevelResponse(explanation=explanation)

"""ServiceLevelService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.database.work import Reader, ReadSession, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.wire import time_from

from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.calendars.wire import calendar_from
from crm_service_desk.defaults import Defaults
from crm_service_desk.service_levels import commands, queries
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.model import CaseEvent, CaseEventKind
from crm_service_desk.service_levels.wire import (
    CHANGEABLE,
    FIELDS,
    explanation_to_pb,
    facts_from,
    milestone_to_pb,
    preview_time,
    previewed_policy,
    service_level_to_pb,
)


class ServiceLevelServicer:
    contract = pb.DESCRIPTOR.services_by_name["ServiceLevelService"]

    def __init__(self, tokens: PageTokens, defaults: Defaults) -> None:
        self._tokens = tokens
        self._defaults = defaults

    async def CreateServiceLevel(self, request: pb.CreateServiceLevelRequest, work: UnitOfWork) -> pb.ServiceLevel:
        asked = request.service_level
        values = FIELDS.all_of(asked)
        level = await commands.create_service_level(work, display_name=asked.display_name, values=values)
        return service_level_to_pb(level)

    async def GetServiceLevel(self, request: pb.GetServiceLevelRequest, reader: Reader) -> pb.ServiceLevel:
        return service_level_to_pb(await queries.get_service_level(reader, UUID(request.id)))

    async def ListServiceLevels(
        self, request: pb.ListServiceLevelsRequest, reader: ReadSession
    ) -> pb.ListServiceLevelsResponse:
        await self._defaults.ensure(reader)
        page = await queries.LISTING.page(reader, request, self._tokens)
        levels = [service_level_to_pb(queries.service_level_from(row)) for row in page.rows]
        return pb.ListServiceLevelsResponse(
            service_levels=levels, next_page_token=page.next_token, prev_page_token=page.prev_token
        )

    async def UpdateServiceLevel(self, request: pb.UpdateServiceLevelRequest, work: UnitOfWork) -> pb.ServiceLevel:
        asked = request.service_level
        values = CHANGEABLE.masked(asked, request.update_mask)
        level = await commands.update_service_level(work, UUID(asked.id), values, etag=asked.etag)
        return service_level_to_pb(level)

    async def PreviewServiceLevel(
        self, request: pb.PreviewServiceLevelRequest, reader: Reader
    ) -> pb.PreviewServiceLevelResponse:
        if request.calendar_id:
            stored = await get_calendar(reader, UUID(request.calendar_id))
            calendar, version = stored.calendar, stored.version
        else:
            calendar, version = calendar_from(request.calendar), 0
        kind, policy = previewed_policy(request)
        created = CaseEvent(time_from(request.start_time), CaseEventKind.CREATED)
        log = [created, *facts_from(request.facts)]
        for milestone in evaluate(calendar, policy, log, preview_time(request, reader.now)):
            if milestone.kind is kind:
                shown = milestone_to_pb(milestone)
                explanation = explanation_to_pb(
                    milestone, shown, calendar_id=request.calendar_id, calendar_version=version
                )
                return pb.PreviewServiceLevelResponse(explanation=explanation)
        return pb.PreviewServiceLevelResponse()

"""ServiceLevelService: from message to command or query and back, nothing else."""

from uuid import UUID

from crm.service_desk.v1 import service_levels_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens
from crm_kit.resource.codecs import build

from crm_service_desk.calendars.resource import CALENDARS
from crm_service_desk.service_levels import commands
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.resource import SERVICE_LEVELS
from crm_service_desk.service_levels.wire import facts_from, hours_from, instant_from, policy_from


class ServiceLevelServicer:
    contract = pb.DESCRIPTOR.services_by_name["ServiceLevelService"]

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    async def CreateServiceLevel(self, request: pb.CreateServiceLevelRequest, work: UnitOfWork) -> pb.ServiceLevel:
        values = SERVICE_LEVELS.values_of(request.service_level)
        return SERVICE_LEVELS.message(work, commands.create_service_level(work, values))

    async def GetServiceLevel(self, request: pb.GetServiceLevelRequest, reader: Reader) -> pb.ServiceLevel:
        return await SERVICE_LEVELS.read(reader, request.id)

    async def ListServiceLevels(
        self, request: pb.ListServiceLevelsRequest, reader: Reader
    ) -> pb.ListServiceLevelsResponse:
        return await SERVICE_LEVELS.list(reader, request, pb.ListServiceLevelsResponse, self._tokens)

    async def UpdateServiceLevel(self, request: pb.UpdateServiceLevelRequest, work: UnitOfWork) -> pb.ServiceLevel:
        before, values = await SERVICE_LEVELS.to_update(work, request)
        return SERVICE_LEVELS.message(work, commands.update_service_level(work, before, values))

    async def PreviewServiceLevel(
        self, request: pb.PreviewServiceLevelRequest, reader: Reader
    ) -> pb.PreviewServiceLevelResponse:
        calendar = await CALENDARS.get(reader, UUID(request.calendar_id)) if request.calendar_id else None
        hours = calendar.business_hours if calendar else hours_from(request)
        counted = evaluate(hours, policy_from(request), facts_from(request), instant_from(request, reader.now))
        if not counted:
            return pb.PreviewServiceLevelResponse()
        explanation = counted[0].explaining(counted[0].kept(calendar))
        return build(pb.PreviewServiceLevelResponse, explanation=explanation)

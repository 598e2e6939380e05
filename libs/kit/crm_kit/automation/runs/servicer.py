"""AutomationRunService: from message to query and back, for the collections of one service."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from crm.resource.v1 import automation_runs_pb2 as pb

from crm_kit.automation.runs.resource import OF_COLLECTION, RUNS
from crm_kit.automation.watched import Watched, require_watched
from crm_kit.database.work import Reader
from crm_kit.errors import NotFound
from crm_kit.identity.access import Scope
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens

# A run says of records what their readers alone would see, so it is for those who answer for rules.
READ = "automation_rules.write"


class AutomationRunServicer:
    contract = pb.DESCRIPTOR.services_by_name["AutomationRunService"]

    def __init__(self, watched: Mapping[str, Watched], tokens: PageTokens) -> None:
        self._watched = watched
        self._tokens = tokens

    async def GetAutomationRun(self, request: pb.GetAutomationRunRequest, reader: Reader) -> pb.AutomationRun:
        RUNS.check_reaches(reader.scope)
        run = await RUNS.get(reader, UUID(request.id), scope=Scope.ALL)
        if run.collection != request.collection:
            raise NotFound("the automation run does not exist", reason=RUNS.not_found)
        return RUNS.message(reader, run)

    async def ListAutomationRuns(
        self, request: pb.ListAutomationRunsRequest, reader: Reader
    ) -> pb.ListAutomationRunsResponse:
        RUNS.check_reaches(reader.scope)
        asked = PageOf(request.page_size, request.page_token, request.filter)
        response, of = pb.ListAutomationRunsResponse, {"collection": request.collection}
        return await RUNS.list(reader, asked, response, self._tokens, listing=OF_COLLECTION, binds=of)

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read runs, of a collection that has some."""
        require_watched(self._watched, request.collection)
        return READ

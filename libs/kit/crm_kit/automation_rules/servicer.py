"""AutomationRuleService: from message to command or query and back, for the collections of one service."""

from collections.abc import Mapping
from typing import Any

from crm.resource.v1 import automation_rules_pb2 as pb
from crm.resource.v1 import events_pb2 as events

from crm_kit.automation.rules.resource import OF_COLLECTION, RULES
from crm_kit.automation.running import Runner
from crm_kit.automation.watched import Watched, require_watched
from crm_kit.automation_rules.commands import activate_rule, create_rule, get_rule, save_rule, update_rule
from crm_kit.automation_rules.trying import DEFAULT_RECORDS, Match, try_rule
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.etags import etag_of
from crm_kit.listing import PageOf
from crm_kit.paging import PageTokens
from crm_kit.wire import timestamp

WRITE = "automation_rules.write"
READS = (pb.GetAutomationRuleRequest, pb.ListAutomationRulesRequest, pb.ListAutomationRuleChangesRequest)


class AutomationRuleServicer:
    contract = pb.DESCRIPTOR.services_by_name["AutomationRuleService"]

    def __init__(self, watched: Mapping[str, Watched], runner: Runner, tokens: PageTokens) -> None:
        self._watched = watched
        self._runner = runner
        self._tokens = tokens

    async def CreateAutomationRule(
        self, request: pb.CreateAutomationRuleRequest, work: UnitOfWork
    ) -> pb.AutomationRule:
        values = RULES.values_of(request.automation_rule)
        return RULES.message(work, await create_rule(work, self._watched, request.collection, values))

    async def GetAutomationRule(self, request: pb.GetAutomationRuleRequest, reader: Reader) -> pb.AutomationRule:
        return RULES.message(reader, await get_rule(reader, request.collection, request.id))

    async def ListAutomationRules(
        self, request: pb.ListAutomationRulesRequest, reader: Reader
    ) -> pb.ListAutomationRulesResponse:
        asked = PageOf(request.page_size, request.page_token, request.filter)
        response, of = pb.ListAutomationRulesResponse, {"collection": request.collection}
        return await RULES.list(reader, asked, response, self._tokens, listing=OF_COLLECTION, binds=of)

    async def UpdateAutomationRule(
        self, request: pb.UpdateAutomationRuleRequest, work: UnitOfWork
    ) -> pb.AutomationRule:
        await get_rule(work, request.collection, request.automation_rule.id)
        before, values = await RULES.to_update(work, request)
        return RULES.message(work, await update_rule(work, self._watched, before, values))

    async def TryAutomationRule(
        self, request: pb.TryAutomationRuleRequest, reader: Reader
    ) -> pb.TryAutomationRuleResponse:
        rule = await get_rule(reader, request.collection, request.id)
        RULES.check_reaches(reader.scope)
        page = PageOf(request.record_count or DEFAULT_RECORDS, "", request.filter)
        watched = self._watched[request.collection]
        trial = await try_rule(reader, watched, rule, self._runner, self._tokens, page)
        return pb.TryAutomationRuleResponse(
            matches=map(match_to_pb, trial.matches), record_count=trial.record_count, event_count=trial.event_count
        )

    async def ActivateAutomationRule(
        self, request: pb.ActivateAutomationRuleRequest, work: UnitOfWork
    ) -> pb.AutomationRule:
        rule = await activate_rule(work, self._watched, request.collection, request.id, etag=request.etag)
        return RULES.message(work, rule)

    async def DeactivateAutomationRule(
        self, request: pb.DeactivateAutomationRuleRequest, work: UnitOfWork
    ) -> pb.AutomationRule:
        before = await get_rule(work, request.collection, request.id, etag=request.etag)
        return RULES.message(work, save_rule(work, before, before.deactivate(), events.AutomationRuleDeactivated))

    async def ArchiveAutomationRule(
        self, request: pb.ArchiveAutomationRuleRequest, work: UnitOfWork
    ) -> pb.AutomationRule:
        before = await get_rule(work, request.collection, request.id, etag=request.etag)
        return RULES.message(work, save_rule(work, before, before.archive(), events.AutomationRuleArchived))

    async def RestoreAutomationRule(
        self, request: pb.RestoreAutomationRuleRequest, work: UnitOfWork
    ) -> pb.AutomationRule:
        before = await get_rule(work, request.collection, request.id, etag=request.etag)
        return RULES.message(work, save_rule(work, before, before.restore(), events.AutomationRuleRestored))

    async def ListAutomationRuleChanges(
        self, request: pb.ListAutomationRuleChangesRequest, reader: Reader
    ) -> pb.ListAutomationRuleChangesResponse:
        await get_rule(reader, request.collection, request.id)
        return await RULES.list_changes(reader, request, pb.ListAutomationRuleChangesResponse, self._tokens)

    def permission_of(self, request: Any) -> str:
        """What a request needs: to read the collection that it names, or to change its rules."""
        permission = require_watched(self._watched, request.collection).resource.permission
        return permission if isinstance(request, READS) else WRITE


def match_to_pb(match: Match) -> pb.TryAutomationRuleResponse.Match:
    refused = match.refused
    shown = pb.TryAutomationRuleResponse.Match(
        record_id=str(match.record_id),
        record_etag=etag_of(match.version),
        event=match.event,
        event_time=timestamp(match.time),
        possible=refused is None,
    )
    if refused is not None:
        shown.failed_action, shown.reason, shown.detail = refused.action, refused.reason, refused.detail
        shown.fields.extend(refused.fields)
    return shown

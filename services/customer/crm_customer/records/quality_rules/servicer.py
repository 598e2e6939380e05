"""QualityRuleService: from message to command or query and back, nothing else."""

from collections.abc import Callable, Iterable

from crm.customer.v1 import quality_rules_pb2 as pb
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.paging import PageTokens

from crm_customer.records.quality_rules import commands
from crm_customer.records.quality_rules.keeping import AnyResource
from crm_customer.records.quality_rules.resource import QUALITY_RULES


class QualityRuleServicer:
    contract = pb.DESCRIPTOR.services_by_name["QualityRuleService"]

    def __init__(self, tokens: PageTokens, resources: Iterable[AnyResource], wake: Callable[[], None]) -> None:
        self._tokens = tokens
        self._resources = {each.collection: each for each in resources}
        self._wake = wake

    async def CreateQualityRule(self, request: pb.CreateQualityRuleRequest, work: UnitOfWork) -> pb.QualityRule:
        work.after_commit.append(self._wake)
        values = QUALITY_RULES.values_of(request.quality_rule)
        created = await commands.create_rule(work, self._resources[values["collection"]], values)
        return QUALITY_RULES.message(work, created)

    async def GetQualityRule(self, request: pb.GetQualityRuleRequest, reader: Reader) -> pb.QualityRule:
        return await QUALITY_RULES.read(reader, request.id)

    async def ListQualityRules(
        self, request: pb.ListQualityRulesRequest, reader: Reader
    ) -> pb.ListQualityRulesResponse:
        return await QUALITY_RULES.list(reader, request, pb.ListQualityRulesResponse, self._tokens)

    async def UpdateQualityRule(self, request: pb.UpdateQualityRuleRequest, work: UnitOfWork) -> pb.QualityRule:
        work.after_commit.append(self._wake)
        before, values = await QUALITY_RULES.to_update(work, request)
        saved = await commands.update_rule(work, self._resources[before.collection], before, values)
        return QUALITY_RULES.message(work, saved)

    async def ArchiveQualityRule(self, request: pb.ArchiveQualityRuleRequest, work: UnitOfWork) -> pb.QualityRule:
        work.after_commit.append(self._wake)
        before = await QUALITY_RULES.target(work, request)
        return QUALITY_RULES.message(work, commands.archive_rule(work, before))

    async def RestoreQualityRule(self, request: pb.RestoreQualityRuleRequest, work: UnitOfWork) -> pb.QualityRule:
        work.after_commit.append(self._wake)
        before = await QUALITY_RULES.target(work, request)
        return QUALITY_RULES.message(work, await commands.restore_rule(work, before))

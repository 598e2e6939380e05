"""Automation rules for tests, written and read through the contract."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.resource.v1 import automation_rules_pb2 as rules_pb
from crm.resource.v1 import automation_runs_pb2 as runs_pb
from crm.resource.v1.automation_rules_pb2_grpc import AutomationRuleServiceStub
from crm.resource.v1.automation_runs_pb2_grpc import AutomationRunServiceStub
from crm_kit.approvals.gate import Gate
from crm_kit.automation.due.job import TimedRules
from crm_kit.automation.timing.queries import due_timers
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.events.deliveries import type_of
from crm_kit.plumbing import outbox
from crm_kit.resource.values import to_value
from crm_kit.service import runner_of
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import bindparam, select

from tests.service.eventually import eventually
from tests.service.running import Running, User

Rule: TypeAlias = rules_pb.AutomationRule
Run: TypeAlias = runs_pb.AutomationRun
SUCCEEDED, FAILED, STOPPED_LOOP = Run.STATE_SUCCEEDED, Run.STATE_FAILED, Run.STATE_STOPPED_LOOP
PARTLY_DONE = Run.STATE_PARTLY_DONE


def action(verb: str, *, target: str = "", **request: Any) -> rules_pb.AutomationRule.Action:
    """What a rule does, written as REST would be sent it."""
    return Rule.Action(verb=verb, target=target, request={name: to_value(value) for name, value in request.items()})


def submit(verb: str, *, comment: str = "", **request: Any) -> rules_pb.AutomationRule.Action:
    """What a rule asks for the approval of."""
    values = {name: to_value(value) for name, value in request.items()}
    return Rule.Action(submission=Rule.Submission(verb=verb, request=values, comment=comment))


def create(collection: str, **values: Any) -> rules_pb.AutomationRule.Action:
    """A record that a rule creates."""
    written = {name: to_value(value) for name, value in values.items()}
    return Rule.Action(creation=Rule.Creation(collection=collection, values=written))


def notify(text: str, *users: User, recipients: Sequence[Any] = ()) -> rules_pb.AutomationRule.Action:
    """Whom a rule tells what."""
    ids = [str(each.id) for each in users]
    return Rule.Action(notification=Rule.Notification(text=text, user_ids=ids, recipients=recipients))


def on(*events: str, changed: tuple[str, ...] = ()) -> rules_pb.AutomationRule.Trigger:
    return Rule.Trigger(events=events, changed_fields=changed)


@dataclass(frozen=True)
class Rules:
    """The rules of a collection, over one channel of a service."""

    channel: Any
    collection: str

    async def create(self, by: User, *actions: rules_pb.AutomationRule.Action, **fields: Any) -> Rule:
        """A draft; on CREATED unless told otherwise."""
        rule = Rule(**{"display_name": "一条规则", "trigger": on("CREATED"), "actions": actions, **fields})
        return cast("Rule", await self._rules("Create", by, automation_rule=rule))

    async def active(self, by: User, *actions: rules_pb.AutomationRule.Action, **fields: Any) -> Rule:
        """A rule that runs with somebody's rights."""
        return await self.does("Activate", by, await self.create(by, *actions, **fields))

    async def does(self, verb: str, by: User, rule: Rule, **fields: Any) -> Rule:
        """Activate, deactivate, archive or restore one; activated is what has been seen, unless an etag is given."""
        if verb == "Activate":
            fields.setdefault("etag", rule.etag)
        return cast("Rule", await self._rules(verb, by, id=rule.id, **fields))

    async def tried(self, by: User, rule: Rule, **fields: Any) -> rules_pb.TryAutomationRuleResponse:
        return cast("rules_pb.TryAutomationRuleResponse", await self._rules("Try", by, id=rule.id, **fields))

    async def update(self, by: User, rule: Rule, *paths: str) -> Rule:
        return cast("Rule", await self._rules("Update", by, automation_rule=rule, update_mask=FieldMask(paths=paths)))

    async def get(self, by: User, rule: Rule) -> Rule:
        return cast("Rule", await self._rules("Get", by, id=rule.id))

    async def listed(self, by: User, **fields: Any) -> list[Rule]:
        stub: Any = AutomationRuleServiceStub(self.channel)
        request = rules_pb.ListAutomationRulesRequest(collection=self.collection, **fields)
        return list((await stub.ListAutomationRules(request, metadata=by.metadata)).automation_rules)

    async def changes(self, by: User, rule: Rule) -> list[str]:
        stub: Any = AutomationRuleServiceStub(self.channel)
        request = rules_pb.ListAutomationRuleChangesRequest(collection=self.collection, id=rule.id)
        page = await stub.ListAutomationRuleChanges(request, metadata=by.metadata)
        return [each.action for each in page.changes]

    async def runs(self, by: User, filter: str = "", **fields: Any) -> list[Run]:
        """The newest first."""
        stub: Any = AutomationRunServiceStub(self.channel)
        request = runs_pb.ListAutomationRunsRequest(collection=self.collection, filter=filter, **fields)
        return list((await stub.ListAutomationRuns(request, metadata=by.metadata)).automation_runs)

    async def runs_of(self, by: User, rule: Rule) -> list[Run]:
        return await self.runs(by, f'rule_id = "{rule.id}"')

    async def ran(self, by: User, rule: Rule, times: int = 1) -> list[Run]:
        """Its runs, once there are so many, the newest first."""

        async def enough() -> list[Run]:
            found = await self.runs_of(by, rule)
            return found if len(found) >= times else []

        return await eventually(enough)

    async def run(self, by: User, id: str) -> Run:
        stub: Any = AutomationRunServiceStub(self.channel)
        request = runs_pb.GetAutomationRunRequest(collection=self.collection, id=id)
        return cast("Run", await stub.GetAutomationRun(request, metadata=by.metadata))

    async def _rules(self, verb: str, by: User, **fields: Any) -> Any:
        stub: Any = AutomationRuleServiceStub(self.channel)
        request = getattr(rules_pb, f"{verb}AutomationRuleRequest")(collection=self.collection, **fields)
        return await getattr(stub, f"{verb}AutomationRule")(request, metadata=by.metadata)


def reaches(field: str, **fields: Any) -> rules_pb.AutomationRule.Trigger:
    """A date is reached; at nine unless told otherwise."""
    return Rule.Trigger(date_reached=Rule.DateReached(**{"field": field, "at": "09:00", **fields}))


def every(every: Any, at: str = "09:00", **fields: Any) -> rules_pb.AutomationRule.Trigger:
    """A schedule."""
    return Rule.Trigger(schedule=Rule.Schedule(every=every, at=at, **fields))


def timed_rules(service: Running) -> TimedRules:
    """The job that runs rules by the calendar, as another process of the service has it."""
    own = service.service
    gate = Gate(own.approvables, own.directory, own.calendars)
    return TimedRules(Tenants(own.database, own.clock), own.watched, runner_of(own, gate))


async def looked(service: Running) -> None:
    """Wait until all that is due in any tenant is done, here or in the service's own look, which may be at it."""
    job = timed_rules(service)

    async def nothing_is_due() -> bool:
        while await job.look():
            pass
        return not await service.service.database.all(ALL_TENANTS, due_timers(), {"now": system_now()})

    await eventually(nothing_is_due)


TOLD = compile_statement(
    select(outbox.c.event).where(outbox.c.tenant_id == bindparam("tenant_id")).order_by(outbox.c.id)
)


async def told_in(service: Running, tenant_id: UUID) -> list[event_pb2.Event]:
    """What was told of a tenant's records that rules can be for, and of tasks at them, in order."""
    watched = service.service.watched.values()
    events = {event for each in watched for event in (*each.events.values(), *each.task_events.values())}
    followed = {each.DESCRIPTOR.full_name for each in events}
    async with service.unit_of_work(tenant_id) as work:
        rows = await work.all(TOLD)
    found = [event_pb2.Event.FromString(row["event"]) for row in rows]
    return [each for each in found if type_of(each) in followed]


async def settled(service: Running, tenant_id: UUID) -> list[event_pb2.Event]:
    """Wait until all that follows from what was told has happened; all that was told by then.

    By handling each event once more: whoever else handles it, it has its effect once.
    """
    handled = 0
    while len(events := await told_in(service, tenant_id)) > handled:
        for each in events[handled:]:
            await service.service.automation.apply(each)
        handled = len(events)
    return events

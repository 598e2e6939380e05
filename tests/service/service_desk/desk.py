"""The service desk as one user sees it, and what a test arranges below the contract."""

import itertools
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from crm.event.v1 import event_pb2
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.scoring.v1 import events_pb2 as scoring_events
from crm.scoring.v1 import scores_pb2
from crm.service_desk.v1 import calendars_pb2, cases_pb2, service_levels_pb2
from crm.service_desk.v1.calendars_pb2_grpc import CalendarServiceStub
from crm.service_desk.v1.cases_pb2_grpc import CaseServiceStub
from crm.service_desk.v1.service_levels_pb2_grpc import ServiceLevelServiceStub
from crm_kit.database.statements import compile_statement
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_kit.projections import put_newest
from crm_kit.wire import timestamp
from crm_service_desk.accounts.tables import accounts
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from sqlalchemy import Select, bindparam, select

from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub
    from crm.service_desk.v1.calendars_pb2_grpc import CalendarServiceAsyncStub
    from crm.service_desk.v1.cases_pb2_grpc import CaseServiceAsyncStub
    from crm.service_desk.v1.service_levels_pb2_grpc import ServiceLevelServiceAsyncStub

pb = cases_pb2
MINUTES = 60
Payload = TypeVar("Payload", bound=Message)
ALWAYS = [
    calendars_pb2.DayHours(weekday=day, hours=[calendars_pb2.Hours(opens="00:00", closes="24:00")])
    for day in calendars_pb2.DayHours.Weekday.values()[1:]
]


@dataclass
class Desk:
    """Calls the service desk as `user`; `advance` moves the clock of the user's sandbox."""

    running: Running
    user: User
    _versions: Any = field(default_factory=lambda: itertools.count(2))
    _offset: timedelta = timedelta(0)

    @property
    def cases(self) -> "CaseServiceAsyncStub":
        return CaseServiceStub(self.running.channel)

    @property
    def calendars(self) -> "CalendarServiceAsyncStub":
        return CalendarServiceStub(self.running.channel)

    @property
    def levels(self) -> "ServiceLevelServiceAsyncStub":
        return ServiceLevelServiceStub(self.running.channel)

    @property
    def resources(self) -> "ResourceServiceAsyncStub":
        return ResourceServiceStub(self.running.channel)

    async def create(self, *, by: User | None = None, key: str = "", **fields: Any) -> pb.Case:
        """A repair unless told otherwise."""
        values: dict[str, Any] = {"kind": pb.Case.KIND_REPAIR, "title": "no power"}
        case = pb.Case(**values | fields)
        user = by or self.user
        metadata = user.with_key(key) if key else user.metadata
        return await self.cases.CreateCase(pb.CreateCaseRequest(case=case), metadata=metadata)

    async def get(self, case: pb.Case) -> pb.Case:
        return await self.cases.GetCase(pb.GetCaseRequest(id=case.id), metadata=self.user.metadata)

    async def do(self, verb: str, case: pb.Case, *, by: User | None = None, key: str = "", **fields: Any) -> pb.Case:
        """Call one of the verbs, for example `do("ResolveCase", case, resolution="new fuse")`."""
        request = getattr(pb, f"{verb}Request")(id=case.id, **fields)
        user = by or self.user
        metadata = user.with_key(key) if key else user.metadata
        answer: pb.Case = await getattr(self.cases, verb)(request, metadata=metadata)
        return answer

    async def log(self, case: pb.Case) -> list[str]:
        """The names of what happened on a case."""
        request = pb.ListCaseEventsRequest(id=case.id)
        answer = await self.cases.ListCaseEvents(request, metadata=self.user.metadata)
        return [pb.CaseEvent.Kind.Name(each.kind).removeprefix("KIND_") for each in answer.events]

    async def explain(self, case: pb.Case) -> dict[int, service_levels_pb2.MilestoneExplanation]:
        """The explanations by kind of milestone."""
        request = pb.ExplainMilestonesRequest(id=case.id)
        answer = await self.cases.ExplainMilestones(request, metadata=self.user.metadata)
        return {each.milestone.kind: each for each in answer.explanations}

    async def as_of(self, case: pb.Case, time: datetime) -> pb.Case:
        """The case as it was at an instant."""
        request = resources_pb2.GetRecordAsOfRequest(collection="cases", id=case.id, read_time=timestamp(time))
        answer = await self.resources.GetRecordAsOf(request, metadata=self.user.metadata)
        return pb.Case.FromString(answer.SerializeToString())

    async def possible(self, case: pb.Case) -> dict[str, str]:
        """The verbs of a case, each with the reason why it is refused now; none where it is possible."""
        request = resources_pb2.GetRecordActionsRequest(collection="cases", id=case.id)
        answer = await self.resources.GetRecordActions(request, metadata=self.user.metadata)
        return {each.rpc: each.reason for each in answer.actions}

    async def around_the_clock(self) -> calendars_pb2.Calendar:
        """A calendar in which all time is business time."""
        calendar = calendars_pb2.Calendar(display_name="always", time_zone="UTC", weekly=ALWAYS)
        request = calendars_pb2.CreateCalendarRequest(calendar=calendar)
        return await self.calendars.CreateCalendar(request, metadata=self.user.metadata)

    async def promise(self, *, first_response: int, resolution: int, **fields: Any) -> service_levels_pb2.ServiceLevel:
        """A service level in minutes around the clock, or by the calendar given."""
        calendar_id = fields.pop("calendar_id", "") or (await self.around_the_clock()).id
        pauses = [
            service_levels_pb2.PausedInterval.REASON_CUSTOMER,
            service_levels_pb2.PausedInterval.REASON_THIRD_PARTY,
        ]
        targets = [
            service_levels_pb2.MilestoneTarget(
                kind=kind, target=service_levels_pb2.Target(business_minutes=minutes), pauses=paused
            )
            for kind, minutes, paused in (
                (service_levels_pb2.Milestone.KIND_FIRST_RESPONSE, first_response, []),
                (service_levels_pb2.Milestone.KIND_RESOLUTION, resolution, pauses),
            )
        ]
        values: dict[str, Any] = {"display_name": "promise", "calendar_id": calendar_id, "targets": targets}
        level = service_levels_pb2.ServiceLevel(**values | fields)
        request = service_levels_pb2.CreateServiceLevelRequest(service_level=level)
        return await self.levels.CreateServiceLevel(request, metadata=self.user.metadata)

    async def advance(self, duration: timedelta) -> None:
        """Move the tenant's test clock, as the customer service would tell."""
        self._offset += duration
        version = next(self._versions)
        await self.running.know_tenant(self.user.tenant_id, sandbox=True, clock_offset=self._offset, version=version)

    async def account(self, **fields: Any) -> UUID:
        """An account that the service desk knows already."""
        id = new_id()
        known = {"owner_id": None, "owner_team_id": None, "display_name": "华信电力", "version": 1}
        async with self.running.unit_of_work(self.user.tenant_id) as work:
            put_newest(work, accounts, {"id": id} | known | fields)
        return id

    async def key_account(self) -> UUID:
        """An account that the scoring service has found to be KEY."""
        account_id = await self.account()
        tier = scores_pb2.ValueTierScore(band=scores_pb2.ValueTierScore.TIER_KEY)
        scores = scores_pb2.AccountScores(account_id=str(account_id), value_tier=tier)
        changed = scoring_events.ValueTierChanged(account_scores=scores)
        await self.running.hear(changed, tenant_id=self.user.tenant_id, aggregate_id=account_id)
        return account_id

    async def emitted(self, kind: type[Payload]) -> list[Payload]:
        """The events of this kind that became true in the tenant, in their order."""
        found = []
        for event in await self._outbox():
            payload = kind()
            if event.payload.Unpack(payload):
                found.append(payload)
        return found

    async def versions(self, id: str) -> list[tuple[int, str]]:
        """The versions of one resource, each with the name of its event."""
        return [
            (event.aggregate_version, event.payload.type_url.rpartition(".")[2])
            for event in await self._outbox()
            if event.aggregate_id == id
        ]

    async def rows(self, query: Select[Any], **values: Any) -> list[Any]:
        """What the database has of the tenant."""
        async with self.running.unit_of_work(self.user.tenant_id) as work:
            return await work.all(compile_statement(query), **values)

    async def _outbox(self) -> list[event_pb2.Event]:
        query = compile_statement(
            select(outbox.c.event).where(outbox.c.tenant_id == bindparam("tenant_id")).order_by(outbox.c.id)
        )
        async with self.running.unit_of_work(self.user.tenant_id) as work:
            rows = await work.all(query)
        return [event_pb2.Event.FromString(row["event"]) for row in rows]


def patch(case: pb.Case, *paths: str, **fields: Any) -> pb.UpdateCaseRequest:
    """An update of these fields of the case, without an etag unless it is among them."""
    mask = FieldMask(paths=paths or list(fields))
    return pb.UpdateCaseRequest(case=pb.Case(id=case.id, **fields), update_mask=mask)


def milestone(case: pb.Case, kind: str) -> service_levels_pb2.Milestone:
    """The case's milestone FIRST_RESPONSE or RESOLUTION."""
    wanted = service_levels_pb2.Milestone.Kind.Value(f"KIND_{kind}")
    return next(each for each in case.milestones if each.kind == wanted)


def state_of(case: pb.Case, kind: str) -> str:
    """How a milestone stands."""
    return service_levels_pb2.Milestone.State.Name(milestone(case, kind).state).removeprefix("STATE_")


def state(case: pb.Case) -> str:
    """Where the case stands."""
    return pb.Case.State.Name(case.state).removeprefix("STATE_")

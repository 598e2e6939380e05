"""A case that comes to another service level: what that promises counts, from the start of the case."""

from datetime import timedelta

from crm.service_desk.v1 import cases_pb2 as pb
from crm.service_desk.v1 import events_pb2
from crm.service_desk.v1 import service_levels_pb2 as levels

from tests.service.eventually import eventually
from tests.service.service_desk.desk import Desk, milestone, patch, state_of


async def test_what_the_new_service_level_does_not_promise_is_owed_no_more(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    await desk.promise(first_response=60, resolution=600, position=2, calendar_id=calendar_id)
    resolution = levels.MilestoneTarget(
        kind=levels.Milestone.KIND_RESOLUTION, target=levels.Target(business_minutes=600)
    )
    urgent = levels.ServiceLevel(
        display_name="urgent",
        position=1,
        condition="priority = CRITICAL",
        calendar_id=calendar_id,
        targets=[resolution],
    )
    request = levels.CreateServiceLevelRequest(service_level=urgent)
    await desk.levels.CreateServiceLevel(request, metadata=desk.user.metadata)
    case = await desk.create()
    assert len(case.milestones) == 2
    high = pb.Case.LEVEL_HIGH
    await desk.cases.UpdateCase(patch(case, impact=high, urgency=high), metadata=desk.user.metadata)
    await desk.advance(timedelta(minutes=601))

    async def breaches() -> list[int]:
        return [each.milestone.kind for each in await desk.emitted(events_pb2.MilestoneBreached)]

    assert await eventually(breaches) == [levels.Milestone.KIND_RESOLUTION]
    (left,) = (await desk.get(case)).milestones
    assert left.kind == levels.Milestone.KIND_RESOLUTION


async def test_waiting_that_has_begun_counts_under_another_service_level_too(desk: Desk) -> None:
    calendar_id = (await desk.around_the_clock()).id
    await desk.promise(first_response=600, resolution=600, position=2, calendar_id=calendar_id)
    condition = "priority = CRITICAL"
    await desk.promise(first_response=600, resolution=100, position=1, condition=condition, calendar_id=calendar_id)
    case = await desk.create(assignee_id=str(desk.user.id))
    await desk.do("WaitForCustomer", case)
    waiting = await desk.get(case)
    await desk.advance(timedelta(minutes=200))
    high = pb.Case.LEVEL_HIGH
    changed = await desk.cases.UpdateCase(patch(case, impact=high, urgency=high), metadata=desk.user.metadata)
    assert (state_of(changed, "RESOLUTION"), milestone(changed, "RESOLUTION").HasField("due_time")) == ("PAUSED", False)
    await desk.advance(timedelta(minutes=100))
    opened = await desk.do("OpenCase", case)
    waited = opened.update_time.ToDatetime() - waiting.update_time.ToDatetime()
    assert waited > timedelta(minutes=299)
    due = milestone(opened, "RESOLUTION").due_time.ToDatetime()
    assert due == case.create_time.ToDatetime() + timedelta(minutes=100) + waited

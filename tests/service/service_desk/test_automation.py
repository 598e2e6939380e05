"""Rules on cases, through the contract."""

from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from crm.service_desk.v1 import cases_pb2 as pb
from crm_kit.automation.requests import MAX_FILLED, request_of
from crm_kit.automation.rules.model import Action
from crm_kit.automation.templates import Cause
from crm_kit.errors import InvalidArgument

from tests.service.automating import FAILED, SUCCEEDED, Rules, action, on, settled
from tests.service.running import Running
from tests.service.service_desk.desk import Desk
from tests.steps import MAX_SECONDS, quickest

LONGEST = "字" * 20_000


async def test_a_complaint_is_assigned_and_noted_and_what_is_resolved_is_closed(
    service_desk: Running, desk: Desk
) -> None:
    agent = await service_desk.user(desk.user.tenant_id)
    rules = Rules(service_desk.channel, "cases")
    taken = await rules.active(
        desk.user,
        action("assign", assignee_id=str(agent.id)),
        action("addNote", text="投诉: {{record.title}}"),
        action("update", title="投诉: {{record.title}}"),
        filter="kind = COMPLAINT AND NOT assignee_id = me",
    )
    closed = await rules.active(desk.user, action("close"), trigger=on("RESOLVED"), filter="kind = REPAIR")
    complaint = await desk.create(kind=pb.Case.KIND_COMPLAINT, title="停电两次")
    repair = await desk.create()
    await desk.do("OpenCase", repair)
    await desk.do("ResolveCase", repair, resolution="new fuse")
    await settled(service_desk, desk.user.tenant_id)
    (run,) = await rules.runs_of(desk.user, taken)
    assert (run.state, run.record_id, [each.verb for each in run.effects]) == (
        SUCCEEDED,
        complaint.id,
        ["assign", "addNote", "update"],
    ), run
    now = await desk.get(complaint)
    assert (now.assignee_id, now.title) == (str(agent.id), "投诉: 停电两次")
    assert "NOTE" in " ".join(await desk.log(complaint))
    assert [each.state for each in await rules.runs_of(desk.user, closed)] == [SUCCEEDED]
    assert (await desk.get(repair)).state == pb.Case.STATE_CLOSED


async def test_a_rule_that_names_a_long_text_hundreds_of_times_fails_before_it_is_put_together(
    service_desk: Running, desk: Desk
) -> None:
    watched = service_desk.service.watched["cases"]
    cause = Cause(datetime(2026, 1, 31, tzinfo=UTC), ZoneInfo("UTC"))
    case = pb.Case(id=str(desk.user.tenant_id), title="x", description=LONGEST)

    def refuse(request: dict[str, Any]) -> None:
        with pytest.raises(InvalidArgument, match=str(MAX_FILLED)):
            request_of(watched, watched, Action("update", request), case, cause, record_id=case.id)

    for request in ({"description": "{{record.description}}" * 300}, {"tags": ["{{record.description}}"] * 300}):
        assert quickest(partial(refuse, request)) < MAX_SECONDS

    rules = Rules(service_desk.channel, "cases")
    broken = await rules.active(desk.user, action("addNote", text="{{record.description}}" * 300))
    copied = await rules.active(desk.user, action("addNote", text="{{record.description}}"))
    await desk.create(description=LONGEST)
    await settled(service_desk, desk.user.tenant_id)
    (run,) = await rules.runs_of(desk.user, broken)
    assert (run.state, run.reason, run.failed_action, list(run.fields)) == (
        FAILED,
        "INVALID_ARGUMENT",
        1,
        ["record.description"],
    )
    assert str(MAX_FILLED) in run.detail
    assert [each.state for each in await rules.runs_of(desk.user, copied)] == [SUCCEEDED]

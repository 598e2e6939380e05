"""Chapter 4: the customer complains; the clocks of the promise run by the calendar, and nothing closes unanswered."""

from datetime import datetime
from typing import Any

from tests.e2e.story.business_time import after_open_minutes
from tests.e2e.story.people import Json, hold
from tests.e2e.story.scene import Scene, beijing

FIRST_RESPONSE, RESOLUTION = "FIRST_RESPONSE", "RESOLUTION"


async def complaint(scene: Scene) -> None:
    scene.teller.chapter("A complaint")
    case = await _opened(scene)
    await _warned_and_missed(scene, case)
    await _not_closed_unanswered(scene, case)
    await _answered_and_closed(scene, case)


def milestone(case: Json, kind: str) -> Json:
    found: Json = next(each for each in case["milestones"] if each["kind"] == kind)
    return found


async def _opened(scene: Scene) -> Json:
    tell, agent = scene.teller, scene.people.agent
    tell.step(agent.name, "takes down a complaint from WeChat")
    body: dict[str, Any] = {
        "kind": "COMPLAINT",
        "title": "The transformer hums",
        "description": "Since Monday it can be heard in the whole street.",
        "account_id": scene.account_id,
        "contact_id": scene.contact_id,
        "channel": "WECHAT",
        "impact": "HIGH",
        "urgency": "HIGH",
        "assignee_id": agent.id,
    }
    case = await agent.post("/v1/cases", body)
    hold(case["priority"] == "CRITICAL" and case["state"] == "OPEN", f"it is {case}")
    first, solution = milestone(case, FIRST_RESPONSE), milestone(case, RESOLUTION)
    created = datetime.fromisoformat(case["create_time"])
    tell.found(f"{case['number']}, critical, created {beijing(created)} in Beijing")
    tell.found(f"answer due {beijing(first['due_time'])}, solution due {beijing(solution['due_time'])}")
    await _due_by_the_calendar(scene, case, created)
    return case


async def _due_by_the_calendar(scene: Scene, case: Json, created: datetime) -> None:
    """Reckon the answer's due time anew from the calendar's hours."""
    tell, agent = scene.teller, scene.people.agent
    explained = (await agent.get(f"/v1/cases/{case['id']}:explainMilestones"))["explanations"]
    budget = next(each["budget"] for each in explained if each["milestone"]["kind"] == FIRST_RESPONSE)
    calendar = await agent.get(f"/v1/calendars/{case['calendar_id']}")
    minutes = round(float(budget.removesuffix("s")) / 60)
    due = datetime.fromisoformat(milestone(case, FIRST_RESPONSE)["due_time"])
    reckoned = after_open_minutes(created, minutes, calendar)
    hold(due == reckoned, f"the answer is due {due}, by the calendar's hours it is {reckoned}")
    hold(datetime.fromisoformat(milestone(case, RESOLUTION)["due_time"]) > due, "the solution is due before the answer")
    tell.detail(f"the answer has {minutes} minutes of {calendar['display_name']}")


async def _warned_and_missed(scene: Scene, case: Json) -> None:
    tell, agent = scene.teller, scene.people.agent
    path = f"/v1/cases/{case['id']}"
    first = milestone(case, FIRST_RESPONSE)
    tell.step("Nobody", "answers; the test clock is moved to the warning")
    await scene.advance_to(datetime.fromisoformat(first["warning_time"]))
    _, seconds = await agent.until(path, lambda case: milestone(case, FIRST_RESPONSE)["warned"], "the warning goes out")
    tell.found(f"a warning went out {seconds:.1f} s after the clock moved")
    tell.step("Nobody", "answers still; the clock is moved beyond the promise")
    await scene.advance_to(datetime.fromisoformat(first["due_time"]))
    late, seconds = await agent.until(
        path,
        lambda case: milestone(case, FIRST_RESPONSE)["state"] == "MISSED",
        "the first response is missed",
    )
    missed = milestone(late, FIRST_RESPONSE)
    hold(missed["due_time"] == first["due_time"], f"due moved from {first['due_time']} to {missed['due_time']}")
    hold(milestone(late, RESOLUTION)["state"] == "RUNNING", "the solution's clock does not run")
    tell.found(f"the promise is broken since {beijing(missed['breach_time'])}, and stays so")
    await agent.until(
        f"/v1/accounts/{scene.account_id}/timeline",
        lambda page: any(entry["kind"] == "MILESTONE_BREACHED" for entry in page["entries"]),
        "the breach is on the timeline",
    )
    tell.found("the customer's timeline shows it")


async def _not_closed_unanswered(scene: Scene, case: Json) -> None:
    tell, agent = scene.teller, scene.people.agent
    path = f"/v1/cases/{case['id']}"
    tell.step(agent.name, "calls; nobody picks up. It is repaired, and should be closed")
    tried = await agent.post(f"{path}:reply", {"text": "We are on our way.", "medium": "CALL", "undelivered": True})
    hold(tried["reply_time"] is None, "a call that nobody answered counts as a reply")
    resolved = await agent.post(f"{path}:resolve", {"resolution": "Tightened the core."})
    hold(resolved["state"] == "RESOLVED", f"it is {resolved['state']}")
    await agent.refused(f"{path}:close", status=409, reason="COMPLAINT_WITHOUT_REPLY")
    tell.found("refused: COMPLAINT_WITHOUT_REPLY, the customer has heard nothing")


async def _answered_and_closed(scene: Scene, case: Json) -> None:
    tell, agent = scene.teller, scene.people.agent
    path = f"/v1/cases/{case['id']}"
    tell.step(agent.name, "writes to the customer, and closes it")
    answered = await agent.post(f"{path}:reply", {"text": "It is quiet again. We are sorry.", "medium": "MESSAGE"})
    hold(answered["reply_time"], "the reply is not noted")
    closed = await agent.post(f"{path}:close")
    hold(closed["state"] == "CLOSED", f"it is {closed['state']}")
    hold(milestone(closed, FIRST_RESPONSE)["state"] == "MISSED", "the late answer mended the promise")
    hold(milestone(closed, RESOLUTION)["state"] == "MET", f"the solution is {milestone(closed, RESOLUTION)}")
    events = await agent.all(f"{path}/events", "events")
    tell.found(f"closed; answer late, solution in time, {len(events)} events on record")

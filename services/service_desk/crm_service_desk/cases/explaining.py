"""Why the milestones of a case stand as they do: the log replayed, by the calendar that counted each of them."""

from crm_kit.database.work import Reader

from crm_service_desk.calendars.queries import get_calendar
from crm_service_desk.cases.log import facts_of
from crm_service_desk.cases.model import Case
from crm_service_desk.cases.queries import get_log
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.milestones import CountedMilestone, Milestone


async def explain(reader: Reader, case: Case) -> list[tuple[Milestone, CountedMilestone]]:
    """Each milestone as it is shown, and as the replay counts it, both at the reader's time."""
    facts = facts_of(await get_log(reader, case.id))
    explained = []
    for shown in case.at(reader.now).milestones:
        assert shown.calendar_id is not None
        calendar = await get_calendar(reader, shown.calendar_id, shown.calendar_version)
        counted = evaluate(calendar.business_hours, case.first_policy, facts, reader.now)
        explained += [(shown, each) for each in counted if each.kind is shown.kind]
    return explained

"""Why the milestones of a case stand as they do: the log replayed, by the calendar that counted each of them."""

from crm_kit.database.work import Reader

from crm_service_desk.calendars.queries import get_version
from crm_service_desk.cases.model import Case
from crm_service_desk.cases.queries import get_facts
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.milestones import MilestoneExplanation


async def explain(reader: Reader, case: Case) -> list[MilestoneExplanation]:
    """Each milestone as it is shown, and what the replay counts for it, both at the reader's time."""
    facts = await get_facts(reader, case.id)
    explained = []
    for shown in case.at(reader.now).milestones:
        assert shown.calendar_id is not None
        calendar = await get_version(reader, shown.calendar_id, shown.calendar_version)
        counted = evaluate(calendar.business_hours, case.first_policy, facts, reader.now)
        explained += [each.explaining(shown) for each in counted if each.kind is shown.kind]
    return explained

"""Why the milestones of a case stand as they do: the log replayed, by the calendar that counted each of them."""

from crm_kit.database.work import Reader

from crm_service_desk.calendars.queries import get_versions
from crm_service_desk.cases.case_file import CaseFile
from crm_service_desk.cases.milestones import KeptMilestone
from crm_service_desk.cases.queries import get_log
from crm_service_desk.service_levels.clock import evaluate
from crm_service_desk.service_levels.model import Milestone
from crm_service_desk.service_levels.service_level import policy_from


async def explain(reader: Reader, case: CaseFile) -> list[tuple[KeptMilestone, Milestone]]:
    """Each milestone as it is kept, and as the replay at the reader's time counts it."""
    log = await get_log(reader, case.id)
    versions = {each.calendar_version for each in case.milestones}
    calendars = await get_versions(reader, case.calendar_id, versions)
    policy = policy_from(case.first_policy)
    counted = {
        version: {each.kind: each for each in evaluate(calendar, policy, log, reader.now)}
        for version, calendar in calendars.items()
    }
    pairs = ((each, counted.get(each.calendar_version, {}).get(each.kind)) for each in case.milestones)
    return [(kept, milestone) for kept, milestone in pairs if milestone is not None]

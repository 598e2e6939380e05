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
    policy = policy_from(case.first_policy)
    explained = []
    for kept in case.milestones:
        calendars = await get_versions(reader, kept.calendar_id, [kept.calendar_version])
        counted = evaluate(calendars[kept.calendar_version], policy, log, reader.now)
        explained += [(kept, each) for each in counted if each.kind is kept.kind]
    return explained

"""Reports about cases that every tenant has."""

from crm_kit.reports.model import Chart, Compare, Names, Period, Question, Span
from crm_kit.reports.ready import ReadyReport

CASES = "cases"

READY_REPORTS = (
    ReadyReport(
        CASES,
        "by_kind",
        Names("Cases by month and kind", "每月各类服务单"),
        Question(
            group_by=("create_time:month", "kind"),
            measures=("count",),
            period=Period("create_time", Span.LAST_12_MONTHS, Compare.SAME_PERIOD_LAST_YEAR),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        CASES,
        "complaints_by_month",
        Names("Complaints by month and category", "每月投诉"),
        Question(
            filter="kind = COMPLAINT",
            group_by=("create_time:month", "category"),
            measures=("count", "distinct:account_id"),
            period=Period("create_time", Span.LAST_12_MONTHS),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        CASES,
        "breaches",
        Names("Missed milestones by priority", "各优先级超时"),
        Question(
            group_by=("priority", "breached"),
            measures=("count",),
            period=Period("create_time", Span.LAST_30_DAYS, Compare.PREVIOUS_PERIOD),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        CASES,
        "open_by_assignee",
        Names("Open cases by assignee", "各处理人未结服务单"),
        Question(
            filter="NOT state IN (CLOSED, RESOLVED)",
            group_by=("assignee_id",),
            measures=("count", "min:create_time"),
            limit=50,
        ),
    ),
)

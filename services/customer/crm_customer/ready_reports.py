"""Reports about customers, and what is spoken with them, that every tenant has."""

from crm_kit.reports.model import Chart, Compare, Names, Period, Question, Span
from crm_kit.reports.ready import ReadyReport

ACCOUNTS, INTERACTIONS, VISITS = "accounts", "interactions", "visits"

READY_REPORTS = (
    ReadyReport(
        ACCOUNTS,
        "by_region",
        Names("Customers by region and state", "各地区客户"),
        Question(group_by=("region_code", "status"), measures=("count",)),
        Chart.BAR,
    ),
    ReadyReport(
        ACCOUNTS,
        "by_value_tier",
        Names("Customers by value tier", "各价值等级客户"),
        Question(group_by=("value_tier",), measures=("count",)),
        Chart.PIE,
    ),
    ReadyReport(
        ACCOUNTS,
        "new_by_month",
        Names("New customers by month", "每月新增客户"),
        Question(
            group_by=("create_time:month",),
            measures=("count",),
            period=Period("create_time", Span.LAST_12_MONTHS, Compare.SAME_PERIOD_LAST_YEAR),
        ),
        Chart.LINE,
    ),
    ReadyReport(
        ACCOUNTS,
        "by_last_contact",
        Names("Customers by month of the last contact", "按最近联系月份的客户"),
        Question(filter="status = ACTIVE", group_by=("last_contact_time:month",), measures=("count",)),
        Chart.BAR,
    ),
    ReadyReport(
        ACCOUNTS,
        "not_spoken_with",
        Names("Customers not spoken with for 90 days, by owner", "各负责人90天未联系客户"),
        Question(
            filter="status = ACTIVE AND (last_contact_time = null OR last_contact_time < now-90d)",
            group_by=("owner_id",),
            measures=("count", "min:last_contact_time"),
            limit=50,
        ),
        Chart.BAR,
    ),
    ReadyReport(
        ACCOUNTS,
        "completeness_by_owner",
        Names("How complete customers are, by owner", "各负责人客户资料完整度"),
        Question(
            group_by=("owner_id",),
            measures=("avg:completeness", "count"),
            order_by="avg:completeness",
            limit=50,
        ),
        Chart.BAR,
    ),
    ReadyReport(
        ACCOUNTS,
        "completeness_by_source",
        Names("How complete customers are, by source", "各来源客户资料完整度"),
        Question(
            group_by=("source",),
            measures=("avg:completeness", "count"),
            order_by="avg:completeness",
            limit=50,
        ),
        Chart.BAR,
    ),
    ReadyReport(
        INTERACTIONS,
        "by_month",
        Names("Interactions by month and channel", "每月各渠道联系记录"),
        Question(
            group_by=("interaction_time:month", "channel"),
            measures=("count", "distinct:account_id"),
            period=Period("interaction_time", Span.LAST_12_MONTHS),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        INTERACTIONS,
        "coverage_by_person",
        Names("Customers spoken with, by person, this month", "本月各人员客户覆盖"),
        Question(
            group_by=("recorder_id",),
            measures=("distinct:account_id", "count"),
            order_by="distinct:account_id desc",
            limit=50,
            period=Period("interaction_time", Span.THIS_MONTH, Compare.PREVIOUS_PERIOD),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        VISITS,
        "completion_by_person",
        Names("Visits that were made, by person, this month", "本月各人员拜访完成率"),
        Question(
            filter="state IN (DONE, MISSED)",
            group_by=("owner_id",),
            measures=("avg:completion", "count", "distinct:account_id"),
            order_by="avg:completion desc",
            limit=50,
            period=Period("planned_time", Span.THIS_MONTH, Compare.PREVIOUS_PERIOD),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        VISITS,
        "coverage_by_person",
        Names("Customers visited, by person, this quarter", "本季度各人员拜访覆盖客户"),
        Question(
            filter="state = DONE",
            group_by=("owner_id",),
            measures=("distinct:account_id", "count"),
            order_by="distinct:account_id desc",
            limit=50,
            period=Period("planned_time", Span.THIS_QUARTER, Compare.PREVIOUS_PERIOD),
        ),
        Chart.BAR,
    ),
)

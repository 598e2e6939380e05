"""Reports about what customers are worth that every tenant has."""

from crm_kit.reports.model import Chart, Names, Question
from crm_kit.reports.ready import ReadyReport

SCORES = "scores"

READY_REPORTS = (
    ReadyReport(
        SCORES,
        "contribution",
        Names("Contribution of customers by value tier", "各价值等级客户贡献"),
        Question(
            group_by=("value_tier.band",),
            measures=("count", "avg:value_tier.value", "sum:value_tier.value"),
            order_by="sum:value_tier.value desc",
        ),
        Chart.BAR,
    ),
    ReadyReport(
        SCORES,
        "retention",
        Names("Customers by RFM band", "客户活跃分层"),
        Question(group_by=("rfm.band",), measures=("count", "avg:value_tier.value")),
        Chart.PIE,
    ),
)

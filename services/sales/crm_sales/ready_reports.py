"""Reports about leads, deals, orders and payments that every tenant has."""

from crm_kit.reports.model import Chart, Compare, Names, Period, Question, Span
from crm_kit.reports.ready import ReadyReport

LEADS, OPPORTUNITIES, ORDERS, PAYMENTS = "leads", "opportunities", "orders", "payments"
OWED = "open_amount > 0"
LAST_YEAR = Compare.SAME_PERIOD_LAST_YEAR

READY_REPORTS = (
    ReadyReport(
        OPPORTUNITIES,
        "won_by_month",
        Names("Won deals by month", "按月赢单"),
        Question(
            filter="state = WON",
            group_by=("close_time:month",),
            measures=("sum:amount", "count", "avg:amount"),
            period=Period("close_time", Span.LAST_12_MONTHS, LAST_YEAR),
        ),
        Chart.LINE,
    ),
    ReadyReport(
        OPPORTUNITIES,
        "won_by_owner",
        Names("Won deals by owner, this quarter", "本季度各负责人赢单"),
        Question(
            filter="state = WON",
            group_by=("owner_id",),
            measures=("sum:amount", "count"),
            order_by="sum:amount desc",
            limit=20,
            period=Period("close_time", Span.THIS_QUARTER, Compare.PREVIOUS_PERIOD),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        OPPORTUNITIES,
        "pipeline_by_stage",
        Names("Open pipeline by stage", "各阶段商机"),
        Question(filter="state = OPEN", group_by=("pipeline_id", "stage_id"), measures=("count", "sum:amount")),
        Chart.FUNNEL,
    ),
    ReadyReport(
        OPPORTUNITIES,
        "won_and_lost",
        Names("Won and lost deals by month, this year", "今年每月赢单与输单"),
        Question(
            filter="state IN (WON, LOST)",
            group_by=("close_time:month", "state"),
            measures=("count", "sum:amount"),
            period=Period("close_time", Span.THIS_YEAR),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        LEADS,
        "by_source",
        Names("Leads by source and state", "线索来源与转化"),
        Question(group_by=("source", "state"), measures=("count",)),
        Chart.BAR,
    ),
    ReadyReport(
        LEADS,
        "new_by_month",
        Names("New leads by month", "每月新增线索"),
        Question(
            group_by=("create_time:month",),
            measures=("count",),
            period=Period("create_time", Span.LAST_12_MONTHS, LAST_YEAR),
        ),
        Chart.LINE,
    ),
    ReadyReport(
        ORDERS,
        "placed_by_month",
        Names("Orders by month", "每月订单"),
        Question(
            filter="state IN (RELEASED, PARTLY_PAID, PAID)",
            group_by=("place_time:month",),
            measures=("sum:gross_amount", "sum:paid_amount", "count", "distinct:account_id"),
            period=Period("place_time", Span.LAST_12_MONTHS, LAST_YEAR),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        ORDERS,
        "arrears_by_due_month",
        Names("Arrears by due month", "按到期月份的逾期应收"),
        Question(
            filter=f"{OWED} AND due_date < today",
            group_by=("due_date:month",),
            measures=("sum:open_amount", "count", "distinct:account_id"),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        ORDERS,
        "arrears_by_account",
        Names("Arrears by customer", "按客户的逾期应收"),
        Question(
            filter=f"{OWED} AND due_date < today",
            group_by=("account_id",),
            measures=("sum:open_amount", "count", "min:due_date"),
            order_by="sum:open_amount desc",
            limit=50,
        ),
    ),
    ReadyReport(
        ORDERS,
        "outstanding_by_due_month",
        Names("Outstanding amounts by due month", "按到期月份的应收"),
        Question(filter=OWED, group_by=("due_date:month",), measures=("sum:open_amount", "count")),
        Chart.BAR,
    ),
    ReadyReport(
        ORDERS,
        "settlement_by_account",
        Names("Ordered, paid and outstanding by customer, this year", "今年各客户订单、回款与应收"),
        Question(
            filter="state IN (RELEASED, PARTLY_PAID, PAID)",
            group_by=("account_id",),
            measures=("sum:gross_amount", "sum:paid_amount", "sum:open_amount", "count"),
            order_by="sum:gross_amount desc",
            limit=50,
            period=Period("place_time", Span.THIS_YEAR, LAST_YEAR),
        ),
    ),
    ReadyReport(
        PAYMENTS,
        "received_by_month",
        Names("Payments received by month", "每月回款"),
        Question(
            filter="state = RECEIVED",
            group_by=("receive_time:month",),
            measures=("sum:amount", "count"),
            period=Period("receive_time", Span.LAST_12_MONTHS, LAST_YEAR),
        ),
        Chart.BAR,
    ),
    ReadyReport(
        PAYMENTS,
        "received_by_account",
        Names("Payments by customer, this year", "今年各客户回款"),
        Question(
            filter="state = RECEIVED",
            group_by=("account_id",),
            measures=("sum:amount", "max:receive_time"),
            order_by="sum:amount desc",
            limit=50,
            period=Period("receive_time", Span.THIS_YEAR, LAST_YEAR),
        ),
    ),
)

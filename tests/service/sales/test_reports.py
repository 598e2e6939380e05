"""Reports written, shared, changed and put away through their contract, and answered with the reader's rights."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.sales.v1 import opportunities_pb2
from crm_kit.directory.projection import project_role, project_user
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.money import Money
from crm_kit.reports import commands
from crm_kit.reports.periods import a_year_before
from crm_kit.zones import DEFAULT_ZONE
from crm_sales.payments.model import Payment
from crm_sales.payments.resource import PAYMENTS

from tests.service.kit.custom_fields import message_values, new_field
from tests.service.reporting import Answer, Period, Question, Report, Reports
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import clients, cny, known_account

READS = {"leads.read": Scope.OWN, "leads.write": Scope.OWN}
NOW = datetime(2026, 3, 31, 4, tzinfo=UTC)


@pytest.fixture
def reports(sales: Running) -> Reports:
    return Reports(sales.channel, "leads")


async def test_a_report_is_created_run_changed_copied_put_away_and_brought_back(
    user: User, reports: Reports, create: CreateLead
) -> None:
    await create(source="web")
    await create(source="fair")
    report = await reports.create(user, question=Question(group_by=["source"]), chart=Report.CHART_PIE)
    assert (report.collection, report.owner_id, report.owner_name) == ("leads", str(user.id), "somebody")
    assert (report.visibility, report.state) == (Report.VISIBILITY_PRIVATE, Report.STATE_ACTIVE)
    assert (await reports.listed(user)).reports == [report] == [await reports.get(user, report)]
    answer = await reports.run(user, report)
    assert [(row.keys[0].value, row.record_count) for row in answer.rows] == [("fair", 1), ("web", 1)]
    assert (answer.total.record_count, answer.time_zone) == (2, "Asia/Shanghai")
    report.question.filter = "source = web"
    changed = await reports.update(user, report, "question")
    assert [row.record_count for row in (await reports.run(user, changed)).rows] == [1]
    with refused("ABORTED", "ETAG_MISMATCH"):
        await reports.update(user, report, "question")
    copy = await reports.does("Copy", user, changed, display_name="mine")
    assert (copy.display_name, copy.question, copy.chart) == ("mine", changed.question, Report.CHART_PIE)
    archived = await reports.does("Archive", user, changed)
    assert (await reports.listed(user)).reports == [copy]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await reports.update(user, archived, "question")
    assert (await reports.does("Restore", user, changed)).state == Report.STATE_ACTIVE
    actions = [change.action for change in (await reports.changes(user, changed)).changes]
    assert actions == ["RESTORED", "ARCHIVED", "UPDATED", "CREATED"]


@pytest.mark.parametrize(
    ("question", "reason", "place"),
    [
        ({"filter": "colour = red"}, "INVALID_FILTER", "filter"),
        ({"filter": " AND ".join(["source = x"] * 41)}, "INVALID_ARGUMENT", "filter"),
        ({"filter": "(" * 20 + "source = x" + ")" * 20}, "INVALID_ARGUMENT", "filter"),
        ({"group_by": ["source", "display_name"]}, "INVALID_ARGUMENT", "group_by[1]"),
        ({"group_by": ["phone_number"]}, "INVALID_ARGUMENT", "group_by[0]"),
        ({"group_by": ["create_time"]}, "INVALID_ARGUMENT", "group_by[0]"),
        ({"group_by": ["create_time:hour"]}, "INVALID_ARGUMENT", "group_by[0]"),
        ({"group_by": ["source:month"]}, "INVALID_ARGUMENT", "group_by[0]"),
        ({"group_by": ["custom.none"]}, "INVALID_ARGUMENT", "group_by[0]"),
        ({"measures": ["sum:source"]}, "INVALID_ARGUMENT", "measures[0]"),
        ({"measures": ["count", "median:create_time"]}, "INVALID_ARGUMENT", "measures[1]"),
        ({"measures": ["max:email"]}, "INVALID_ARGUMENT", "measures[0]"),
        ({"measures": ["distinct:phone_number"]}, "INVALID_ARGUMENT", "measures[0]"),
        ({"order_by": "source desc"}, "INVALID_ARGUMENT", "order_by"),
        ({"group_by": ["source"], "order_by": "source down"}, "INVALID_ARGUMENT", "order_by"),
        ({"period": Period(field="source", span=Period.SPAN_TODAY)}, "INVALID_ARGUMENT", "period.field"),
    ],
)
async def test_what_the_collection_cannot_answer_is_refused_by_name_when_it_is_kept_and_when_it_is_asked(
    user: User, reports: Reports, question: dict[str, Any], reason: str, place: str
) -> None:
    with refused("INVALID_ARGUMENT", reason) as refusal:
        await reports.create(user, question=Question(**question))
    assert refusal.fields == [f"report.question.{place}"], refusal.detail
    if place != "filter" or reason == "INVALID_FILTER":
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await reports.ask(user, **question)
        assert refusal.fields == [f"question.{place}"], refusal.detail


async def test_a_report_is_seen_by_whom_it_is_shared_with_and_by_nobody_else(sales: Running, reports: Reports) -> None:
    tenant = await sales.tenant()
    owner = await sales.user(tenant)
    role_id = new_id()
    async with sales.unit_of_work(tenant) as work:
        project_role(work, id=role_id, grants=READS, version=1)
    other = await sales.user(tenant, grants=READS)
    private = await reports.create(owner)
    everybodys = await reports.create(owner, visibility=Report.VISIBILITY_TENANT)
    by_role = await reports.create(owner, visibility=Report.VISIBILITY_ROLES, role_ids=[str(role_id)])
    assert list((await reports.listed(other)).reports) == [everybodys]
    assert (await reports.run(other, everybodys)).total.record_count == 0
    for unseen in (private, by_role):
        with refused("NOT_FOUND", "REPORT_NOT_FOUND"):
            await reports.run(other, unseen)
        with refused("NOT_FOUND", "REPORT_NOT_FOUND"):
            await reports.changes(other, unseen)
        with refused("NOT_FOUND", "REPORT_NOT_FOUND"):
            await reports.does("Copy", other, unseen)
    await have_role(sales, other, role_id)
    assert list((await reports.listed(other)).reports) == [by_role, everybodys]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await reports.does("Archive", other, everybodys)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await reports.update(other, everybodys, "display_name")


async def have_role(sales: Running, user: User, role_id: UUID) -> None:
    async with sales.unit_of_work(user.tenant_id) as work:
        project_user(
            work,
            id=user.id,
            login=f"{user.id.hex[-12:]}@example.test",
            display_name="somebody",
            active=True,
            team_id=None,
            role_ids=[role_id],
            version=2,
        )
    sales.service.directory.forget(user.tenant_id)


async def test_sharing_takes_the_permission_and_roles_that_exist(sales: Running, reports: Reports) -> None:
    someone = await sales.user(grants=READS)
    for visibility in (Report.VISIBILITY_TENANT, Report.VISIBILITY_ROLES):
        roles = [str(new_id())] if visibility == Report.VISIBILITY_ROLES else []
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await reports.create(someone, visibility=visibility, role_ids=roles)
    own = await reports.create(someone)
    own.visibility = Report.VISIBILITY_TENANT
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await reports.update(someone, own, "visibility")
    admin = await sales.user(someone.tenant_id)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await reports.create(admin, visibility=Report.VISIBILITY_ROLES, role_ids=[str(new_id())])
    assert refusal.fields == ["report.role_ids[0]"]
    for visibility, roles in ((Report.VISIBILITY_ROLES, []), (Report.VISIBILITY_PRIVATE, [str(new_id())])):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await reports.create(admin, visibility=visibility, role_ids=roles)
        assert refusal.fields == ["report.role_ids"]


async def test_nobody_keeps_more_reports_than_there_is_room_for(
    user: User, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MAX_REPORTS", 1)
    report = await reports.create(user)
    with refused("FAILED_PRECONDITION", "REPORT_LIMIT_REACHED"):
        await reports.does("Copy", user, report)


async def test_built_in_reports_are_listed_run_and_copied_and_not_changed(user: User, reports: Reports) -> None:
    listed = await reports.listed(user)
    assert listed.built_in_reports[0].names.en == "Leads by source and state"
    assert not (await reports.listed(user, filter="visibility = TENANT")).built_in_reports
    for ready in listed.built_in_reports:
        assert ready.built_in
        assert ready == await reports.get(user, ready)
        assert (await reports.run(user, ready)).total.record_count == 0
        for verb in ("Archive", "Restore"):
            with refused("FAILED_PRECONDITION", "REPORT_BUILT_IN"):
                await reports.does(verb, user, ready)
        with refused("FAILED_PRECONDITION", "REPORT_BUILT_IN"):
            await reports.update(user, ready, "display_name")
    copy = await reports.does("Copy", user, listed.built_in_reports[0])
    assert (copy.question, copy.built_in) == (listed.built_in_reports[0].question, False)
    assert copy.owner_id == str(user.id)


async def test_somebody_who_sees_three_records_gets_figures_of_three(
    sales: Running, user: User, reports: Reports, create: CreateLead
) -> None:
    other = await sales.user(user.tenant_id, grants=READS)
    for source in ("web", "web", "fair"):
        await create(by=other, source=source)
    await create(source="web")
    report = await reports.create(user, question=Question(group_by=["source"]), visibility=Report.VISIBILITY_TENANT)
    assert counts(await reports.run(user, report)) == {"web": 3, "fair": 1}
    assert counts(await reports.run(other, report)) == {"web": 2, "fair": 1}
    blind = await sales.user(user.tenant_id, grants={"orders.read": Scope.ALL})
    for call in (reports.run(blind, report), reports.get(blind, report), reports.listed(blind), reports.ask(blind)):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await call


def counts(answer: Answer) -> dict[str, int]:
    return {row.keys[0].value: row.record_count for row in answer.rows}


# --- groups that are left out, and two times side by side


async def paid(sales: Running, user: User, *payments: tuple[str, str, datetime]) -> Reports:
    """Reports of payments at accounts: amount, currency and when it was received of each."""
    account = UUID(await known_account(sales, user.tenant_id, user))
    async with sales.unit_of_work(user.tenant_id) as work:
        for amount, currency_code, time in payments:
            payment = Payment(
                id=new_id(),
                account_id=account,
                amount=Money(Decimal(amount), currency_code),
                unallocated_amount=Money(Decimal(amount), currency_code),
                receive_time=time,
                owner_id=user.id,
                allocations=(),
                create_time=time,
                update_time=time,
            )
            work.insert(PAYMENTS.table, PAYMENTS.row_of(payment))
    return Reports(sales.channel, "payments")


async def test_what_is_beyond_the_limit_is_told_together(sales: Running, user: User) -> None:
    days = [NOW - timedelta(days=day) for day in range(5)]
    reports = await paid(sales, user, *((str(at + 1), "CNY", day) for at, day in enumerate(days)))
    measures = ["sum:amount", "avg:amount", "max:amount"]
    by = {"group_by": ["receive_time:day"], "measures": measures, "order_by": "sum:amount desc", "limit": 2}
    answer = await reports.ask(user, **by)
    assert [cells(row)["sum:amount"] for row in answer.rows] == ["5.00", "4.00"]
    assert cells(answer.others) == {"sum:amount": "6.00", "avg:amount": "2.00"}
    assert (answer.others.record_count, answer.others.filter) == (3, "")
    assert cells(answer.total) == {"sum:amount": "15.00", "avg:amount": "3.00", "max:amount": "5.00"}


def cells(row: Any) -> dict[str, str]:
    return {cell.measure: cell.figure.amount.amount for cell in row.cells}


async def test_a_month_stands_beside_the_same_month_of_the_year_before(sales: Running, user: User) -> None:
    as_of = (await Reports(sales.channel, "payments").ask(user)).as_of_time.ToDatetime(UTC)
    # Where the tenant is, another month or year may have begun.
    now = as_of.astimezone(ZoneInfo(DEFAULT_ZONE))
    this_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    last_year = this_month.replace(year=now.year - 1)
    reports = await paid(
        sales, user, ("10", "CNY", this_month), ("4", "CNY", last_year), ("7", "USD", last_year), ("1", "CNY", NOW)
    )
    compare = Period.COMPARE_SAME_PERIOD_LAST_YEAR
    period = Period(field="receive_time", span=Period.SPAN_LAST_12_MONTHS, compare=compare)
    answer = await reports.ask(
        user, group_by=["receive_time:month"], measures=["sum:amount", "count"], period=period, filter="amount > 1"
    )
    (row,) = [each for each in answer.rows if each.record_count]
    assert (row.keys[0].value, row.compared_record_count) == (f"{this_month:%Y-%m}-01", 2)
    assert (row.keys[0].en, row.keys[0].zh) == (f"{this_month:%Y-%m}", f"{this_month.year}年{this_month.month}月")
    told = {(cell.measure, cell.currency_code): cell for cell in row.cells}
    assert told["sum:amount", "CNY"].difference == "6.00"
    assert told["sum:amount", "CNY"].compared.amount.amount == "4.00"
    assert told["sum:amount", "USD"].difference == "-7.00"
    assert not told["sum:amount", "USD"].HasField("figure")
    assert told["count", ""].difference == "-1"
    assert (answer.compared_period.last_date[:4], answer.period.last_date[:4]) == (str(now.year - 1), str(now.year))
    by_filter = {row.filter: 1, row.compared_filter: 2, told["sum:amount", "USD"].compared.filter: 1}
    for filter, number in by_filter.items():
        assert (await reports.ask(user, filter=filter)).total.record_count == number


async def test_a_text_that_was_spelled_otherwise_in_the_time_before_stands_beside_itself(
    sales: Running, user: User
) -> None:
    """It is told as most have spelled it, in each of both times."""
    await new_field(sales, user, "note", collection="opportunities")
    reports, api = Reports(sales.channel, "opportunities"), clients(sales)
    account_id = await known_account(sales, user.tenant_id, user)
    zone = ZoneInfo(DEFAULT_ZONE)
    today = (await reports.ask(user)).as_of_time.ToDatetime(UTC).astimezone(zone).date()
    for day, note in ((today, "Full"), (a_year_before(today), "FULL"), (a_year_before(today), "FULL")):
        opportunity = opportunities_pb2.Opportunity(
            account_id=account_id,
            display_name="锅炉",
            amount=cny("1.00"),
            expected_close_date=str(day),
            custom=message_values({"note": note}),
        )
        request = opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity)
        await api.opportunities.CreateOpportunity(request, metadata=user.metadata)
    compare = Period.COMPARE_SAME_PERIOD_LAST_YEAR
    period = Period(field="expected_close_date", span=Period.SPAN_THIS_YEAR, compare=compare)
    answer = await reports.ask(user, group_by=["custom.note"], period=period)
    (row,) = answer.rows
    assert (row.keys[0].value, row.record_count, row.compared_record_count) == ("Full", 1, 2)

"""Reports that are sent on a schedule: to each what they may read, once each time, and to nobody who lost the right."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage
from io import BytesIO
from typing import Any
from zoneinfo import ZoneInfo

import openpyxl
import pytest
from crm.resource.v1.automation_rules_pb2 import AutomationRule
from crm.resource.v1.events_pb2 import NoticeRaised
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import ResourceExhausted, invalid_field
from crm_kit.identity.access import Scope
from crm_kit.mail import gathering
from crm_kit.mail.gathering import set_up_mail
from crm_kit.mail.sending import MailSender
from crm_kit.mail.server import mail_server
from crm_kit.paging import PageTokens
from crm_kit.plumbing import outgoing_mails, report_timers
from crm_kit.reports.ready import ready_reports
from crm_kit.reports.sending import NOT_MADE, ReportSending
from crm_kit.reports.servicer import ReportServicer, reported
from crm_kit.resource.names import Names, named_tables
from crm_kit.zones import DEFAULT_ZONE
from sqlalchemy import delete, func, select

from tests.service.mailing import Inbox, serving_mail
from tests.service.notices import raised
from tests.service.reporting import Question, Report, Reports
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead

Schedule = AutomationRule.Schedule
READER = {"leads.read": Scope.OWN, "leads.write": Scope.OWN}
AHEAD = timedelta(hours=12)


@pytest.fixture
def reports(sales: Running) -> Reports:
    return Reports(sales.channel, "leads")


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with serving_mail(Inbox()) as served:
        yield served


@pytest.fixture
async def posting(sales: Running) -> AsyncIterator[Running]:
    """The service with a mail server."""
    database = sales.service.database
    set_up_mail(database)
    yield sales
    await database.all(ALL_TENANTS, compile_statement(delete(outgoing_mails)), {})
    gathering._WITH_SERVER.discard(database)


def daily() -> Schedule:
    """Each day, next in twelve hours: whenever the test runs, it is not due while it does."""
    at = datetime.now(ZoneInfo(DEFAULT_ZONE)) + AHEAD
    return Schedule(every=Schedule.EVERY_DAILY, at=at.strftime("%H:%M"))


def to(*users: User, **fields: Any) -> Report.Subscription:
    return Report.Subscription(**{"schedule": daily(), "user_ids": [str(each.id) for each in users], **fields})


def sending(sales: Running, ahead: timedelta = AHEAD + timedelta(minutes=1), *, console_url: str = "") -> ReportSending:
    """The job of another process, whose time is ahead."""
    service = sales.service
    asked = reported(service.resources)
    names = Names(named_tables(service.resources) | service.names)
    servicer = ReportServicer(asked, ready_reports(service.ready_reports, asked), names, PageTokens(b"x" * 32))
    tenants = Tenants(service.database, service.clock, lambda: system_now() + ahead)
    return ReportSending(tenants, service.directory, asked, servicer, console_url)


async def deliver(sales: Running, inbox: Inbox) -> None:
    tenants = Tenants(sales.service.database, sales.service.clock)
    sender = MailSender(tenants, mail_server(f"smtp://127.0.0.1:{inbox.port}", "Guanxi <crm@example.org>"))
    while await sender.look():
        pass


def login(user: User) -> str:
    return f"{user.id.hex[-12:]}@example.test"


def rows_in(mail: EmailMessage) -> list[list[Any]]:
    """The rows of the workbook that came with a mail."""
    (file,) = mail.iter_attachments()
    content = file.get_content()
    sheet = openpyxl.load_workbook(BytesIO(content)).active
    assert sheet is not None
    return [list(row) for row in sheet.iter_rows(values_only=True)]


async def told(sales: Running, user: User) -> list[tuple[str, str]]:
    """The outcomes of the notices that tell somebody of reports, with the report."""
    return [
        (each.values["outcome"], each.record_id)
        for each in await raised(sales, user.tenant_id)
        if str(user.id) in each.user_ids and each.collection == "reports"
    ]


async def timers_of(sales: Running, user: User) -> int:
    query = select(func.count().label("found")).where(report_timers.c.tenant_id == user.tenant_id)
    (row,) = await sales.service.database.all(user.tenant_id, compile_statement(query), {})
    return int(row["found"])


async def test_each_is_sent_the_figures_that_they_may_read_as_a_workbook_in_their_language(
    posting: Running, inbox: Inbox, user: User, reports: Reports, create: CreateLead
) -> None:
    reader = await posting.user(user.tenant_id, grants=READER)
    await create(source="web")
    await create(source="fair")
    await create(by=reader, source="web")
    both = [to(user), to(reader, language="en")]
    shared = {"visibility": Report.VISIBILITY_TENANT, "display_name": "线索/来源"}
    report = await reports.create(user, question=Question(group_by=["source"]), subscriptions=both, **shared)
    assert [list(each.user_names) for each in report.subscriptions] == [["somebody"], ["somebody"]]
    await sending(posting, timedelta(hours=11)).look()
    assert await told(posting, user) == []
    await sending(posting).look()
    await deliver(posting, inbox)
    (mine,), (theirs,) = inbox.to(login(user)), inbox.to(login(reader))
    assert rows_in(mine) == [["线索来源", "记录数", "数量"], ["web", 2, 2], ["fair", 1, 1], ["合计", 3, 3]]
    assert rows_in(theirs)[1:] == [["web", 1, 1], ["Total", 1, 1]]
    day = (system_now() + AHEAD).astimezone(ZoneInfo(DEFAULT_ZONE)).date()
    (file,) = mine.iter_attachments()
    assert str(mine["Subject"]).startswith("线索/来源 ")
    assert file.get_filename() in {f"线索-来源-{each}.xlsx" for each in (day, day + timedelta(days=1))}
    assert await told(posting, user) == await told(posting, reader) == [("", report.id)]


async def test_processes_that_look_at_once_and_again_send_it_once_each_time(
    posting: Running, user: User, reports: Reports
) -> None:
    others = [await posting.user(user.tenant_id, grants=READER) for _ in range(4)]
    await reports.create(user, subscriptions=[to(user, *others)], visibility=Report.VISIBILITY_TENANT)
    jobs = [sending(posting) for _ in range(3)]
    await asyncio.gather(*(job.look() for job in jobs for _ in range(2)))
    # One whose work another did tries again when it looks next.
    await asyncio.gather(*(job.look() for job in jobs))
    for each in (user, *others):
        assert len(await told(posting, each)) == 1
    # A day later, and after three days of which nobody sent anything, once more.
    await sending(posting, AHEAD + timedelta(days=1, minutes=1)).look()
    await sending(posting, AHEAD + timedelta(days=4, minutes=1)).look()
    assert len(await told(posting, others[0])) == 3


async def test_a_process_that_dies_between_two_recipients_leaves_nobody_out_and_nobody_twice(
    posting: Running, user: User, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [await posting.user(user.tenant_id, grants=READER) for _ in range(3)]
    await reports.create(user, subscriptions=[to(user, *others)], visibility=Report.VISIBILITY_TENANT)
    commit, commits = UnitOfWork.commit, 0

    async def dying(work: UnitOfWork) -> None:
        nonlocal commits
        if work.tenant_id == user.tenant_id:
            commits += 1
            if commits > 2:
                raise asyncio.CancelledError
        await commit(work)

    with monkeypatch.context() as patched:
        patched.setattr(UnitOfWork, "commit", dying)
        with pytest.raises(asyncio.CancelledError):
            await sending(posting).look()
    await sending(posting).look()
    assert [len(await told(posting, each)) for each in (user, *others)] == [1] * 4


async def test_who_left_or_may_not_read_it_any_more_is_sent_nothing_and_they_and_the_owner_are_told(
    posting: Running, inbox: Inbox, user: User, reports: Reports
) -> None:
    gone, barred, stays = [await posting.user(user.tenant_id, grants=READER) for _ in range(3)]
    both = [to(gone, barred, stays), to(gone)]
    report = await reports.create(user, subscriptions=both, visibility=Report.VISIBILITY_TENANT)
    await posting.change_user(gone, active=False)
    await posting.change_user(barred)
    posting.service.directory.forget(user.tenant_id)
    # Two of one report are not changed at once: what is left is done with the next look.
    for _ in range(3):
        await sending(posting).look()
    await deliver(posting, inbox)
    assert inbox.recipients == [login(stays)]
    left = await reports.get(user, report)
    assert [list(each.user_ids) for each in left.subscriptions] == [[str(stays.id)]]
    assert left.subscriptions[0].id == report.subscriptions[0].id
    assert await told(posting, barred) == [("ENDED", report.id)]
    assert await told(posting, user) == [("ENDED", report.id)] * 3
    assert await timers_of(posting, user) == 1


async def test_who_it_is_shared_with_no_longer_is_not_sent_it(posting: Running, user: User, reports: Reports) -> None:
    reader = await posting.user(user.tenant_id, grants=READER)
    report = await reports.create(user, subscriptions=[to(user, reader)], visibility=Report.VISIBILITY_TENANT)
    report.visibility = Report.VISIBILITY_PRIVATE
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await reports.update(user, report, "visibility")
    assert refusal.fields == ["report.subscriptions[0].user_ids"]
    report.subscriptions[0].CopyFrom(to(user, id=report.subscriptions[0].id))
    await reports.update(user, report, "visibility", "subscriptions")
    await sending(posting).look()
    assert (await told(posting, user), await told(posting, reader)) == ([("", report.id)], [])


async def test_only_who_may_read_it_is_subscribed(sales: Running, user: User, reports: Reports) -> None:
    blind, stranger = await sales.user(user.tenant_id, grants={}), await sales.user()
    shared = {"visibility": Report.VISIBILITY_TENANT}
    field = "report.subscriptions[0].user_ids"
    for subscription, reason, fields, more in (
        (to(blind), "ASSIGNMENT_NOT_ALLOWED", [field], shared),
        (to(stranger), "REFERENCE_NOT_FOUND", [field + "[0]"], shared),
        (to(user, blind), "INVALID_ARGUMENT", [field], {}),
        (to(), "INVALID_ARGUMENT", [field], {}),
        (to(user, language="fr"), "INVALID_ARGUMENT", ["report.subscriptions[0].language"], {}),
        (to(user, schedule=Schedule(every=Schedule.EVERY_WEEKLY, at="08:00")), "INVALID_ARGUMENT", None, {}),
    ):
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await reports.create(user, subscriptions=[subscription], **more)
        assert fields is None or refusal.fields == fields
    # Others subscribe nobody to what is not theirs to share.
    reader = await sales.user(user.tenant_id, grants=READER)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await reports.create(reader, subscriptions=[to(reader)], **shared)
    assert (await reports.create(reader, subscriptions=[to(reader)])).subscriptions[0].id


async def test_a_report_that_is_put_away_is_sent_again_once_it_is_back_and_a_change_moves_no_other(
    posting: Running, user: User, reports: Reports
) -> None:
    report = await reports.create(user, subscriptions=[to(user), to(user)])
    first, second = report.subscriptions
    assert first.id != second.id
    archived = await reports.does("Archive", user, report)
    assert await timers_of(posting, user) == 0
    await sending(posting).look()
    assert await told(posting, user) == []
    restored = await reports.does("Restore", user, archived)
    assert restored.subscriptions == report.subscriptions
    assert await timers_of(posting, user) == 2
    # What is sent back as it came stays; an id that is not the report's is none.
    del restored.subscriptions[1]
    restored.subscriptions.add(schedule=daily(), user_ids=[str(user.id)], id=report.id)
    changed = await reports.update(user, restored, "subscriptions")
    assert changed.subscriptions[0] == first
    assert changed.subscriptions[1].id not in {second.id, report.id}
    await sending(posting).look()
    assert len(await told(posting, user)) == 2
    assert not (await reports.does("Copy", user, report)).subscriptions


async def test_a_schedule_that_is_changed_while_it_is_being_sent_holds(
    posting: Running, user: User, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = await reports.create(user, subscriptions=[to(user)])
    at = datetime.now(ZoneInfo(DEFAULT_ZONE)) + AHEAD + timedelta(hours=2)
    report.subscriptions[0].schedule.at = at.strftime("%H:%M")
    run = ReportServicer.RunReport

    async def meanwhile(*asked: Any) -> Any:
        monkeypatch.setattr(ReportServicer, "RunReport", run)
        await reports.update(user, report, "subscriptions")
        return await run(*asked)

    monkeypatch.setattr(ReportServicer, "RunReport", meanwhile)
    await sending(posting).look()
    assert (await reports.get(user, report)).subscriptions == report.subscriptions
    assert await told(posting, user) == []
    await sending(posting, AHEAD + timedelta(hours=2, minutes=1)).look()
    assert [outcome for outcome, _ in await told(posting, user)] == [""]


@pytest.mark.parametrize(
    ("error", "outcomes"),
    [
        (invalid_field("question", "slow_question", "takes longer than 8 seconds"), ["FAILED", ""]),
        # Too many are answered: it is tried again a minute later, and nobody is told of it.
        (ResourceExhausted("too many questions"), [""]),
    ],
)
async def test_what_cannot_be_answered_is_told_and_what_cannot_be_answered_now_is_tried_again(
    posting: Running,
    user: User,
    reports: Reports,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    outcomes: list[str],
) -> None:
    await reports.create(user, subscriptions=[to(user)])

    async def fails(*_: Any) -> Mapping[str, Any]:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(ReportServicer, "RunReport", fails)
        await sending(posting).look()
        await sending(posting).look()
    texts = [each.text for each in await raised(posting, user.tenant_id) if isinstance(each, NoticeRaised)]
    assert texts == ([str(error)] if len(outcomes) == 2 else [])
    later = timedelta(minutes=2) if len(outcomes) == 1 else timedelta(days=1)
    await sending(posting, AHEAD + timedelta(minutes=1) + later).look()
    assert [outcome for outcome, _ in await told(posting, user)] == outcomes


async def test_what_fails_by_a_fault_of_ours_is_tried_for_an_hour_and_then_told_and_sent_the_next_time(
    posting: Running, user: User, reports: Reports, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await posting.user(user.tenant_id, grants=READER)
    await reports.create(user, subscriptions=[to(user, other)], visibility=Report.VISIBILITY_TENANT)

    async def fails(*_: Any) -> Mapping[str, Any]:
        raise RuntimeError

    with monkeypatch.context() as patched:
        patched.setattr(ReportServicer, "RunReport", fails)
        for minutes in (1, 3, 59):
            await sending(posting, AHEAD + timedelta(minutes=minutes)).look()
        assert await told(posting, user) == []
        await sending(posting, AHEAD + timedelta(minutes=62)).look()
    for each in (user, other):
        assert [outcome for outcome, _ in await told(posting, each)] == ["FAILED"]
    texts = {each.text for each in await raised(posting, user.tenant_id) if isinstance(each, NoticeRaised)}
    assert texts == {NOT_MADE}
    await sending(posting, AHEAD + timedelta(days=1, minutes=1)).look()
    for each in (user, other):
        assert [outcome for outcome, _ in await told(posting, each)] == ["FAILED", ""]


async def test_without_a_mail_server_people_are_told_in_the_app(sales: Running, user: User, reports: Reports) -> None:
    report = await reports.create(user, subscriptions=[to(user)])
    await sending(sales).look()
    assert await told(sales, user) == [("", report.id)]


async def test_a_report_is_sent_as_a_pdf_to_who_wants_it_so_with_a_link_to_it(
    posting: Running, inbox: Inbox, user: User, reports: Reports, create: CreateLead
) -> None:
    await create(source="web")
    report = await reports.create(
        user, question=Question(group_by=["source"]), subscriptions=[to(user, format="pdf")], display_name="线索来源"
    )
    assert report.subscriptions[0].format == "pdf"
    await sending(posting, console_url="https://crm.example.org/").look()
    await deliver(posting, inbox)
    (mail,) = inbox.to(login(user))
    (file,) = mail.iter_attachments()
    name = file.get_filename()
    assert (name is not None and name.endswith(".pdf"), file.get_content_type()) == (True, "application/pdf")
    content = file.get_content()
    assert content.startswith(b"%PDF-")
    body = mail.get_body()
    assert body is not None
    assert f"https://crm.example.org/reports/leads/{report.id}" in body.get_content()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await reports.create(user, subscriptions=[to(user, format="docx")])
    assert refusal.fields == ["report.subscriptions[0].format"]


async def test_whoever_may_read_a_report_subscribes_themselves_and_nobody_else(
    posting: Running, inbox: Inbox, user: User, reports: Reports
) -> None:
    reader, other, many = [await posting.user(user.tenant_id, grants=READER) for _ in range(3)]
    report = await reports.create(user, visibility=Report.VISIBILITY_TENANT)
    daily_pdf = {"schedule": daily(), "format": "pdf", "language": "en"}
    for _ in range(2):
        subscribed = await reports.does("SubscribeTo", reader, report, **daily_pdf)
    (one,) = subscribed.subscriptions
    assert (list(one.user_ids), one.format, one.language) == ([str(reader.id)], "pdf", "en")
    (joined,) = (await reports.does("SubscribeTo", other, report, **daily_pdf)).subscriptions
    assert (joined.id, list(joined.user_ids)) == (one.id, [str(reader.id), str(other.id)])
    await sending(posting).look()
    await deliver(posting, inbox)
    for each in (reader, other):
        (mail,) = inbox.to(login(each))
        assert [file.get_content_type() for file in mail.iter_attachments()] == ["application/pdf"]
    (left,) = (await reports.does("UnsubscribeFrom", reader, report)).subscriptions
    assert list(left.user_ids) == [str(other.id)]
    assert (await reports.does("UnsubscribeFrom", reader, report)).etag == (await reports.get(user, report)).etag
    await sending(posting, AHEAD + timedelta(days=1, minutes=1)).look()
    assert [len(await told(posting, each)) for each in (reader, other)] == [1, 2]
    for hour in range(4):
        await reports.does("SubscribeTo", many, report, schedule=Schedule(every=Schedule.EVERY_DAILY, at=f"0{hour}:30"))
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await reports.does("SubscribeTo", many, report, schedule=Schedule(every=Schedule.EVERY_DAILY, at="05:30"))
    private = await reports.create(user)
    with refused("NOT_FOUND", "REPORT_NOT_FOUND"):
        await reports.does("SubscribeTo", reader, private, **daily_pdf)
    assert [len(each.subscriptions) for each in (await reports.does("SubscribeTo", user, private, **daily_pdf),)] == [1]

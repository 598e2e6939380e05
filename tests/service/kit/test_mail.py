"""Mail is sent if what it tells of became true: once, unless a process dies at the one moment where nobody can know."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from aiosmtplib import SMTP
from crm_kit.background import Tenants
from crm_kit.clock import Now, system_now
from crm_kit.database.connections import ALL_TENANTS, Record
from crm_kit.database.statements import Statement, compile_statement
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.ids import new_id
from crm_kit.mail import delivery, gathering
from crm_kit.mail.gathering import require_mail, send_mail, set_up_mail
from crm_kit.mail.model import GIVE_UP_AFTER, Attachment, Mail
from crm_kit.mail.sending import CLAIM, MailSender, any_due, next_due
from crm_kit.mail.server import mail_server
from crm_kit.plumbing import outgoing_mails
from crm_local.port_check import free_ports
from crm_local.testing import Servers
from sqlalchemy import delete, select

from tests.service.eventually import eventually
from tests.service.kit.plans import plan_of
from tests.service.mailing import Inbox, saying, serving_mail
from tests.service.running import Running, Tokens, running

INDEXED = {"Index Scan", "Index Only Scan", "Bitmap Heap Scan"}


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with serving_mail(Inbox()) as served:
        yield served


@pytest.fixture
async def posting(scoring: Running) -> AsyncIterator[Running]:
    """A service that has a mail server, and sends nothing but what the test has it send."""
    set_up_mail(scoring.service.database)
    yield scoring
    await scoring.service.database.all(ALL_TENANTS, compile_statement(delete(outgoing_mails)), {})
    gathering._WITH_SERVER.discard(scoring.service.database)


def sender_of(service: Running, inbox: Inbox, now: Now = system_now) -> MailSender:
    tenants = Tenants(service.service.database, service.service.clock, now)
    return MailSender(tenants, mail_server(f"smtp://127.0.0.1:{inbox.port}", "Guanxi <crm@example.org>"))


async def gather(service: Running, *recipients: str, tenant_id: UUID | None = None) -> UUID:
    async with service.unit_of_work(tenant_id or await service.tenant()) as work:
        id = send_mail(work, Mail(recipients, "A subject", "A text"))
    assert id is not None
    return id


async def kept(service: Running, id: UUID) -> Record:
    one = select(outgoing_mails).where(outgoing_mails.c.id == id)
    (row,) = await service.service.database.all(ALL_TENANTS, compile_statement(one), {})
    return row


def after(time: timedelta) -> Now:
    moment: datetime = system_now() + time
    return lambda: moment


def found_in(plan: Mapping[str, Any], table: str) -> Iterator[str]:
    """The kinds of scans of a table in a plan."""
    if plan.get("Relation Name") == table:
        yield plan["Node Type"]
    for each in plan.get("Plans", ()):
        yield from found_in(each, table)


async def test_a_mail_is_sent_once_with_its_files(posting: Running, inbox: Inbox) -> None:
    file = Attachment("report.csv", "text/csv", b"a,b")
    async with posting.unit_of_work(await posting.tenant()) as work:
        id = send_mail(work, Mail(("wang@x.example",), "月报", "您好", (file,)))
    sender = sender_of(posting, inbox)
    assert (await sender.look(), await sender.look()) == (True, False)
    (message,) = inbox.to("wang@x.example")
    assert (message["subject"], message["message-id"]) == ("月报", f"<{id}@example.org>")
    assert [each.get_filename() for each in message.iter_attachments()] == ["report.csv"]
    assert id is not None
    row = await kept(posting, id)
    assert (row["state"], row["subject"], row["file_names"]) == ("SENT", "月报", ["report.csv"])
    # What was said is not kept beyond that.
    assert (row["text"], row["contents"]) == ("", [])


async def test_a_unit_of_work_that_fails_sends_nothing(posting: Running, inbox: Inbox) -> None:
    with pytest.raises(ZeroDivisionError):
        async with posting.unit_of_work(await posting.tenant()) as work:
            send_mail(work, Mail(("wang@x.example",), "One", ""))
            raise ZeroDivisionError
    assert not await sender_of(posting, inbox).look()
    assert inbox.mails == []


async def test_many_that_send_at_once_send_each_mail_once(posting: Running, inbox: Inbox) -> None:
    addresses = [f"u{number}@x.example" for number in range(12)]
    for tenant_id in [await posting.tenant() for _ in range(3)]:
        for address in addresses[:4]:
            await gather(posting, address, tenant_id=tenant_id)
        del addresses[:4]

    async def send_all(sender: MailSender) -> None:
        while await sender.look():
            pass

    async def all_arrived() -> bool:
        await asyncio.gather(*(send_all(sender_of(posting, inbox)) for _ in range(6)))
        return len(inbox.mails) >= 12

    await eventually(all_arrived)
    assert sorted(inbox.recipients) == sorted(f"u{number}@x.example" for number in range(12))


async def test_who_dies_between_sending_and_marking_has_it_sent_again_as_the_same_mail(
    posting: Running, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await gather(posting, "wang@x.example")

    class DiedError(Exception):
        pass

    async def dies(*_: object) -> None:
        raise DiedError

    dying = sender_of(posting, inbox)
    monkeypatch.setattr(dying, "_mark", dies)
    with pytest.raises(DiedError):
        await dying.look()
    # Not while it may still be under way.
    assert not await sender_of(posting, inbox, after(CLAIM / 2)).look()
    assert len(inbox.mails) == 1
    assert await sender_of(posting, inbox, after(2 * CLAIM)).look()
    first, again = inbox.to("wang@x.example")
    assert first["message-id"] == again["message-id"]
    assert first.as_bytes() == again.as_bytes()


async def test_what_was_claimed_anew_is_not_marked_by_who_had_it_before(
    posting: Running, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await gather(posting, "wang@x.example")
    inbox.slow.add("wang@x.example")
    slow = asyncio.create_task(sender_of(posting, inbox).look())

    async def is_waiting() -> bool:
        return bool(inbox.waiting)

    await eventually(is_waiting)
    inbox.replies["wang@x.example"] = "450 not now"
    assert await sender_of(posting, inbox, after(2 * CLAIM)).look()
    inbox.go_on.set()
    assert await slow
    row = await kept(posting, id)
    assert (row["state"], row["attempts"], row["reason"]) == ("WAITING", 2, "450 not now")


async def test_a_server_that_is_away_costs_a_mail_nothing(posting: Running) -> None:
    id, inbox = await gather(posting, "wang@x.example"), Inbox()
    async with serving_mail(inbox):
        pass
    assert not await sender_of(posting, inbox).look()
    row = await kept(posting, id)
    assert (row["state"], row["attempts"]) == ("WAITING", 0)
    async with serving_mail(inbox):
        assert await sender_of(posting, inbox).look()
    assert inbox.recipients == ["wang@x.example"]


async def test_a_server_that_is_away_is_not_asked_at_every_look(posting: Running) -> None:
    await gather(posting, "wang@x.example")
    inbox = Inbox()
    async with serving_mail(inbox):
        pass
    sender = sender_of(posting, inbox)
    assert not await sender.look()
    async with serving_mail(inbox):
        assert not await sender.look()
    assert inbox.mails == []


async def test_a_refusal_for_good_is_final_and_one_for_now_is_tried_again(posting: Running, inbox: Inbox) -> None:
    inbox.replies |= {"gone@x.example": "550 unknown", "busy@x.example": "450 busy"}
    id = await gather(posting, "here@x.example", "gone@x.example", "busy@x.example")
    assert await sender_of(posting, inbox).look()
    row = await kept(posting, id)
    assert (row["state"], row["recipients"], row["refused"]) == ("WAITING", ["busy@x.example"], ["gone@x.example"])
    assert not await sender_of(posting, inbox).look()
    inbox.replies.clear()
    assert await sender_of(posting, inbox, after(timedelta(minutes=2))).look()
    row = await kept(posting, id)
    assert (row["state"], row["refused"]) == ("FAILED", ["gone@x.example"])
    # Nobody has it twice, and who it is for says the header of both.
    assert inbox.recipients == ["here@x.example", "busy@x.example"]
    assert len({str(message["to"]) for _, message in inbox.mails}) == 1


async def test_what_a_server_says_in_another_encoding_is_kept_and_nobody_gets_the_mail_again(posting: Running) -> None:
    """Large providers in China answer in GBK."""
    reply = "550 用户不存在\x00".encode("gbk")
    id = await gather(posting, "here@x.example", "gone@x.example")
    async with saying({"gone@x.example": reply, "DATA": b"354 go on"}) as port:
        assert await sender_of(posting, Inbox(port)).look()
    row = await kept(posting, id)
    assert (row["state"], row["refused"], row["recipients"]) == ("FAILED", ["gone@x.example"], [])
    assert r"\xb2\xbb" in row["reason"]


async def test_a_server_that_refuses_to_talk_has_refused_no_mail(posting: Running) -> None:
    id = await gather(posting, "wang@x.example")
    async with saying({"EHLO": b"550 too many of you", "HELO": b"550 too many of you"}) as port:
        assert not await sender_of(posting, Inbox(port)).look()
    row = await kept(posting, id)
    assert (row["state"], row["attempts"], row["recipients"]) == ("WAITING", 0, ["wang@x.example"])


async def test_a_mail_whose_attempt_fails_here_waits_like_others_and_takes_no_place(
    posting: Running, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant_id = await posting.tenant()
    ids = [await gather(posting, "bad@x.example", tenant_id=tenant_id) for _ in range(2)]
    sender = sender_of(posting, inbox)

    def fails(_: Record) -> bytes:
        raise ValueError("no message can be made of it")

    with monkeypatch.context() as patch:
        patch.setattr(sender, "_composed", fails)
        assert (await sender.look(), await sender.look(), await sender.look()) == (True, True, False)
    for id in ids:
        row = await kept(posting, id)
        assert (row["state"], row["attempts"], row["claim_end_time"]) == ("WAITING", 1, None)
        assert row["next_attempt_time"] < system_now() + timedelta(minutes=2)
    await gather(posting, "good@x.example", tenant_id=tenant_id)
    assert await sender.look()
    assert inbox.recipients == ["good@x.example"]


async def test_a_mail_is_sent_however_long_the_server_takes_to_say_good_bye(
    posting: Running, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    timed: list[float] = []

    @contextlib.asynccontextmanager
    async def noted(seconds: float) -> AsyncIterator[None]:
        timed.append(seconds)
        yield
        timed.pop()

    async def says_nothing(_: SMTP) -> None:
        assert timed == [], "the time for the mail still runs"
        raise TimeoutError

    id = await gather(posting, "wang@x.example")
    monkeypatch.setattr(delivery, "asyncio", SimpleNamespace(timeout=noted))
    monkeypatch.setattr(SMTP, "quit", says_nothing)
    assert await sender_of(posting, inbox).look()
    assert (await kept(posting, id))["state"] == "SENT"


async def test_what_nobody_takes_for_three_days_has_failed(posting: Running, inbox: Inbox) -> None:
    id = await gather(posting, "wang@x.example")
    assert await sender_of(posting, inbox, after(GIVE_UP_AFTER + timedelta(minutes=1))).look()
    row = await kept(posting, id)
    assert (row["state"], row["refused"]) == ("FAILED", ["wang@x.example"])
    assert inbox.mails == []


async def test_a_tenant_whose_mail_takes_long_keeps_no_other_waiting(posting: Running, inbox: Inbox) -> None:
    busy, other = await posting.tenant(), await posting.tenant()
    inbox.slow.add("slow@x.example")
    for _ in range(5):
        await gather(posting, "slow@x.example", tenant_id=busy)
    hanging = [asyncio.create_task(sender_of(posting, inbox).look()) for _ in range(2)]

    async def both_hang() -> bool:
        return len(inbox.waiting) == 2

    await eventually(both_hang)
    await gather(posting, "quick@x.example", tenant_id=other)
    sender = sender_of(posting, inbox)
    assert await sender.look()
    assert inbox.recipients == ["quick@x.example"]
    # Its other mails are due, and it has its share.
    assert not await sender.look()
    inbox.go_on.set()
    assert await asyncio.gather(*hanging) == [True, True]


async def test_without_a_server_nothing_is_gathered_and_who_asks_for_mail_is_told(scoring: Running) -> None:
    async with scoring.unit_of_work(await scoring.tenant()) as work:
        assert send_mail(work, Mail(("wang@x.example",), "One", "")) is None
        assert work.pending == []
        with pytest.raises(InvalidArgument):
            send_mail(work, Mail(("nobody",), "One", ""))
        with pytest.raises(FailedPrecondition) as refused:
            require_mail(work)
    assert refused.value.reason == "MAIL_NOT_SET_UP"


async def test_a_service_with_a_server_sends_by_itself(
    servers: Servers, tokens: Tokens, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRM_SMTP_URL", f"smtp://127.0.0.1:{inbox.port}")
    monkeypatch.setenv("CRM_MAIL_FROM", "Guanxi <crm@example.org>")
    async with running("scoring", servers, tokens, listen_address=f"127.0.0.1:{free_ports().scoring}") as service:
        address = f"{new_id().hex}@x.example"
        await gather(service, address)

        async def arrived() -> bool:
            return address in inbox.recipients

        await eventually(arrived)


@pytest.mark.parametrize("query", [any_due, next_due])
async def test_what_is_due_is_found_without_reading_all_mails(posting: Running, query: Callable[[], Statement]) -> None:
    plan = await plan_of(posting.service.database, ALL_TENANTS, query(), {"now": system_now()})
    assert [each for each in found_in(plan, "outgoing_mails") if each not in INDEXED] == []

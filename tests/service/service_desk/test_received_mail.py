"""Mails as they came, through the contract."""

import pytest
from crm.service_desk.v1 import cases_pb2, channels_pb2

from tests.service.running import refused
from tests.service.service_desk.desk import Desk, state
from tests.service.service_desk.intake import Intake, became, intake_of

FIRST = b"""\
Return-Path: <chen@huaxin.example>
From: =?GB2312?B?s8Kzvw==?= <Chen@Huaxin.example>
To: service@ours.example
Message-ID: <1@huaxin.example>
Date: Fri, 27 Nov 2026 09:00:00 +0800
Subject: =?gb2312?B?zaO15w==?=
Content-Type: text/plain; charset=gb2312

"""


@pytest.fixture
async def intake(desk: Desk) -> Intake:
    return await intake_of(desk, case_opening=channels_pb2.Channel.CASE_OPENING_EVERYBODY)


async def test_a_mail_is_taken_in_with_what_it_says(intake: Intake) -> None:
    contact_id = await intake.contact(await intake.account(), emails=["chen@huaxin.example"])
    message = await intake.mail(FIRST + "今天早上起停电".encode("gb2312"))
    assert became(message) == ("MATCHED", "NEW_CASE")
    assert (message.source_id, message.from_name, message.subject) == ("<1@huaxin.example>", "陈晨", "停电")
    assert (message.text, message.contact_id) == ("今天早上起停电", contact_id)


async def test_a_mail_that_comes_again_is_kept_once_whoever_brings_it(intake: Intake) -> None:
    first = await intake.mail(FIRST)
    assert await intake.mail(FIRST) == first
    assert await intake.bring(source_id="<1@huaxin.example>") == first


async def test_a_mail_without_an_id_is_known_by_its_bytes(intake: Intake) -> None:
    raw = b"From: chen@huaxin.example\nSubject: x\n\ny"
    first = await intake.mail(raw)
    assert await intake.mail(raw) == first
    assert (await intake.mail(raw + b"!")).id != first.id


async def test_an_answer_goes_to_its_case_and_that_of_somebody_away_leaves_it_resolved(intake: Intake) -> None:
    first = await intake.mail(FIRST)
    case = await intake.desk.do("OpenCase", cases_pb2.Case(id=first.case_id))
    resolved = await intake.desk.do("ResolveCase", case, resolution="new fuse")
    head = b"From: chen@huaxin.example\nIn-Reply-To: <1@huaxin.example>\n"
    away = await intake.mail(head + b"Message-ID: <2@x>\nAuto-Submitted: auto-replied\n\nI am away")
    assert (became(away), away.case_id, away.automatic) == (("MATCHED", "THREAD"), first.case_id, True)
    assert state(await intake.desk.get(resolved)) == "RESOLVED"
    again = await intake.mail(head + b"Message-ID: <3@x>\n\nIt broke again")
    assert (again.case_id, state(await intake.desk.get(resolved))) == (first.case_id, "REOPENED")


async def test_a_report_of_a_mail_that_did_not_arrive_opens_no_case(intake: Intake) -> None:
    bounce = b"Return-Path: <>\nFrom: MAILER-DAEMON@mx.example\nMessage-ID: <9@mx>\nSubject: Undelivered\n\nsorry"
    assert became(await intake.mail(bounce)) == ("IGNORED", "AUTOMATIC")


@pytest.mark.parametrize(
    "raw", [b"\x00", b"\xff" * 50, b"\n\n\n", b"From:\n\n", b"Date: yesterday\nFrom: a b c <<>>\n\n\x00"]
)
async def test_what_is_hardly_a_mail_is_kept_all_the_same(intake: Intake, raw: bytes) -> None:
    message = await intake.mail(raw)
    assert await intake.get(message) == message


async def test_an_empty_mail_is_refused(intake: Intake) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await intake.mail(b"")
    assert refusal.fields == ["mail"]

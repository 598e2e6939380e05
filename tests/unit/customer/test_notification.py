"""When it is morning for the mail of a day, what a notice says, and whom a choice lets be told."""

from datetime import UTC, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.type.v1 import notice_kind_pb2
from crm_customer.workspace.notification_preferences.model import Choice, Mail, MutedRecord, NotificationPreference
from crm_customer.workspace.notifications.mails import Mails
from crm_customer.workspace.notifications.model import Notification, last_morning
from crm_kit.ids import new_id
from crm_kit.mail.model import MAX_SUBJECT
from crm_kit.notice_texts import SENTENCES, NoticeKind, title_of
from hypothesis import given
from hypothesis import strategies as st

ZONES = ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Pacific/Kiritimati", "Australia/Lord_Howe", "UTC"]
NOW = datetime(2027, 3, 19, 12, tzinfo=UTC)
INSTANTS = st.timedeltas(-timedelta(days=900), timedelta(days=900)).map(lambda ahead: NOW + ahead)


@given(INSTANTS, st.sampled_from(ZONES))
def test_the_last_morning_is_the_latest_eight_o_clock_that_is_over(now: datetime, zone: str) -> None:
    tz, day = ZoneInfo(zone), now.date()
    around = (datetime.combine(day + timedelta(days=days), time(8), tz) for days in range(-3, 4))
    assert last_morning(now, zone) == max(each.astimezone(UTC) for each in around if each.astimezone(UTC) <= now)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_kind_has_a_sentence_in_every_language(language: str) -> None:
    names = {name.removeprefix("NOTICE_KIND_") for name in notice_kind_pb2.NoticeKind.DESCRIPTOR.values_by_name}
    assert names - {"UNSPECIFIED"} == set(NoticeKind)
    sentences = SENTENCES["en" if language == "en" else "zh"]
    assert set(NoticeKind) <= sentences.keys()
    assert sentences.keys() == SENTENCES["en"].keys()


def test_a_sentence_names_what_it_is_about_as_far_as_that_is_known() -> None:
    values = {"what_en": "Lead", "what_zh": "线索"}
    assert title_of("RECORD_ASSIGNED", "张伟", values, "zh") == "已分配给您：线索 张伟"
    assert title_of("RECORD_ASSIGNED", "", values, "en") == "Assigned to you: Lead"
    assert title_of("RECORD_ASSIGNED", "", {}, "en") == "Assigned to you"
    # An outcome that has no sentence of its own is told by that of the kind.
    assert title_of("APPROVAL_DECIDED", "", {"outcome": "ELSE"}, "en") == SENTENCES["en"]["APPROVAL_DECIDED"]


@given(st.text(max_size=400), st.text(max_size=100))
def test_whatever_a_record_is_called_its_mail_can_be_sent(title: str, text: str) -> None:
    """The subject is one line of a length that a mail may have."""
    told = Notification(
        id=new_id(),
        user_id=new_id(),
        kind=NoticeKind.MENTIONED,
        collection="orders",
        record_id=new_id(),
        create_time=NOW,
        update_time=NOW,
        record_title=title,
        text=text,
    )
    mail = Mails("https://crm.example.org").at_once("a@x.example", told, "en")
    assert mail.checked().subject.startswith("You are mentioned")
    assert len(mail.subject) <= MAX_SUBJECT
    assert f"https://crm.example.org/orders/{told.record_id}" in mail.text


@given(st.sets(st.sampled_from(list(NoticeKind))), st.sampled_from(list(NoticeKind)), st.booleans())
def test_what_nobody_has_chosen_is_told_in_the_app_and_of_a_muted_record_nothing(
    chosen: set[NoticeKind], kind: NoticeKind, muted: bool
) -> None:
    record = MutedRecord("orders", UUID(int=7))
    preference = NotificationPreference(
        new_id(),
        create_time=NOW,
        update_time=NOW,
        choices=tuple(Choice(each, in_app=False, mail=Mail.DAILY) for each in chosen),
        muted_records=(record,) if muted else (),
    )
    choice = preference.choice(kind, record)
    assert choice.is_told is not muted
    if not muted:
        assert (choice.in_app, choice.mail) == ((False, Mail.DAILY) if kind in chosen else (True, Mail.NEVER))

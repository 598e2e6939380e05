"""When a mailbox is fetched again, and who is told that it fails."""

from datetime import UTC, datetime, timedelta

from crm_kit.ids import new_id
from crm_service_desk.mailboxes.model import LASTING, Failure, Mailbox, is_to_be_told, wait_after
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
FAILURES = st.sampled_from(Failure)
MAILBOX = Mailbox(new_id(), new_id(), "imap.huaxin.example", "service@huaxin.example", NOW, NOW, password_time=NOW)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "host": st.sampled_from([MAILBOX.host, "imap.elsewhere.example"]),
        "port": st.sampled_from([MAILBOX.port, 1993]),
        "login": st.sampled_from([MAILBOX.login, "else@huaxin.example"]),
        "folder": st.sampled_from(["INBOX", "Support"]),
    },
)


@given(FAILURES, st.integers(1, 10_000))
def test_waits_grow_twofold_from_two_minutes_to_an_hour_or_six_where_a_login_is_refused(
    failure: Failure, count: int
) -> None:
    minutes = 1
    for _ in range(min(count, 20)):
        minutes = min(2 * minutes, 360 if failure is Failure.LOGIN_REFUSED else 60)
    assert wait_after(failure, count) == timedelta(minutes=minutes)


def test_what_can_be_fetched_is_fetched_every_minute() -> None:
    assert wait_after(None, 0) == timedelta(minutes=1)


@given(FAILURES, st.timedeltas(timedelta(0), timedelta(days=3)))
def test_people_are_told_at_once_of_what_only_they_can_mend_and_of_the_rest_after_an_hour(
    failure: Failure, lasting: timedelta
) -> None:
    by_people = {"ADDRESS_NOT_ALLOWED", "NOT_TRUSTED", "LOGIN_REFUSED", "FOLDER_MISSING"}
    assert {each.value for each in LASTING} == by_people
    told = failure.value in by_people or lasting.total_seconds() >= 3600
    assert is_to_be_told(failure, NOW - lasting, NOW) is told
    assert not is_to_be_told(None, NOW - lasting, NOW)


@given(FIELDS)
def test_a_password_stays_with_the_server_and_the_login_it_was_set_for(values: dict[str, object]) -> None:
    other = any(name != "folder" and value != getattr(MAILBOX, name) for name, value in values.items())
    assert (MAILBOX.update(values).password_time is None) is other

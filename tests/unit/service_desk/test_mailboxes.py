"""When a mailbox is fetched again, and who is told that it fails."""

import asyncio
from collections import Counter
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from crm_kit.ids import new_id
from crm_service_desk.mailboxes import fetching
from crm_service_desk.mailboxes.fetching import MAX_MAILBOXES_OF_TENANT, Fetching
from crm_service_desk.mailboxes.model import LASTING, Failure, Mailbox, is_to_be_told, wait_after
from crm_service_desk.mailboxes.queries import MAX_DUE, Due
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
    by_people = {"ADDRESS_NOT_ALLOWED", "NOT_TRUSTED", "LOGIN_REFUSED", "FOLDER_MISSING", "KEY_CHANGED"}
    assert {each.value for each in LASTING} == by_people
    told = failure.value in by_people or lasting.total_seconds() >= 3600
    assert is_to_be_told(failure, NOW - lasting, NOW) is told
    assert not is_to_be_told(None, NOW - lasting, NOW)


@given(FIELDS)
def test_a_password_stays_with_the_server_and_the_login_it_was_set_for(values: dict[str, object]) -> None:
    other = any(name != "folder" and value != getattr(MAILBOX, name) for name, value in values.items())
    assert (MAILBOX.update(values).password_time is None) is other


async def test_a_tenant_with_a_thousand_mailboxes_delays_none_of_another_tenants(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    many, other = UUID(int=1), UUID(int=2)
    # Those of the one have all waited longer.
    waiting = [Due(many, new_id()) for _ in range(1000)] + [Due(other, new_id())]

    async def get_due(_database: Any, _by: datetime, *, without: Collection[UUID]) -> list[Due]:
        return [each for each in waiting if each.tenant_id not in without][:MAX_DUE]

    monkeypatch.setattr(fetching, "get_due", get_due)
    tenants: Any = SimpleNamespace(database=None, now=lambda: NOW)
    nothing: Any = None
    ours = Fetching(tenants, nothing, nothing, nothing, nothing, loopback=False)
    begun: list[Due] = []

    async def hold(due: Due) -> None:
        begun.append(due)
        await asyncio.Event().wait()

    monkeypatch.setattr(ours, "_hold", hold)
    # As the job looks: again at once where there may be more.
    looks = [await ours.look() for _ in range(2)]
    assert looks == [True, False]
    await asyncio.sleep(0)
    assert Counter(each.tenant_id for each in begun) == {many: MAX_MAILBOXES_OF_TENANT, other: 1}
    for task in list(ours._tasks.values()):
        task.cancel()

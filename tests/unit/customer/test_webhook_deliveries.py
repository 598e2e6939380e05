"""When a delivery is tried again and given up, beside an oracle that plays the whole time."""

import base64
import hashlib
import hmac
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from crm_customer.integrations.webhook_deliveries.model import (
    GIVEN_UP_AFTER,
    JITTER,
    MAX_ATTEMPTS_KEPT,
    WAITS,
    State,
    WebhookDelivery,
)
from crm_customer.integrations.webhook_endpoints.calling import excerpt
from crm_customer.integrations.webhook_endpoints.messages import MAX_WAIT, Message, Outcome, time_text, waited_for
from crm_kit.ids import new_id
from crm_kit.webhook_signatures import headers_of, new_secret
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

NOW = datetime(2027, 3, 19, 8, 30, tzinfo=UTC)
DELIVERY = WebhookDelivery(
    id=new_id(),
    endpoint_id=new_id(),
    event_id=new_id(),
    event_type="account.updated",
    collection="accounts",
    record_id=new_id(),
    record_version=2,
    event_time=NOW,
    create_time=NOW,
    update_time=NOW,
    next_attempt_time=NOW,
    content={"time": "2027-03-19T08:30:00Z", "changed_fields": ["name", "credit"]},
)
STATUSES = st.integers(100, 599).filter(lambda status: not 200 <= status < 300)
FAILURES = st.builds(
    Outcome,
    duration_ms=st.integers(0, 15_000),
    status=STATUSES | st.just(0),
    retry_after=st.timedeltas(timedelta(0), MAX_WAIT),
)


@given(st.lists(st.tuples(FAILURES, st.floats(0, 1), st.integers(0, 600)), min_size=1, max_size=40))
def test_what_never_arrives_is_tried_until_three_days_after_its_first_try(
    tries: list[tuple[Outcome, float, int]],
) -> None:
    delivery, began = DELIVERY, NOW
    for count, (outcome, jitter, late) in enumerate(tries, 1):
        began = (delivery.next_attempt_time or NOW) + timedelta(seconds=late if count > 1 else 0)
        ended = began + timedelta(milliseconds=outcome.duration_ms)
        delivery = delivery.tried(outcome, began=began, now=ended, jitter=jitter)
        assert delivery.attempt_count == count
        assert delivery.attempts[-1].attempt_time == began
        assert len(delivery.attempts) == min(count, MAX_ATTEMPTS_KEPT)
        if began - NOW >= GIVEN_UP_AFTER:
            assert (delivery.state, delivery.next_attempt_time) == (State.FAILED, None)
            return
        assert delivery.state is State.PENDING
        assert delivery.next_attempt_time is not None
        wait = delivery.next_attempt_time - ended
        planned = WAITS[min(count, len(WAITS)) - 1]
        cut = NOW + GIVEN_UP_AFTER - ended
        assert min(max(planned, outcome.retry_after), cut) <= wait
        assert wait <= min(max(planned * (1 + JITTER), outcome.retry_after), cut)


def test_without_any_advice_it_is_tried_twelve_times() -> None:
    delivery, began, times = DELIVERY, NOW, 0
    while delivery.state is State.PENDING:
        began = delivery.next_attempt_time or began
        delivery, times = delivery.tried(Outcome(0, 500), began=began, now=began, jitter=0.0), times + 1
    assert times == 12
    assert began == NOW + GIVEN_UP_AFTER


def test_the_manual_says_when_it_is_tried_again() -> None:
    manual = (Path(__file__).resolve().parents[3] / "docs" / "webhooks.md").read_text().replace("\n", " ")
    assert "again after 5 seconds, 1, 5 and 30 minutes, 2, 5, 10, 14 and 20 hours" in manual
    seconds, minutes, hours = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
    spelled = [5 * seconds, *(each * minutes for each in (1, 5, 30)), *(each * hours for each in (2, 5, 10, 14, 20))]
    assert list(WAITS) == spelled
    assert "up to a fifth longer" in manual
    assert JITTER == 1 / 5


@given(st.integers(200, 299), st.integers(0, 30))
def test_what_arrives_is_not_tried_again_unless_somebody_asks_for_it(status: int, failures: int) -> None:
    delivery = DELIVERY
    for _ in range(failures):
        delivery = delivery.tried(Outcome(0, 500), began=NOW, now=NOW, jitter=0.5)
    delivery = delivery.tried(Outcome(3, status), began=NOW, now=NOW, jitter=0.5)
    assert (delivery.state, delivery.next_attempt_time) == (State.SUCCEEDED, None)
    later = NOW + timedelta(days=20)
    again = delivery.begin_anew(now=later).tried(Outcome(0, 500), began=later, now=later, jitter=0.0)
    assert again.state is State.PENDING
    assert again.next_attempt_time == later + WAITS[0]
    assert again.give_up_time == later + GIVEN_UP_AFTER


def test_the_names_of_hidden_fields_are_left_out_of_what_is_sent_and_not_of_what_is_kept() -> None:
    message = DELIVERY.message(frozenset({"credit"}))
    assert json.loads(message.body) == {
        "type": "account.updated",
        "timestamp": "2027-03-19T08:30:00Z",
        "data": {"time": "2027-03-19T08:30:00Z", "changed_fields": ["name"]},
    }
    assert DELIVERY.content["changed_fields"] == ["name", "credit"]
    called = replace(DELIVERY, content={"time": "2027-03-19T08:30:00Z", "values": {"a": "b"}})
    assert json.loads(called.message(frozenset()).body)["data"]["values"] == {"a": "b"}


@given(st.text(max_size=50), st.lists(st.builds(new_secret), min_size=1, max_size=3), st.uuids())
def test_each_secret_has_a_signature_that_receivers_verify(text: str, secrets: list[str], id: object) -> None:
    body = Message(str(id), "account.created", "2027-03-19T08:30:00Z", {"text": text}).body
    headers = headers_of(str(id), body, secrets, now=datetime.now(UTC))
    content = f"{id}.{headers['webhook-timestamp']}.".encode() + body
    by_hand = [
        "v1," + base64.b64encode(hmac.new(base64.b64decode(each[6:]), content, hashlib.sha256).digest()).decode()
        for each in secrets
    ]
    assert headers["webhook-signature"] == " ".join(by_hand)
    for secret in secrets:
        assert Webhook(secret).verify(body, dict(headers)) == json.loads(body)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("", 0),
        ("120", 120),
        ("99999999999999999999", MAX_WAIT.total_seconds()),
        ("-1", 0),
        ("1.5", 0),
        ("١٢", 0),
        ("Fri, 19 Mar 2027 09:30:00 GMT", 3600),
        ("Fri, 19 Mar 2027 08:00:00 GMT", 0),
        ("Fri, 19 Mar 2032 08:00:00 GMT", MAX_WAIT.total_seconds()),
        ("soon", 0),
        ("Fri, 99 Mar 2027 08:00:00 GMT", 0),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", MAX_WAIT.total_seconds()),
        ("Fri, 19 Mar 99999999999 08:00:00 GMT", 0),
        ("Fri, 19 Mar 2027 08:00:00 +99999999999999999999", 0),
    ],
)
def test_retry_after_is_seconds_or_a_date(header: str, seconds: float) -> None:
    assert waited_for(header, NOW) == timedelta(seconds=seconds)


@given(st.binary(max_size=5000))
def test_an_excerpt_is_text_that_a_database_keeps(body: bytes) -> None:
    text = excerpt(body)
    assert len(text) <= 1000
    assert "\0" not in text
    assert text.encode().decode() == text


def test_instants_are_written_as_messages_have_them() -> None:
    assert time_text(NOW) == "2027-03-19T08:30:00Z"

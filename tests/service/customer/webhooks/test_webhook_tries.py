"""When a message is tried again, and what ends that."""

from datetime import timedelta

from crm.sales.v1 import events_pb2 as sales
from crm_customer.integrations.webhook_deliveries.model import GIVEN_UP_AFTER, JITTER, WAITS

from tests.service.customer.told import told_of
from tests.service.customer.webhooks.hooks import Delivery, Endpoint, Hooks
from tests.service.customer.webhooks.receiving import says
from tests.service.eventually import eventually

GONE, FAILING = Endpoint.DISABLE_REASON_GONE, Endpoint.DISABLE_REASON_FAILING


async def test_what_fails_is_tried_again_with_the_same_id_and_a_signature_of_that_moment(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    hooks.receiver.answers(500, 302, 200)
    await hooks.account()
    await hooks.tried(1)
    await hooks.pass_time(WAITS[0] * (1 + JITTER))
    waiting = await hooks.tried(2)
    assert waiting.state == Delivery.STATE_PENDING
    await hooks.pass_time(WAITS[1] * (1 + JITTER))
    done = await hooks.tried(3)
    assert done.state == Delivery.STATE_SUCCEEDED
    # A redirect is no arrival.
    assert [each.status for each in done.attempts] == [500, 302, 200]
    assert len(set(hooks.receiver.ids)) == 1
    for message in hooks.receiver.received:
        message.verified_by(endpoint.secret)
    assert not (await hooks.read(endpoint)).HasField("failing_since_time")


async def test_nothing_is_tried_before_it_is_due(hooks: Hooks) -> None:
    await hooks.create()
    hooks.receiver.answers(500)
    await hooks.account()
    first = await hooks.tried(1)
    wait = first.next_attempt_time.ToDatetime() - first.attempts[0].attempt_time.ToDatetime()
    assert WAITS[0] <= wait <= WAITS[0] * (1 + JITTER) + timedelta(seconds=15)


async def test_an_endpoint_says_itself_when_to_come_again(hooks: Hooks) -> None:
    await hooks.create()
    hooks.receiver.answering = says(429, retry_after="7200")
    await hooks.account()
    first = await hooks.tried(1)
    wait = first.next_attempt_time.ToDatetime() - first.attempts[0].attempt_time.ToDatetime()
    assert timedelta(hours=2) <= wait <= timedelta(hours=2, seconds=15)


async def test_one_that_fails_holds_up_none_behind_it(hooks: Hooks) -> None:
    await hooks.create()
    hooks.receiver.answers(500, 200)
    account = await hooks.account()
    await hooks.tried(1)
    await hooks.rename(account, "华信")
    (done,) = await hooks.in_state(Delivery.STATE_SUCCEEDED)
    assert done.record_version == 2
    await hooks.pass_time(WAITS[0] * (1 + JITTER))
    assert len(await hooks.in_state(Delivery.STATE_SUCCEEDED, 2)) == 2


async def test_an_endpoint_where_nothing_arrives_for_three_days_is_disabled_and_not_before(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    hooks.receiver.answers(503)
    account = await hooks.account()
    tries = 1
    while (delivery := await hooks.tried(tries)).state == Delivery.STATE_PENDING:
        assert (await hooks.read(endpoint)).state == Endpoint.STATE_ENABLED
        due = delivery.next_attempt_time.ToDatetime() - delivery.attempts[-1].attempt_time.ToDatetime()
        await hooks.pass_time(due)
        tries += 1
    passed = delivery.attempts[-1].attempt_time.ToDatetime() - delivery.attempts[0].attempt_time.ToDatetime()
    assert GIVEN_UP_AFTER <= passed < GIVEN_UP_AFTER + timedelta(minutes=1)
    assert delivery.state == Delivery.STATE_FAILED
    assert 10 <= delivery.attempt_count == len(hooks.receiver.received)
    now = await hooks.read(endpoint)
    assert (now.state, now.disable_reason) == (Endpoint.STATE_DISABLED, FAILING)
    # From then on it is skipped, and nothing is sent.
    await hooks.rename(account, "华信")
    await hooks.in_state(Delivery.STATE_SKIPPED)
    assert len(hooks.receiver.received) == delivery.attempt_count
    told = await told_of(hooks.customer, hooks.admin.tenant_id, endpoint.id)
    assert [type(each).__name__ for each in told] == ["WebhookEndpointCreated", "WebhookEndpointDisabled"]
    assert [type(each).__name__ for each in await told_of(hooks.customer, hooks.admin.tenant_id, delivery.id)] == [
        "WebhookDeliveryFailed"
    ]


async def test_one_arrival_in_three_days_keeps_an_endpoint_enabled(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    hooks.receiver.answers(503)
    await hooks.account()
    await hooks.tried(1)
    assert (await hooks.read(endpoint)).HasField("failing_since_time")
    await hooks.pass_time(timedelta(days=2))
    await hooks.tried(2)
    hooks.receiver.answers(200)
    await hooks.account()
    await hooks.in_state(Delivery.STATE_SUCCEEDED)
    hooks.receiver.answers(503)
    await hooks.pass_time(timedelta(days=1, minutes=1))

    async def given_up() -> bool:
        return any(each.state == Delivery.STATE_FAILED for each in await hooks.deliveries())

    await eventually(given_up)
    now = await hooks.read(endpoint)
    assert now.state == Endpoint.STATE_ENABLED
    assert now.failing_since_time.ToDatetime() > now.create_time.ToDatetime() + timedelta(days=3)


async def test_an_endpoint_that_is_gone_is_disabled_at_once(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    hooks.receiver.answers(410)
    await hooks.account()
    await hooks.tried(1)
    now = await hooks.read(endpoint)
    assert (now.state, now.disable_reason) == (Endpoint.STATE_DISABLED, GONE)
    assert now.HasField("disable_time")
    # Told are those who may put it right.
    (notice,) = await hooks.notices()
    assert (notice.collection, notice.record_id, notice.record_name) == ("webhook_endpoints", endpoint.id, "ERP")
    assert (list(notice.user_ids), dict(notice.values)) == ([str(hooks.admin.id)], {"outcome": "GONE"})


async def test_nobody_there_is_told_with_the_try(hooks: Hooks) -> None:
    await hooks.create(url="http://127.0.0.1:1/")
    await hooks.account()
    (attempt,) = (await hooks.tried(1)).attempts
    assert (attempt.status, attempt.error, attempt.body) == (0, Delivery.Attempt.ERROR_NOT_CONNECTED, "")


async def test_of_an_answer_the_beginning_is_kept_as_text_whatever_it_is(hooks: Hooks) -> None:
    await hooks.create()
    hooks.receiver.answering = says(200, b"\x00\xff" + "好".encode() * 3000)
    await hooks.account()
    (attempt,) = (await hooks.tried(1)).attempts
    assert attempt.body == "\N{REPLACEMENT CHARACTER}" + "好" * 999


async def test_an_event_that_comes_twice_is_told_once(hooks: Hooks) -> None:
    await hooks.create(collections=["orders"])
    event = await hooks.order_happens(sales.OrderPlaced(), times=3)
    await hooks.in_state(Delivery.STATE_SUCCEEDED)
    assert [each.event_id for each in await hooks.deliveries()] == hooks.receiver.ids == [event.id]

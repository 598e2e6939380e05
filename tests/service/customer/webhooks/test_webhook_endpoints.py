"""Webhook endpoints through their contract: what they can be, by whose rights they hear, and when they hear nothing."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from crm.resource.v1 import events_pb2
from crm.sales.v1 import events_pb2 as sales
from crm_customer.integrations.webhook_deliveries.model import JITTER, WAITS
from crm_customer.integrations.webhook_endpoints import commands
from crm_customer.integrations.webhook_endpoints.model import NOTED_FOR
from crm_kit.events.outbox import emit
from crm_kit.identity.access import READ_RESTRICTED, Scope
from crm_kit.ids import new_id

from tests.service.customer.told import told_of
from tests.service.customer.webhooks.hooks import Delivery, Endpoint, Hooks
from tests.service.customer.webhooks.receiving import Answer, Received
from tests.service.running import refused

WRITING = {"webhooks.read": Scope.ALL, "webhooks.write": Scope.ALL}
# All accounts, restricted ones among them.
READING = {"accounts.read": Scope.ALL, READ_RESTRICTED: Scope.ALL}


@pytest.mark.parametrize(
    ("fields", "field", "rule", "told"),
    [
        ({"url": "https://erp.example:25/"}, "webhook_endpoint.url", "webhook_url", "https address"),
        ({"url": "http://erp.example/"}, "webhook_endpoint.url", "webhook_url", "https address"),
        ({"url": "https://me:secret@erp.example/"}, "webhook_endpoint.url", "webhook_url", "https address"),
        ({"url": "https://0x7f.1/"}, "webhook_endpoint.url", "webhook_url", "https address"),
        ({"event_types": ["acount.created"]}, "webhook_endpoint.event_types[0]", "near", "account.created"),
        ({"collections": ["accounts", "order"]}, "webhook_endpoint.collections[1]", "near", "orders"),
        ({"collections": ["webhook_deliveries"]}, "webhook_endpoint.collections[0]", "", "webhook_deliveries"),
        ({"collections": ["saved_views"]}, "webhook_endpoint.collections[0]", "", "saved_views"),
        ({"event_types": ["dashboard.created"]}, "webhook_endpoint.event_types[0]", "", "streams alone"),
        ({"event_types": ["job.advanced"]}, "webhook_endpoint.event_types[0]", "", "streams alone"),
        ({"collections": []}, "webhook_endpoint.event_types", "nothing_told", "told nothing"),
    ],
)
async def test_what_an_endpoint_cannot_be_is_refused_by_field_and_value(
    hooks: Hooks, fields: dict[str, Any], field: str, rule: str, told: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await hooks.create(**fields)
    assert refusal.fields == [field]
    assert told in refusal.detail
    assert rule != "near" or refusal.metadata["near"] == told


async def test_its_life_is_told_and_kept_in_its_history(hooks: Hooks) -> None:
    made = await hooks.create()
    assert (made.state, made.activator_id, made.activator_name) == (
        Endpoint.STATE_ENABLED,
        str(hooks.admin.id),
        "somebody",
    )
    named = await hooks.update(made, display_name="WMS")
    with refused("ABORTED", "ETAG_MISMATCH"):
        await hooks.does("Disable", made, etag=made.etag)
    off = await hooks.does("Disable", made, etag=named.etag)
    assert (off.state, off.disable_reason) == (Endpoint.STATE_DISABLED, Endpoint.DISABLE_REASON_REQUESTED)
    for late in (
        hooks.does("Disable", made),
        hooks.does("Restore", made),
        hooks.does("Replay", made, from_time=made.create_time),
    ):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await late
    on = await hooks.does("Enable", made)
    assert (on.state, on.disable_reason, on.HasField("disable_time")) == (Endpoint.STATE_ENABLED, 0, False)
    await hooks.does("Rotate", made)
    away = await hooks.does("Archive", made)
    assert away.disable_reason == Endpoint.DISABLE_REASON_REQUESTED
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await hooks.update(made, display_name="late")
    back = await hooks.does("Restore", made)
    assert back.state == Endpoint.STATE_DISABLED
    told = await told_of(hooks.customer, hooks.admin.tenant_id, made.id)
    assert [type(each).__name__.removeprefix("WebhookEndpoint") for each in told] == [
        "Created",
        "Updated",
        "Disabled",
        "Enabled",
        "SecretRotated",
        "Archived",
        "Restored",
    ]


async def test_it_hears_all_records_of_a_collection_or_none(hooks: Hooks) -> None:
    for grants in (WRITING, WRITING | {"accounts.read": Scope.TEAM}):
        user = await hooks.customer.user(hooks.admin.tenant_id, grants=grants)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await hooks.create(by=user)
        assert refusal.metadata | {"rule": "unheard"} == refusal.metadata
        assert refusal.metadata["permission"] == "accounts.read"
    user = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | {"accounts.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await hooks.create(by=user)
    assert refusal.metadata["permission"] == READ_RESTRICTED
    reader = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | READING)
    endpoint = await hooks.create(by=reader)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await hooks.update(endpoint, by=reader, collections=["accounts", "orders"])


async def test_writing_one_takes_the_permission_for_the_whole_tenant(hooks: Hooks) -> None:
    grants = {"webhooks.read": Scope.TEAM, "webhooks.write": Scope.TEAM} | READING
    user = await hooks.customer.user(hooks.admin.tenant_id, grants=grants)
    endpoint = await hooks.create()
    await hooks.account()
    (delivery,) = await hooks.in_state(Delivery.STATE_SUCCEEDED)
    writes = [
        hooks.create(by=user),
        hooks.update(endpoint, by=user, display_name="x"),
        hooks.redeliver(delivery, by=user),
        hooks.does("Replay", endpoint, by=user, from_time=endpoint.create_time),
        *(hooks.does(verb, endpoint, by=user) for verb in ("Disable", "Rotate", "Test", "Archive")),
    ]
    for write in writes:
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await write


async def test_whoever_changes_where_it_is_has_it_hear_by_their_own_rights(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    other = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING)
    # A new name gives nobody anything.
    assert (await hooks.update(endpoint, by=other, display_name="x")).activator_id == str(hooks.admin.id)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await hooks.update(endpoint, by=other, url=f"{hooks.receiver.url}/elsewhere")
    await hooks.does("Disable", endpoint, by=other)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await hooks.does("Enable", endpoint, by=other)


@pytest.mark.parametrize("active", [True, False])
async def test_an_endpoint_whose_person_has_lost_the_right_is_disabled_and_told_nothing(
    hooks: Hooks, *, active: bool
) -> None:
    user = await hooks.customer.user(hooks.admin.tenant_id)
    endpoint = await hooks.create(by=user)
    await hooks.customer.change_user(user, active=active)
    account = await hooks.account()
    await hooks.until_disabled(endpoint, Endpoint.DISABLE_REASON_LOST_RIGHTS)
    await hooks.noted(account.id)
    assert hooks.receiver.received == []
    (notice,) = await hooks.notices()
    assert set(notice.user_ids) == {str(hooks.admin.id), str(user.id)}
    # Somebody else may answer for it. Whether the event waited or was skipped depends on which was heard of first.
    assert (await hooks.does("Enable", endpoint)).activator_id == str(hooks.admin.id)
    await hooks.does("Replay", endpoint, from_time=endpoint.create_time)
    await hooks.came(1)


async def test_what_waits_of_what_an_endpoint_was_told_once_does_not_disable_it(hooks: Hooks) -> None:
    endpoint = await hooks.create(collections=["orders", "accounts"])
    hooks.receiver.answers(503)
    await hooks.order_happens(sales.OrderPlaced())
    await hooks.tried(1)
    hooks.receiver.answers(200)
    narrower = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | READING)
    await hooks.update(endpoint, by=narrower, collections=["accounts"])
    await hooks.pass_time(WAITS[0] * (1 + JITTER))
    (skipped,) = await hooks.in_state(Delivery.STATE_SKIPPED)
    assert skipped.event_type == "order.placed"
    account = await hooks.account()
    (told,) = await hooks.in_state(Delivery.STATE_SUCCEEDED)
    assert told.record_id == account.id


async def test_a_rule_that_sends_what_the_person_may_not_read_does_not_disable_the_endpoint(hooks: Hooks) -> None:
    user = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | READING)
    endpoint = await hooks.create(by=user)
    rule_id, record_id = str(new_id()), str(new_id())
    asked = events_pb2.WebhookCallRequested(
        endpoint_id=endpoint.id, rule_id=rule_id, collection="leads", record_id=record_id, version=3
    )
    async with hooks.customer.unit_of_work(hooks.admin.tenant_id) as work:
        emit(work, asked, aggregate_type="webhook_call", id=new_id(), version=1)
    (skipped,) = await hooks.in_state(Delivery.STATE_SKIPPED)
    assert skipped.record_id == asked.record_id
    account = await hooks.account()
    (message,) = await hooks.came(1)
    assert message.said["data"]["record_id"] == account.id


async def test_deliveries_are_seen_by_who_may_read_all_that_they_are_about(hooks: Hooks) -> None:
    await hooks.create(collections=["accounts", "teams"])
    account = await hooks.account()
    await hooks.in_state(Delivery.STATE_SUCCEEDED)
    blind = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | {"accounts.read": Scope.TEAM})
    seeing = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | READING)
    # Some accounts may be closed to them.
    outsider = await hooks.customer.user(hooks.admin.tenant_id, grants=WRITING | {"accounts.read": Scope.ALL})
    for by in (blind, outsider):
        assert await hooks.deliveries(by=by) == []
    (delivery,) = await hooks.deliveries(f'record_id = "{account.id}" AND state = SUCCEEDED', by=seeing)
    assert await hooks.deliveries("state = FAILED", by=seeing) == []
    for by in (blind, outsider):
        with refused("NOT_FOUND", "WEBHOOK_DELIVERY_NOT_FOUND"):
            await hooks.redeliver(delivery, by=by)


async def test_what_happens_right_after_it_is_enabled_is_told_and_after_it_is_disabled_is_not(hooks: Hooks) -> None:
    """However often: no process goes by what it remembers of endpoints."""
    endpoint = await hooks.create()
    told = []
    for _ in range(5):
        told.append((await hooks.account()).id)
        await hooks.came(len(told))
        await hooks.does("Disable", endpoint)
        await hooks.order_happens(sales.OrderPlaced())
        skipped = await hooks.account()
        await hooks.skipped(skipped.id)
        await hooks.does("Enable", endpoint)
    assert [each.said["data"]["record_id"] for each in hooks.receiver.received] == told


async def test_one_that_is_disabled_while_a_message_is_under_way_gets_no_other(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    came, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: Received) -> Answer:
        came.set()
        await go_on.wait()
        return 200, {}, b""

    hooks.receiver.answering = answer
    account = await hooks.account()
    await came.wait()
    for name in ("甲", "乙", "丙"):
        account = await hooks.rename(account, name)
    # The one under way has not been tried either until it is answered.
    await hooks.waiting(4)
    await hooks.does("Disable", endpoint)
    go_on.set()
    (sent,) = await hooks.in_state(Delivery.STATE_SUCCEEDED)
    assert sent.record_version == 1
    # What waited is sent once it is enabled again, in its order.
    await hooks.does("Enable", endpoint)
    messages = await hooks.came(4)
    assert [each.said["data"]["version"] for each in messages] == [1, 2, 3, 4]


async def test_what_was_missed_is_replayed_by_time_and_type(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    early = await hooks.account("甲")
    await hooks.came(1)
    await hooks.pass_time(timedelta(hours=1))
    await hooks.does("Disable", endpoint)
    missed = await hooks.account("乙")
    changed = await hooks.rename(missed, "丙")
    await hooks.skipped(missed.id, 2)
    await hooks.does("Enable", endpoint)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await hooks.does("Replay", endpoint, from_time=missed.create_time, to_time=early.create_time)
    assert refusal.fields == ["to_time"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        types = ["automation.webhook", "account.create"]
        await hooks.does("Replay", endpoint, from_time=missed.create_time, event_types=types)
    assert refusal.fields == ["event_types[1]"]
    assert "perhaps account.created is meant" in refusal.detail
    answer = await hooks.does("Replay", endpoint, from_time=missed.create_time, event_types=["account.created"])
    assert (answer.delivery_count, answer.truncated) == (1, False)
    (_, second) = await hooks.came(2)
    assert second.said["data"]["record_id"] == missed.id
    answer = await hooks.does("Replay", endpoint, from_time=changed.update_time, to_time=None)
    assert answer.delivery_count == 1
    assert (await hooks.came(3))[2].said["data"]["version"] == 2
    # By id, what has arrived already is sent once more, with the same id.
    (delivered,) = await hooks.deliveries(f'record_id = "{early.id}"')
    assert (await hooks.redeliver(delivered)).state == Delivery.STATE_PENDING
    assert (await hooks.came(4))[3].id == delivered.event_id == hooks.receiver.ids[0]


async def test_a_long_replay_says_where_to_go_on(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_customer.integrations.webhook_deliveries.commands.MAX_REPLAYED", 2)
    endpoint = await hooks.create()
    accounts = [await hooks.account() for _ in range(3)]
    await hooks.in_state(Delivery.STATE_SUCCEEDED, 3)
    answer = await hooks.does("Replay", endpoint, from_time=accounts[0].create_time)
    assert (answer.delivery_count, answer.truncated, answer.next_time) == (2, True, accounts[2].create_time)
    rest = await hooks.does("Replay", endpoint, from_time=answer.next_time)
    assert (rest.delivery_count, rest.truncated) == (1, False)


async def test_after_two_weeks_nothing_more_is_noted_for_one_that_is_disabled(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    await hooks.does("Disable", endpoint)
    first = await hooks.account()
    await hooks.skipped(first.id)
    await hooks.pass_time(NOTED_FOR)
    await hooks.account()
    other = await hooks.create(url="http://127.0.0.1:1/")
    marker = await hooks.account()
    await hooks.noted(marker.id)
    assert {each.record_id for each in await hooks.deliveries(f'endpoint_id = "{endpoint.id}"')} == {first.id}
    assert other.id


async def test_there_are_so_many_at_most_also_of_those_that_are_disabled(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What happens is noted for those as well."""
    monkeypatch.setattr(commands, "MAX_PRESENT", 2)
    first, _ = await hooks.create(), await hooks.create()
    await hooks.does("Disable", first)
    with refused("FAILED_PRECONDITION", "WEBHOOK_ENDPOINT_LIMIT_REACHED"):
        await hooks.create()
    await hooks.does("Enable", first)
    await hooks.does("Archive", first)
    await hooks.create()
    with refused("FAILED_PRECONDITION", "WEBHOOK_ENDPOINT_LIMIT_REACHED"):
        await hooks.does("Restore", first)

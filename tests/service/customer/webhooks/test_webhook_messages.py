"""What an endpoint is told, and how its receiver knows that it is us."""

from datetime import timedelta

import pytest
from crm.resource.v1 import events_pb2 as resource
from crm.sales.v1 import events_pb2 as sales
from crm_customer.integrations.webhook_endpoints.tables import webhook_secrets
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import emit
from crm_kit.identity.access import READ_RESTRICTED, Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import idempotency_keys, outbox
from sqlalchemy import select
from standardwebhooks import WebhookVerificationError

from tests.service.customer.webhooks.hooks import Delivery, Hooks
from tests.service.customer.webhooks.receiving import receiving
from tests.service.running import refused


async def test_an_event_is_told_as_standard_webhooks_say_and_its_try_can_be_read(hooks: Hooks) -> None:
    endpoint = await hooks.create(display_name="ERP order intake")
    account = await hooks.account()
    (message,) = await hooks.came(1)
    said = message.verified_by(endpoint.secret)
    (delivery,) = await hooks.in_state(Delivery.STATE_SUCCEEDED)
    assert said == {
        "type": "account.created",
        "timestamp": account.create_time.ToJsonString(),
        "data": {
            "id": message.id,
            "type": "account.created",
            "collection": "accounts",
            "record_id": account.id,
            "version": 1,
            "changed_fields": [],
            "actor_id": str(hooks.admin.id),
            "request_id": said["data"]["request_id"],
            "time": account.create_time.ToJsonString(),
        },
    }
    assert message.headers["content-type"] == "application/json"
    (attempt,) = delivery.attempts
    assert (delivery.event_id, delivery.record_id, delivery.record_version) == (message.id, account.id, 1)
    assert (delivery.endpoint_id, delivery.endpoint_name) == (endpoint.id, "ERP order intake")
    assert (delivery.event_type, delivery.collection) == ("account.created", "accounts")
    assert (attempt.status, attempt.body, attempt.error) == (200, "thank you", 0)
    assert delivery.attempt_count == 1
    assert not delivery.HasField("next_attempt_time")


async def test_what_happens_to_a_record_arrives_in_its_order_and_names_the_fields_that_changed(hooks: Hooks) -> None:
    await hooks.create(collections=[], event_types=["account.created", "account.updated"])
    account = await hooks.account("甲")
    for name in ("乙", "丙", "丁"):
        account = await hooks.rename(account, name)
    messages = await hooks.came(4)
    assert [each.said["data"]["version"] for each in messages] == [1, 2, 3, 4]
    assert [each.said["data"]["changed_fields"] for each in messages] == [[], *[["display_name"]] * 3]
    # Nothing of the record is in it.
    assert not any("丁".encode() in each.body for each in messages)


async def test_only_what_was_chosen_is_told(hooks: Hooks) -> None:
    await hooks.create(collections=[], event_types=["account.updated"])
    account = await hooks.account()
    await hooks.rename(account, "华信")
    await hooks.came(1)
    assert [each.event_type for each in await hooks.deliveries()] == ["account.updated"]


async def test_every_event_of_a_collection_is_told_also_that_a_record_was_put_away(hooks: Hooks) -> None:
    await hooks.create()
    account = await hooks.account()
    await hooks.put_away(account)
    assert [each.type for each in await hooks.came(2)] == ["account.created", "account.archived"]


async def test_each_endpoint_has_a_secret_of_its_own_that_is_shown_once_and_kept_nowhere_readable(hooks: Hooks) -> None:
    endpoint, other = await hooks.create(), await hooks.create()
    assert endpoint.secret.startswith("whsec_")
    assert endpoint.secret != other.secret
    assert (await hooks.read(endpoint)).secret == ""
    assert (await hooks.update(endpoint, display_name="other")).secret == ""
    database, tenant_id = hooks.customer.service.database, hooks.admin.tenant_id
    stored = await database.all(tenant_id, compile_statement(select(webhook_secrets.c.secret)), {})
    told = await database.all(tenant_id, compile_statement(select(outbox.c.event)), {})
    everything = b"".join(bytes(row[0]) for row in (*stored, *told))
    assert len(stored) == 2
    assert endpoint.secret.removeprefix("whsec_").encode() not in everything


async def test_an_answer_that_is_kept_for_repetitions_is_kept_without_the_secret(hooks: Hooks) -> None:
    key = str(new_id())
    first = await hooks.create_under(key)
    again = await hooks.create_under(key)
    assert first.secret
    assert again.id == first.id
    assert again.secret == ""
    database = hooks.customer.service.database
    kept = await database.all(hooks.admin.tenant_id, compile_statement(select(idempotency_keys.c.response)), {})
    assert first.id.encode() in kept[0]["response"]
    assert first.secret.encode() not in kept[0]["response"]


async def test_after_a_rotation_both_secrets_sign_for_a_day_and_then_the_new_one_alone(hooks: Hooks) -> None:
    old = await hooks.create()
    new = await hooks.does("Rotate", old)
    assert new.secret != old.secret
    await hooks.account()
    (message,) = await hooks.came(1)
    assert message.verified_by(old.secret) == message.verified_by(new.secret)
    assert len(message.headers["webhook-signature"].split(" ")) == 2
    await hooks.pass_time(timedelta(hours=24))
    await hooks.account()
    later = (await hooks.came(2))[1]
    later.verified_by(new.secret)
    with pytest.raises(WebhookVerificationError):
        later.verified_by(old.secret)


async def test_a_test_is_sent_at_once_and_says_what_came_back(hooks: Hooks) -> None:
    endpoint = await hooks.create()
    answer = await hooks.does("Test", endpoint)
    (message,) = hooks.receiver.received
    assert (answer.status, answer.body, answer.error) == (200, "thank you", "")
    said = message.verified_by(endpoint.secret)
    assert (said["type"], said["data"]) == ("webhook.test", {"endpoint_id": endpoint.id})
    await hooks.does("Disable", endpoint)
    hooks.receiver.answers(503)
    assert (await hooks.does("Test", endpoint)).status == 503
    moved = await hooks.update(endpoint, url="http://127.0.0.1:1/")
    assert (await hooks.does("Test", moved)).error == "NOT_CONNECTED"
    # It is no delivery.
    assert await hooks.deliveries() == []
    await hooks.does("Archive", endpoint)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await hooks.does("Test", endpoint)


async def test_of_one_tenant_the_endpoints_of_another_hear_nothing(hooks: Hooks) -> None:
    async with receiving() as elsewhere:
        others = await Hooks.of(hooks.customer, elsewhere)
        await others.create()
        await hooks.create()
        await hooks.account()
        await hooks.came(1)
        await others.account()
        await others.came(1)
    assert [each.said["data"]["actor_id"] for each in hooks.receiver.received] == [str(hooks.admin.id)]
    assert [each.said["data"]["actor_id"] for each in elsewhere.received] == [str(others.admin.id)]
    assert [each.event_id for each in await others.deliveries()] == elsewhere.ids


async def test_what_an_automation_rule_has_sent_is_told_to_its_endpoint_alone(hooks: Hooks) -> None:
    endpoint = await hooks.create(collections=["teams"])
    await hooks.create(collections=["accounts"], url="http://127.0.0.1:1/")
    asked = resource.WebhookCallRequested(
        endpoint_id=endpoint.id,
        rule_id=str(new_id()),
        rule_name="重点线索分配",
        collection="leads",
        record_id=str(new_id()),
        version=3,
        values={"source": "展会"},
    )
    async with hooks.customer.unit_of_work(hooks.admin.tenant_id) as work:
        emit(work, asked, aggregate_type="automation_rule", id=new_id(), version=1)
    (message,) = await hooks.came(1)
    said = message.verified_by(endpoint.secret)
    assert said["type"] == "automation.webhook"
    assert said["data"] == {
        "id": message.id,
        "rule_id": asked.rule_id,
        "rule_name": "重点线索分配",
        "collection": "leads",
        "record_id": asked.record_id,
        "version": 3,
        "values": {"source": "展会"},
        "time": said["timestamp"],
    }


async def test_fields_that_the_person_may_not_see_of_every_record_are_not_named(hooks: Hooks) -> None:
    """Of orders, why one is held takes the right to read credit."""
    grants = dict.fromkeys(("webhooks.write", "orders.read", READ_RESTRICTED), Scope.ALL)
    unknowing = await hooks.customer.user(hooks.admin.tenant_id, grants=grants)
    knowing = await hooks.customer.user(hooks.admin.tenant_id, grants=grants | {"credit.read": Scope.ALL})
    async with receiving() as other:
        await hooks.create(by=unknowing, collections=["orders"])
        await hooks.create(by=knowing, collections=["orders"], url=other.url)
        await hooks.order_happens(sales.OrderPlaced(), changed_fields=["state", "hold_reasons"])
        await hooks.came(1)
        (told,) = await Hooks(hooks.customer, other, hooks.admin).came(1)
    assert hooks.receiver.received[0].said["data"]["changed_fields"] == ["state"]
    assert told.said["data"]["changed_fields"] == ["state", "hold_reasons"]

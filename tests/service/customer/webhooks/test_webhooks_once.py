"""Whatever dies between sending and marking, and however many send: nothing is lost, and order is kept."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from crm_customer.integrations.webhook_deliveries import claims, sending
from crm_customer.integrations.webhook_deliveries.sending import Sender
from crm_customer.integrations.webhook_endpoints.calling import Caller
from crm_customer.integrations.webhook_endpoints.keeping import SigningSecrets
from crm_customer.integrations.webhook_endpoints.tables import webhook_queues
from crm_customer.settings import CustomerSettings
from crm_kit.background import Tenants
from crm_kit.clock import system_now
from crm_kit.database.connections import ALL_TENANTS
from crm_kit.database.statements import compile_statement
from crm_kit.ids import new_id
from crm_local.testing import Servers
from sqlalchemy import select, update

from tests.service.customer.webhooks.hooks import Delivery, Hooks
from tests.service.customer.webhooks.receiving import Answer, Received, receiving
from tests.service.eventually import eventually
from tests.service.kit.plans import indexes_in, plan_within

ONE, OTHER = new_id(), new_id()
MANY_THAT_WAIT_FOR_NOTHING = """
    WITH others AS (
        INSERT INTO webhook_endpoints
        SELECT (jsonb_populate_record(each, jsonb_build_object('id', gen_random_uuid()))).*
        FROM webhook_endpoints AS each, generate_series(1, 3000) WHERE each.id = $1
        RETURNING tenant_id, id
    )
    INSERT INTO webhook_queues (tenant_id, endpoint_id, version, enabled) SELECT tenant_id, id, 1, true FROM others
"""


def another_process(hooks: Hooks) -> Sender:
    """As of another replica, beside the one of the service."""
    service = hooks.customer.service
    settings = service.settings
    assert isinstance(settings, CustomerSettings)
    tenants = Tenants(service.database, service.clock)
    caller = Caller(settings.outbound_reach)
    return Sender(tenants, service.directory, caller, SigningSecrets(settings.signing_key_secret))


class Killed(BaseException):
    """A process that is gone without a word."""


async def test_whoever_dies_between_sending_and_marking_has_it_sent_again_with_the_same_id(
    hooks: Hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    deaths = 0
    mark, release = Sender._mark, claims.release

    async def dying(self: Sender, *arguments: Any) -> None:
        nonlocal deaths
        deaths += 1
        if deaths <= 2:
            raise Killed
        await mark(self, *arguments)

    async def gone(*_: Any) -> None:
        """Whoever is killed gives nothing back."""

    monkeypatch.setattr(Sender, "_mark", dying)
    monkeypatch.setattr(claims, "release", gone)
    monkeypatch.setattr(claims, "CLAIM", timedelta(seconds=0.3))
    endpoint = await hooks.create()
    await hooks.account()
    (delivery,) = await hooks.in_state(Delivery.STATE_SUCCEEDED)
    monkeypatch.setattr(claims, "release", release)
    messages = await hooks.came(3)
    assert {each.id for each in messages} == {delivery.event_id}
    assert [each.verified_by(endpoint.secret)["type"] for each in messages] == ["account.created"] * 3
    assert delivery.attempt_count == 1


async def test_two_processes_send_each_event_once_and_those_of_a_record_in_their_order(hooks: Hooks) -> None:
    other = asyncio.create_task(another_process(hooks).run())
    try:
        await hooks.create()
        accounts = [await hooks.account(f"客户{number}") for number in range(6)]
        for number in range(4):
            accounts = [await hooks.rename(each, f"{each.display_name}{number}") for each in accounts]
        messages = await hooks.came(30)
        await hooks.in_state(Delivery.STATE_SUCCEEDED, 30)
    finally:
        other.cancel()
        await asyncio.gather(other, return_exceptions=True)
    assert len(set(hooks.receiver.ids)) == len(messages) == 30
    for account in accounts:
        data = [each.said["data"] for each in hooks.receiver.received]
        assert [each["version"] for each in data if each["record_id"] == account.id] == [1, 2, 3, 4, 5]


async def test_an_endpoint_that_hangs_delays_no_other_tenant_nor_another_of_its_own(hooks: Hooks) -> None:
    go_on = asyncio.Event()

    async def hang(_: Received) -> Answer:
        await go_on.wait()
        return 200, {}, b""

    async with receiving() as quick, receiving() as own:
        other = await Hooks.of(hooks.customer, quick)
        hooks.receiver.answering = hang
        # As many as a tenant's part of the places.
        for _ in range(sending.MAX_ENDPOINTS_OF_TENANT - 1):
            await hooks.create()
        await hooks.create(url=own.url)
        await other.create()
        for _ in range(3):
            await hooks.account()

        async def all_hang() -> bool:
            return len(hooks.receiver.received) >= sending.MAX_ENDPOINTS_OF_TENANT - 1

        await eventually(all_hang)
        await other.account()
        await other.came(1)
        await Hooks(hooks.customer, own, hooks.admin).came(3)
        go_on.set()
        await hooks.in_state(Delivery.STATE_SUCCEEDED, 3 * sending.MAX_ENDPOINTS_OF_TENANT)


async def test_so_many_messages_are_under_way_to_an_endpoint_at_most(hooks: Hooks) -> None:
    under_way, most, go_on = 0, 0, asyncio.Event()

    async def count(_: Received) -> Answer:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == sending.MAX_MESSAGES:
            go_on.set()
        await go_on.wait()
        under_way -= 1
        return 200, {}, b""

    hooks.receiver.answering = count
    await hooks.create()
    for number in range(12):
        await hooks.account(f"客户{number}")
    await hooks.in_state(Delivery.STATE_SUCCEEDED, 12)
    assert most == sending.MAX_MESSAGES


async def test_a_claim_is_one_processs_until_it_lapses(hooks: Hooks) -> None:
    service = hooks.customer.service
    endpoint = await hooks.create(url="http://127.0.0.1:1/")
    # Not due for the service's own.
    now = await service.clock.now(hooks.admin.tenant_id)
    queues = webhook_queues
    mine = queues.c.tenant_id == hooks.admin.tenant_id
    await service.database.all(
        hooks.admin.tenant_id,
        compile_statement(update(queues).where(mine).values(due_time=now + timedelta(days=1))),
        {},
    )
    ahead = now + timedelta(days=2)
    every = await service.database.all(ALL_TENANTS, compile_statement(select(queues.c.tenant_id)), {})
    others = [row["tenant_id"] for row in every if row["tenant_id"] != hooks.admin.tenant_id]
    first = await claims.claim(service.database, ONE, now=ahead, without=others)
    assert first is not None
    assert str(first.endpoint_id) == endpoint.id
    assert await claims.claim(service.database, OTHER, now=ahead, without=others) is None
    assert await claims.renew(service.database, first, timedelta(seconds=-1)) is not None
    second = await claims.claim(service.database, OTHER, now=ahead, without=others)
    assert second is not None
    assert await claims.renew(service.database, first) is None
    assert not await claims.rest(service.database, first, None)
    await claims.release(service.database, second)
    rows = await service.database.all(ALL_TENANTS, compile_statement(select(queues.c.holder).where(mine)), {})
    assert [row["holder"] for row in rows] == [None]


async def test_what_is_due_is_found_along_indexes_among_all_that_waits_for_nothing(
    hooks: Hooks, servers: Servers
) -> None:
    endpoint = await hooks.create()
    values = {"holder": new_id(), "duration": claims.CLAIM, "without": [], "now": system_now()}
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    try:
        # Nobody else ever sees the others: without them, a plan goes by whichever index.
        begun = connection.transaction()
        await begun.start()
        await connection.execute(MANY_THAT_WAIT_FOR_NOTHING, UUID(endpoint.id))
        await connection.execute("ANALYZE webhook_queues, access_tenants")
        plan = await plan_within(connection, claims.claim_next(), values)
        await begun.rollback()
    finally:
        await connection.close()
    assert {"webhook_queues_due_index", "webhook_queues_expire_index"} <= set(indexes_in(plan))

"""The broker as services share it: each tells only of its own records, and its stream is its operator's."""

import asyncio
from collections.abc import AsyncIterator
from urllib.parse import urlsplit
from uuid import UUID

import nats
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.event.v1 import event_pb2
from crm_kit.events.outbox import TYPE_URL
from crm_kit.events.streams import RELIED_ON, STREAM, bring_up_to_date, ensure_stream
from crm_kit.events.subjects import subject_of
from crm_kit.ids import new_id
from crm_local.settings import SERVICES
from crm_local.testing import Servers
from google.protobuf import any_pb2
from nats.aio.client import Client

from tests.service.kit.listening import Listener, tell
from tests.service.running import Running

ROLE_CHANGED, ACCOUNT_CREATED = "crm.events.customer.RoleUpdated", "crm.customer.v1.AccountCreated"


@pytest.fixture
async def operator(servers: Servers) -> AsyncIterator[Client]:
    connected = await nats.connect(servers.nats_url)
    await ensure_stream(connected.jetstream())
    yield connected
    await connected.close()


@pytest.fixture
def tenant_id() -> UUID:
    return new_id()


async def refusal_of(servers: Servers, service: str, subject: str) -> str:
    """What the broker says when the service publishes on the subject, which it has no right to."""
    refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def told(error: Exception) -> None:
        if not refused.done():
            refused.set_result(str(error).lower())

    client = await nats.connect(servers.environment(service)["CRM_NATS_URL"], error_cb=told)
    try:
        await client.publish(subject, b"")
        return await asyncio.wait_for(refused, 30)
    finally:
        await client.close()


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "customer"])
async def test_only_customer_can_tell_that_a_role_has_changed(service: str, servers: Servers, operator: Client) -> None:
    before = (await operator.jetstream().stream_info(STREAM)).state.messages
    assert "permissions violation" in await refusal_of(servers, service, ROLE_CHANGED)
    assert (await operator.jetstream().stream_info(STREAM)).state.messages == before


@pytest.mark.parametrize("service", SERVICES)
async def test_each_service_can_tell_of_its_own_records(service: str, servers: Servers, operator: Client) -> None:
    client = await nats.connect(servers.environment(service)["CRM_NATS_URL"])
    try:
        stored = await client.jetstream().publish(f"crm.events.{service}.NothingOfNote", b"")
    finally:
        await client.close()
    assert (await operator.jetstream().get_msg(STREAM, stored.seq)).subject == f"crm.events.{service}.NothingOfNote"


@pytest.mark.parametrize(
    "subject", ["_INBOX.of.another", f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.customer", f"$JS.API.STREAM.PURGE.{STREAM}"]
)
async def test_no_service_gets_at_what_is_meant_for_another(subject: str, servers: Servers) -> None:
    assert "permissions violation" in await refusal_of(servers, "sales", subject)


@pytest.mark.parametrize(
    "subject",
    [
        f"crm.events.customer.AccountCreated.{UUID(int=7)}",
        f"$JS.API.CONSUMER.CREATE.{STREAM}.customer",
        f"$JS.API.CONSUMER.DELETE.{STREAM}.customer",
        f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.customer",
        f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.customer",
        f"$JS.API.STREAM.PURGE.{STREAM}",
    ],
)
async def test_the_gateway_reads_and_changes_nothing(subject: str, servers: Servers) -> None:
    assert "permissions violation" in await refusal_of(servers, "gateway", subject)


async def test_nobody_publishes_without_a_password(servers: Servers) -> None:
    bare = "nats://" + urlsplit(servers.nats_url).netloc.rpartition("@")[2]
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await nats.connect(bare, allow_reconnect=False, max_reconnect_attempts=0)


async def test_an_event_on_the_subject_of_another_is_not_believed(
    customer: Running, operator: Client, tenant_id: UUID
) -> None:
    """Who may tell of its own records only could still say something else there."""
    forged, real = new_id(), new_id()
    payload = events_pb2.AccountUpdated(account=accounts_pb2.Account(id=str(forged)))
    event = event_pb2.Event(
        id=str(new_id()),
        tenant_id=str(tenant_id),
        actor_id=str(new_id()),
        aggregate_id=str(forged),
        aggregate_version=1,
        payload=any_pb2.Any(type_url=TYPE_URL + payload.DESCRIPTOR.full_name, value=payload.SerializeToString()),
    )
    handled: list[str] = []
    listener = Listener(customer, operator, tenant_id)

    async def update(_work: object, event: event_pb2.Event, _payload: object) -> None:
        handled.append(event.aggregate_id)

    listener.consumers.on(events_pb2.AccountUpdated, update)
    async with listener:
        await operator.jetstream().publish(subject_of(ACCOUNT_CREATED, tenant_id), event.SerializeToString())
        await tell(customer, tenant_id, real, 1)
        await listener.handles(1)
    assert listener.versions(real) == [1]
    assert str(forged) not in handled


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "customer"])
async def test_only_customer_can_change_the_stream(service: str, servers: Servers) -> None:
    assert "permissions violation" in await refusal_of(servers, service, f"$JS.API.STREAM.UPDATE.{STREAM}")


async def test_what_the_operator_set_of_the_stream_stays_and_customer_puts_right_what_is_relied_on(
    operator: Client, servers: Servers
) -> None:
    stream = operator.jetstream()
    customer = await nats.connect(servers.environment("customer")["CRM_NATS_URL"])
    kept = (await stream.stream_info(STREAM)).config
    try:
        # A single server takes no other number of replicas; a limit of size goes the same way.
        changed = kept.evolve(max_bytes=2_000_000_000, description="the operator's", max_age=3600.0)
        await stream.update_stream(changed)
        await bring_up_to_date(customer.jetstream())
        found = (await stream.stream_info(STREAM)).config
        assert (found.max_bytes, found.description) == (2_000_000_000, "the operator's")
        assert found.max_age == RELIED_ON["max_age"]
    finally:
        await stream.update_stream(kept)
        await customer.close()


async def test_a_version_that_relies_on_less_of_the_stream_takes_nothing_from_one_that_relies_on_more(
    operator: Client,
) -> None:
    stream = operator.jetstream()
    kept = (await stream.stream_info(STREAM)).config
    try:
        subjects = ["crm.events.>", "crm.notices.>"]
        for newer in (
            kept.evolve(max_age=RELIED_ON["max_age"] + 3600.0, duplicate_window=1200.0, subjects=subjects),
            # For ever.
            kept.evolve(max_age=0.0),
        ):
            await stream.update_stream(newer)
            found = (await stream.stream_info(STREAM)).config
            await bring_up_to_date(stream)
            assert (await stream.stream_info(STREAM)).config == found
            assert found.max_age == newer.max_age
    finally:
        await stream.update_stream(kept)

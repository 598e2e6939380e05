"""Follows what happens in all services, and notes what endpoints are to be told of it.

By a consumer of its own, which keeps nobody waiting who follows the same events. An event of a tenant without endpoints
costs a question that it shares with others. Of each event and endpoint there is one delivery, however often it comes.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any
from uuid import UUID

import structlog
from crm.resource.v1.events_pb2 import WebhookCallRequested
from crm_kit.background import Tenants
from crm_kit.events.consumers import Consumers, Event
from crm_kit.ids import id_from_text, new_id
from crm_kit.thin_events.told import data_of, id_of
from crm_kit.thin_events.types import CARRYING, OfCollection, known_event_types
from crm_kit.wire import time_from
from google.protobuf.message import Message

from crm_customer.integrations.webhook_deliveries.commands import note
from crm_customer.integrations.webhook_deliveries.model import State, WebhookDelivery
from crm_customer.integrations.webhook_endpoints.book import EndpointBook
from crm_customer.integrations.webhook_endpoints.model import CALLED, WebhookEndpoint, is_told

log = structlog.get_logger()


class Hearing:
    """The endpoints of all tenants. `wake` is called when something has come to wait."""

    def __init__(self, tenants: Tenants, wake: Callable[[], None]) -> None:
        self._tenants = tenants
        self._book = EndpointBook(tenants)
        self._wake = wake
        self._types = known_event_types()

    def follow(self, consumers: Consumers) -> None:
        """Subscribe to every event that an endpoint may be told of, and to what automation rules have sent."""
        of_records = [name for name, each in self._types.of_records.items() if is_told(each)]
        of_others = {name for (name, _), each in self._types.of_others.items() if is_told(each)}
        for full_name in (*of_records, *(name for name in CARRYING if name in of_others)):
            consumers.follow(message_of(full_name), self.hear)
        consumers.follow(WebhookCallRequested, self.call)

    async def hear(self, event: Event, _payload: Message) -> None:
        """Note an event for those who are told of such."""
        found = self._types.concerned(event)
        # What is only one person's own is told to no endpoint, whoever answers for that.
        is_own = found is not None and isinstance(found.about, OfCollection) and found.about.is_own
        if found is None or not is_told(found.type) or is_own:
            return
        type, happened, tenant_id = found.type, time_from(event.occur_time), id_from_text(event.tenant_id)
        told = [each for each in await self._book.of(tenant_id) if each.hears(type) and each.notes(happened)]
        data, record_id = data_of(event, type, found.about), id_from_text(id_of(event, found.about))
        await self._note(tenant_id, told, event, happened, type.name, data, record_id)

    async def call(self, event: Event, asked: WebhookCallRequested) -> None:
        """Note what an automation rule has sent to an endpoint."""
        tenant_id, happened = id_from_text(event.tenant_id), time_from(event.occur_time)
        told = [each for each in await self._book.of(tenant_id) if str(each.id) == asked.endpoint_id]
        if not told:
            log.info("webhook.no_endpoint", endpoint_id=asked.endpoint_id, rule_id=asked.rule_id)
        noted = [each for each in told if each.notes(happened)]
        data = called(event, asked)
        await self._note(tenant_id, noted, event, happened, CALLED, data, id_from_text(asked.record_id))

    async def _note(
        self,
        tenant_id: UUID,
        told: list[WebhookEndpoint],
        event: Event,
        happened: datetime,
        type: str,
        data: Mapping[str, Any],
        record_id: UUID,
    ) -> None:
        if not told:
            return
        async with self._tenants.unit(tenant_id) as work:
            due = (delivery(each, event, type, data, record_id, happened=happened, now=work.now) for each in told)
            note(work, due)
        self._wake()


def delivery(
    endpoint: WebhookEndpoint,
    event: Event,
    type: str,
    data: Mapping[str, Any],
    record_id: UUID,
    *,
    happened: datetime,
    now: datetime,
) -> WebhookDelivery:
    """What is due for an endpoint that is enabled, and skipped by one that is not."""
    return WebhookDelivery(
        id=new_id(),
        endpoint_id=endpoint.id,
        event_id=id_from_text(event.id),
        event_type=type,
        collection=data["collection"],
        record_id=record_id,
        record_version=data["version"],
        event_time=happened,
        create_time=now,
        update_time=now,
        content=data,
        state=State.PENDING if endpoint.is_enabled else State.SKIPPED,
        next_attempt_time=now if endpoint.is_enabled else None,
    )


def called(event: Event, asked: WebhookCallRequested) -> dict[str, Any]:
    """The data of what an automation rule has sent."""
    return {
        "id": event.id,
        "rule_id": asked.rule_id,
        "rule_name": asked.rule_name,
        "collection": asked.collection,
        "record_id": asked.record_id,
        "version": asked.version,
        "values": dict(asked.values),
        "time": event.occur_time.ToJsonString(),
    }


def message_of(full_name: str) -> type[Message]:
    """The class of an event, `crm.sales.v1.OrderPlaced` for example."""
    package, _, name = full_name.rpartition(".")
    found: type[Message] = getattr(import_module(f"{package}.events_pb2"), name)
    return found

"""Ends approvals that the record has left behind, as soon as it is heard of.

Of a change of the record by its event, and of a new owner in the transaction in which the service hears of it. Whoever
submits holds the same lock and looks at the record again, so that of the two that meet one sees the other.
"""

from uuid import UUID

from google.protobuf.message import Message

from crm_kit.approvals.commands import end_outdated
from crm_kit.approvals.gate import Gate
from crm_kit.approvals.resource import approvals_by_collection
from crm_kit.background import Tenants
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.events.consumers import Consumers, Event
from crm_kit.events.payloads import events_of
from crm_kit.identity.access import Scope, service_actor
from crm_kit.ids import id_from_text


class Outdating:
    """The approvals of one service's records."""

    def __init__(self, tenants: Tenants, gate: Gate) -> None:
        self._tenants = tenants
        self._gate = gate
        self._approvals = approvals_by_collection(gate.approvables)

    def follow(self, consumers: Consumers) -> None:
        """Subscribe to every event of a record that has verbs that are approved."""
        for resource in {each.resource.collection: each.resource for each in self._gate.approvables}.values():
            for payload in events_of(resource.created, resource.message_type):
                self._follow(consumers, payload, resource.collection)

    def _follow(self, consumers: Consumers, payload: type[Message], collection: str) -> None:
        async def changed(event: Event, _: Message) -> None:
            async def attempt() -> None:
                async with self._tenants.unit(id_from_text(event.tenant_id)) as work:
                    await self.end(work, collection, id_from_text(event.aggregate_id))

            await retried(attempt)

        consumers.follow(payload, changed)

    async def owner_changed(self, work: UnitOfWork, collection: str, record_id: UUID) -> None:
        """End what was shown with another owner; the service does that itself, whoever gave the record away."""
        with work.acting_as(service_actor(work.tenant_id), Scope.ALL):
            await self.end(work, collection, record_id)

    async def end(self, work: UnitOfWork, collection: str, record_id: UUID) -> None:
        """End those of the record that are not about what it is now."""
        await end_outdated(work, self._gate, self._approvals[collection], collection, record_id)

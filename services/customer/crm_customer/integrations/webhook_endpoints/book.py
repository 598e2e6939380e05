"""Which endpoints hear what happens in a tenant, exactly as of when it is asked.

One question answers for all tenants that are asked for at the same time: of those without an endpoint that is all. What
the endpoints of the others hear is remembered as long as they are the same versions.
"""

import asyncio
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from crm_kit.background import Tenants

from crm_customer.integrations.webhook_endpoints.model import WebhookEndpoint
from crm_customer.integrations.webhook_endpoints.queries import get_present, versions_of

# Of tenants with endpoints, each of which takes 1 to 50 KB.
MAX_REMEMBERED = 500
Versions = frozenset[tuple[UUID, int]]
NONE: Versions = frozenset()


@dataclass(slots=True)
class Question:
    """Of which tenants the endpoints are asked for, and the answer once it is there."""

    tenant_ids: set[UUID] = field(default_factory=set)
    answer: Mapping[UUID, Versions] | None = None


class EndpointBook:
    """What one process knows of the endpoints of all tenants."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants
        self._next = Question()
        self._asking = asyncio.Lock()
        self._known: OrderedDict[UUID, tuple[Versions, Sequence[WebhookEndpoint]]] = OrderedDict()

    async def of(self, tenant_id: UUID) -> Sequence[WebhookEndpoint]:
        """The endpoints that are not archived, none older than this call."""
        versions = await self._versions_of(tenant_id)
        if versions == NONE:
            self._known.pop(tenant_id, None)
            return ()
        known = self._known.get(tenant_id)
        if known is None or known[0] != versions:
            async with self._tenants.unit(tenant_id) as work:
                endpoints = await get_present(work)
            known = frozenset((each.id, each.version) for each in endpoints), endpoints
            self._known[tenant_id] = known
        self._known.move_to_end(tenant_id)
        if len(self._known) > MAX_REMEMBERED:
            self._known.popitem(last=False)
        return known[1]

    async def _versions_of(self, tenant_id: UUID) -> Versions:
        """What is asked while a question is under way goes into the next: its answer is no older than who asks."""
        question = self._next
        question.tenant_ids.add(tenant_id)
        async with self._asking:
            if question is self._next:
                self._next = Question()
            if question.answer is None:
                question.answer = await self._ask(question.tenant_ids)
        return question.answer.get(tenant_id, NONE)

    async def _ask(self, tenant_ids: set[UUID]) -> Mapping[UUID, Versions]:
        found: dict[UUID, set[tuple[UUID, int]]] = defaultdict(set)
        for row in await versions_of(self._tenants.database, tenant_ids):
            found[row["tenant_id"]].add((row["endpoint_id"], row["version"]))
        return {tenant_id: frozenset(each) for tenant_id, each in found.items()}

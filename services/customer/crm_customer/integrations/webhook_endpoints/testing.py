"""Tests of endpoints: a message that is sent once, while somebody waits for what comes back."""

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from uuid import UUID

from crm_kit.errors import ResourceExhausted
from crm_kit.ids import new_id

from crm_customer.integrations.webhook_endpoints.calling import Caller
from crm_customer.integrations.webhook_endpoints.messages import Message, Outcome, time_text
from crm_customer.integrations.webhook_endpoints.model import WebhookEndpoint

TYPE = "webhook.test"
# Under way in this process, and of one tenant: each may take as long as an endpoint likes to.
MAX_TESTS, MAX_TESTS_OF_TENANT = 32, 4


class Tests:
    """Those that are under way in this process."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._running: Counter[UUID] = Counter()

    async def run(
        self, tenant_id: UUID, endpoint: WebhookEndpoint, secrets: Sequence[str], *, now: datetime
    ) -> Outcome:
        """Send a test. ResourceExhausted while too many are under way."""
        message = Message(str(new_id()), TYPE, time_text(now), {"endpoint_id": str(endpoint.id)})
        with self._place_of(tenant_id):
            async with self._caller.session() as call:
                return await call(endpoint.url, secrets, message)

    @contextlib.contextmanager
    def _place_of(self, tenant_id: UUID) -> Iterator[None]:
        if self._running[tenant_id] >= MAX_TESTS_OF_TENANT or self._running.total() >= MAX_TESTS:
            raise ResourceExhausted("too many webhook endpoints are being tested at this moment; try again")
        self._running[tenant_id] += 1
        try:
            yield
        finally:
            self._running[tenant_id] -= 1
            if not self._running[tenant_id]:
                del self._running[tenant_id]

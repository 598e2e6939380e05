"""Sends what is due, to each endpoint from one process at a time.

A message is sent, and then marked: whoever dies in between has it sent again, with the same id. What happens to a
record is sent in its order; a try that fails is repeated later, and what is behind it is not held up. Endpoints share
places in a process, of which a tenant has a part: one that answers slowly delays its own tenant at most.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import compress
from uuid import UUID

import structlog
from crm_kit.background import Tenants
from crm_kit.database.work import UnitOfWork, retried
from crm_kit.directory.access import Directory
from crm_kit.directory.keepers import get_keepers
from crm_kit.errors import Conflict, Unauthenticated, Unavailable
from crm_kit.identity.access import Access, Scope
from crm_kit.ids import new_id
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from crm_kit.thin_events.model import EventType
from crm_kit.thin_events.types import known_event_types

from crm_customer.integrations.webhook_deliveries import claims
from crm_customer.integrations.webhook_deliveries.claims import Claim
from crm_customer.integrations.webhook_deliveries.commands import mark
from crm_customer.integrations.webhook_deliveries.model import WebhookDelivery
from crm_customer.integrations.webhook_deliveries.queries import get_due, get_next_due
from crm_customer.integrations.webhook_endpoints.calling import Call, Caller
from crm_customer.integrations.webhook_endpoints.commands import disable_endpoint, set_failing_since
from crm_customer.integrations.webhook_endpoints.keeping import SigningSecrets
from crm_customer.integrations.webhook_endpoints.messages import Outcome
from crm_customer.integrations.webhook_endpoints.model import FAILING_FOR, DisableReason, WebhookEndpoint
from crm_customer.integrations.webhook_endpoints.queries import find_version
from crm_customer.integrations.webhook_endpoints.resource import ENDPOINTS
from crm_customer.integrations.webhook_endpoints.rights import hidden_from, is_hidden, reads_all

log = structlog.get_logger()
# Who has it for all of a tenant looks after its endpoints.
WEBHOOKS = "webhooks.write"
# Endpoints that a process sends to at a time, and of them those of one tenant. A place is a task: it costs little.
MAX_ENDPOINTS, MAX_ENDPOINTS_OF_TENANT = 200, 8
# Messages that are under way to an endpoint.
MAX_MESSAGES = 4
# After so long the place is another's, if one waits.
TURN_SECONDS = 10.0
POLL_SECONDS = 1.0
GONE = 410


@dataclass(slots=True)
class Turn:
    """An endpoint while this process sends to it. `over`: it has changed, or others are to have the place."""

    held: Claim
    endpoint: WebhookEndpoint
    access: Access
    secrets: Sequence[str]
    call: Call
    end: float
    failing_since: datetime | None
    is_changed: bool = False

    @property
    def is_over(self) -> bool:
        return self.is_changed or asyncio.get_running_loop().time() > self.end


class Sender:
    """Sends for all tenants, in one process. `run` it once."""

    name = "webhooks"

    def __init__(self, tenants: Tenants, directory: Directory, caller: Caller, secrets: SigningSecrets) -> None:
        self._tenants = tenants
        self._database = tenants.database
        self._directory = directory
        self._caller = caller
        self._secrets = secrets
        self._permissions = {each.collection: each.permission for each in known_event_types().all}
        self._types = {(each.collection, each.name): each for each in known_event_types().all}
        self._woken = asyncio.Event()
        self._busy: Counter[UUID] = Counter()

    def wake(self) -> None:
        """Something has come to wait."""
        self._woken.set()

    async def run(self) -> None:
        """Send what is due, for ever."""
        tasks = set[asyncio.Task[None]]()
        try:
            while True:
                self._woken.clear()
                while len(tasks) < MAX_ENDPOINTS and (held := await self._next()):
                    task = asyncio.create_task(self._hold(held))
                    tasks.add(task)
                    task.add_done_callback(tasks.discard)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._woken.wait()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _next(self) -> Claim | None:
        full = [tenant_id for tenant_id, count in self._busy.items() if count >= MAX_ENDPOINTS_OF_TENANT]
        try:
            return await claims.claim(self._database, new_id(), now=self._tenants.now(), without=full)
        except Unavailable as error:
            log.warning("webhooks.waiting", error=error.detail)
            return None

    # --- an endpoint

    async def _hold(self, held: Claim) -> None:
        """Send to an endpoint as long as the claim on it can be kept."""
        self._busy[held.tenant_id] += 1
        work = asyncio.create_task(self._send_what_is_due(held))
        try:
            while not work.done():
                await asyncio.wait({work}, timeout=claims.RENEW_SECONDS)
                if not work.done() and await claims.renew(self._database, held) is None:
                    log.warning("webhooks.lost", endpoint_id=str(held.endpoint_id))
                    return
            await work
        except (Unavailable, Conflict) as error:
            # The claim lapses, and then it is somebody's turn again.
            log.warning("webhooks.waiting", error=error.detail)
        except Exception:
            log.exception("webhooks.failed", endpoint_id=str(held.endpoint_id))
        finally:
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
                with contextlib.suppress(Unavailable):
                    await claims.release(self._database, held)
            self._busy[held.tenant_id] -= 1
            if not self._busy[held.tenant_id]:
                del self._busy[held.tenant_id]
            self.wake()

    async def _send_what_is_due(self, held: Claim) -> None:
        """Send until nothing is due, or it is another's turn."""
        end = asyncio.get_running_loop().time() + TURN_SECONDS
        async with self._caller.session() as call:
            while True:
                turn = await self._turn(held, call, end)
                if turn is None or asyncio.get_running_loop().time() > end:
                    await claims.release(self._database, held)
                    return
                async with self._tenants.unit(held.tenant_id) as reader:
                    due = await get_due(reader, held.endpoint_id)
                    next_due = None if due else await get_next_due(reader, held.endpoint_id)
                if due:
                    await self._send_all(turn, due)
                    continue
                if await claims.rest(self._database, held, next_due):
                    return
                arrivals = await claims.renew(self._database, held)
                if arrivals is None:
                    return
                held = replace(held, arrivals=arrivals)

    async def _turn(self, held: Claim, call: Call, end: float) -> Turn | None:
        """The endpoint as it is now; None when nothing is to be sent to it."""
        async with self._tenants.unit(held.tenant_id) as reader:
            endpoint = await ENDPOINTS.find(reader, held.endpoint_id)
            if endpoint is None or not endpoint.is_enabled:
                return None
            secrets = await self._secrets.find(reader, endpoint.id)
        try:
            actor = await self._directory.user(held.tenant_id, endpoint.activator_id)
        except Unauthenticated:
            await self._disable(held.tenant_id, endpoint, DisableReason.LOST_RIGHTS)
            return None
        return Turn(held, endpoint, actor.access, secrets, call, end, endpoint.failing_since_time)

    # --- messages

    async def _send_all(self, turn: Turn, due: Sequence[WebhookDelivery]) -> None:
        """Send some, those of a record one after the other."""
        readable = [reads_all(turn.access, self._permissions.get(each.collection, "")) for each in due]
        withheld = [each for each, is_readable in zip(due, readable, strict=True) if not is_readable]
        if any(self._is_heard(turn.endpoint, each) for each in withheld):
            await self._disable(turn.held.tenant_id, turn.endpoint, DisableReason.LOST_RIGHTS)
            return
        # Of a field that they do not see the endpoint hears nothing, and goes on.
        hidden = [each for each in compress(due, readable) if self._is_hidden(turn, each)]
        if withheld or hidden:
            await retried(lambda: self._skip(turn, [*withheld, *hidden]))
        by_record: dict[UUID, list[WebhookDelivery]] = {}
        for each in compress(due, readable):
            if each not in hidden:
                by_record.setdefault(each.record_id, []).append(each)
        places = asyncio.Semaphore(MAX_MESSAGES)

        async def send(chain: list[WebhookDelivery]) -> None:
            async with places:
                for each in chain:
                    began = None if turn.is_over else await self._begin(turn)
                    if began is None:
                        return
                    await self._send(turn, each, began)

        # Not a group that ends all with the first that fails: what is under way is marked.
        ends = await asyncio.gather(*map(send, by_record.values()), return_exceptions=True)
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _begin(self, turn: Turn) -> datetime | None:
        """The tenant's time; None once the endpoint has changed: one that was disabled is told nothing from then on."""
        async with self._tenants.unit(turn.held.tenant_id) as reader:
            version = await find_version(reader, turn.endpoint.id)
            turn.is_changed = turn.is_changed or version != turn.endpoint.version
            return None if turn.is_changed else reader.now

    async def _send(self, turn: Turn, delivery: WebhookDelivery, began: datetime) -> None:
        message = delivery.message(self._hidden(turn, self._types.get((delivery.collection, delivery.event_type))))
        outcome = await turn.call(turn.endpoint.url, turn.secrets, message)
        await retried(lambda: self._mark(turn, delivery, outcome, began))

    def _is_heard(self, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> bool:
        """Whether the endpoint is told of such events: not of what a rule sends, nor of what it was told once."""
        type = self._types.get((delivery.collection, delivery.event_type))
        return type is not None and endpoint.hears(type)

    def _is_hidden(self, turn: Turn, delivery: WebhookDelivery) -> bool:
        type = self._types.get((delivery.collection, delivery.event_type))
        return type is not None and is_hidden(turn.access, type, delivery.content)

    def _hidden(self, turn: Turn, type: EventType | None) -> frozenset[str]:
        return frozenset() if type is None else hidden_from(turn.access, type)

    # --- what came of it

    async def _mark(self, turn: Turn, before: WebhookDelivery, outcome: Outcome, began: datetime) -> None:
        """Note what came of a try, and disable the endpoint where that is over."""
        async with self._tenants.unit(turn.held.tenant_id) as work:
            after = before.tried(outcome, began=began, now=work.now, jitter=random.random())
            mark(work, before, after)
            reason = over_for(outcome, turn.failing_since, began)
            since = None if outcome.arrived else (turn.failing_since or began)
            if reason is not None:
                turn.is_changed = await disable(work, turn.endpoint, reason)
            elif since != turn.failing_since:
                set_failing_since(work, turn.endpoint.id, since)
        turn.failing_since = since

    async def _skip(self, turn: Turn, some: Sequence[WebhookDelivery]) -> None:
        """Send nothing of what the person may not read who answers for the endpoint."""
        async with self._tenants.unit(turn.held.tenant_id) as work:
            for each in some:
                mark(work, each, each.skip(now=work.now))

    async def _disable(self, tenant_id: UUID, endpoint: WebhookEndpoint, reason: DisableReason) -> None:
        async def attempt() -> None:
            async with self._tenants.unit(tenant_id) as work:
                await disable(work, endpoint, reason)

        await retried(attempt)


def over_for(outcome: Outcome, failing_since: datetime | None, began: datetime) -> DisableReason | None:
    """Why an endpoint is told nothing more after a try; None when it goes on."""
    if outcome.status == GONE:
        return DisableReason.GONE
    if not outcome.arrived and failing_since is not None and began >= failing_since + FAILING_FOR:
        return DisableReason.FAILING
    return None


async def disable(work: UnitOfWork, endpoint: WebhookEndpoint, reason: DisableReason) -> bool:
    """Disable an endpoint and tell those who look after it, unless it has been changed meanwhile."""
    now = await ENDPOINTS.find(work, endpoint.id, scope=Scope.ALL)
    if now is None or now.version != endpoint.version or not now.is_enabled:
        return False
    disable_endpoint(work, now, reason)
    raise_notice(
        work,
        Kind.NOTICE_KIND_WEBHOOK_DISABLED,
        [now.activator_id, *await get_keepers(work, WEBHOOKS)],
        record=(ENDPOINTS.collection, now.id),
        name=now.display_name,
        values={OUTCOME: reason},
    )
    log.info("webhooks.disabled", endpoint_id=str(endpoint.id), reason=reason)
    return True

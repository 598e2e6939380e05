"""A webhook delivery: an event that an endpoint was to be told, and what came of each try."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from crm_kit.outbound_http.replies import Failure

from crm_customer.integrations.webhook_endpoints.messages import Message, Outcome

# After each failure; the last one again and again until it is given up.
WAITS = (
    timedelta(seconds=5),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
)
# So much longer at most, so that those who failed together do not come together again.
JITTER = 0.2
# From the first try to the last.
GIVEN_UP_AFTER = timedelta(days=3)
MAX_ATTEMPTS_KEPT = 20
CHANGED_FIELDS = "changed_fields"


class State(enum.StrEnum):
    PENDING = "PENDING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Attempt:
    """Fields as in the contract."""

    attempt_time: datetime
    duration_ms: int
    status: int = 0
    error: Failure | None = None
    body: str = ""


@dataclass(frozen=True, slots=True)
class WebhookDelivery:
    """Fields as in the contract, and what is sent. Methods return the changed one.

    `content` is the message's `data`, with the names of all fields that changed. `failure_count` and `give_up_time` are
    those since it was last begun: as long as it was not tried, there is no time.
    """

    id: UUID
    endpoint_id: UUID
    event_id: UUID
    event_type: str
    collection: str
    record_id: UUID
    record_version: int
    event_time: datetime
    create_time: datetime
    update_time: datetime
    content: Mapping[str, Any] = field(default_factory=dict)
    version: int = 1
    state: State = State.PENDING
    attempt_count: int = 0
    attempts: tuple[Attempt, ...] = ()
    next_attempt_time: datetime | None = None
    failure_count: int = 0
    give_up_time: datetime | None = None

    def message(self, hidden: frozenset[str]) -> Message:
        """What is sent, for who may not see some fields of the record."""
        content = dict(self.content)
        if CHANGED_FIELDS in content:
            content[CHANGED_FIELDS] = [name for name in content[CHANGED_FIELDS] if name not in hidden]
        return Message(str(self.event_id), self.event_type, content["time"], content)

    def tried(self, outcome: Outcome, *, began: datetime, now: datetime, jitter: float) -> "WebhookDelivery":
        """What becomes of it after a try; `jitter`, from 0 to 1, says how much of it is added to the wait."""
        attempt = Attempt(began, outcome.duration_ms, outcome.status, outcome.error, outcome.body)
        noted = replace(
            self,
            attempt_count=self.attempt_count + 1,
            attempts=(*self.attempts, attempt)[-MAX_ATTEMPTS_KEPT:],
            update_time=now,
        )
        if outcome.arrived:
            return replace(noted, state=State.SUCCEEDED, next_attempt_time=None)
        give_up_time = self.give_up_time or began + GIVEN_UP_AFTER
        if began >= give_up_time:
            return replace(noted, state=State.FAILED, next_attempt_time=None, give_up_time=give_up_time)
        wait = WAITS[min(self.failure_count, len(WAITS) - 1)] * (1 + JITTER * jitter)
        wait = max(wait, outcome.retry_after)
        return replace(
            noted,
            failure_count=self.failure_count + 1,
            # The last try is when it is given up, and not a wait before.
            next_attempt_time=min(now + wait, give_up_time),
            give_up_time=give_up_time,
        )

    def skip(self, *, now: datetime) -> "WebhookDelivery":
        """Not to be sent, until somebody asks for it anew."""
        return replace(self, state=State.SKIPPED, next_attempt_time=None, update_time=now)

    def begin_anew(self, *, now: datetime) -> "WebhookDelivery":
        """To be tried now, whatever came of it before, and again for three days."""
        fresh = replace(self, failure_count=0, give_up_time=None)
        return replace(fresh, state=State.PENDING, next_attempt_time=now, update_time=now)

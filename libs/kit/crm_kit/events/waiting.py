"""Which events wait for another try, and which wait behind them because they are of the same aggregate.

Known to this process only. What another process knows is not needed to be right: an older version of an aggregate
never wins over a newer one. It keeps an aggregate's events in their order where they would overtake each other.
"""

from dataclasses import dataclass

# An event that does not come back so long after it was due has gone to another process: nobody waits for it here.
OVERDUE_SECONDS = 1.0
# Its failures are remembered longer, or a busy consumer would begin to count anew.
REMEMBERED_SECONDS = 600.0
SWEEP_SECONDS = 10.0
# The broker sends what failed before what is new. So that many failures of one tenant do not keep others waiting,
# only so many of a batch are tried again; the others come back a little later.
MAX_RETRIES = 20
LATER_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """Until when one event waits, on the event loop's clock, and how often it has failed."""

    due: float
    failures: int


class Waiting:
    """Events by aggregate and by their place in the stream. `now` is the time on the event loop's clock."""

    def __init__(self) -> None:
        self._waits: dict[str, dict[int, Wait]] = {}
        self._sweep_at = 0.0
        self._retries = 0

    def __contains__(self, aggregate_id: str) -> bool:
        """Whether an event of the aggregate has failed or waited here lately."""
        return aggregate_id in self._waits

    def failures(self, aggregate_id: str, sequence: int) -> int:
        """How often the event has failed here."""
        wait = self._waits.get(aggregate_id, {}).get(sequence)
        return 0 if wait is None else wait.failures

    def begin_batch(self, now: float) -> None:
        """Events have come: as many as in any batch may be tried again."""
        self._retries = 0
        if now >= self._sweep_at:
            self._sweep_at = now + SWEEP_SECONDS
            self._sweep(now)

    def seconds_to_wait(self, aggregate_id: str, sequence: int, now: float) -> float:
        """How long the event waits behind an earlier one of its aggregate or other failures; 0 when it is its turn."""
        waits = self._waits.get(aggregate_id, {})
        earlier = [each.due for other, each in waits.items() if other < sequence and now < each.due + OVERDUE_SECONDS]
        if earlier:
            return max(max(earlier) - now, OVERDUE_SECONDS / 10)
        if not self.failures(aggregate_id, sequence):
            return 0.0
        self._retries += 1
        return LATER_SECONDS if self._retries > MAX_RETRIES else 0.0

    def put(self, aggregate_id: str, sequence: int, *, due: float, failed: bool) -> None:
        """Let the event wait until `due`, because it has just failed or for another reason."""
        failures = self.failures(aggregate_id, sequence) + failed
        self._waits.setdefault(aggregate_id, {})[sequence] = Wait(due, failures)

    def remove(self, aggregate_id: str, sequence: int) -> None:
        """The event waits no more: it has had its effect, or never will."""
        waits = self._waits.get(aggregate_id)
        if waits is not None:
            waits.pop(sequence, None)
            if not waits:
                del self._waits[aggregate_id]

    def _sweep(self, now: float) -> None:
        """Forget what went to other processes."""
        for aggregate_id, waits in list(self._waits.items()):
            for sequence, each in list(waits.items()):
                if each.due + REMEMBERED_SECONDS < now:
                    self.remove(aggregate_id, sequence)

"""What other rules would do to the leads that are owned now; nothing is changed."""

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from heapq import nsmallest
from uuid import UUID

from crm_kit.database.work import Reader

from crm_sales.pools.model import PoolRules
from crm_sales.pools.protection import Holding, protection

# Everything that the pool could take back and the reader may see, in batches, with what decides by these rules.
Holdings = Callable[[Reader, PoolRules, PoolRules], AsyncIterator[list[Holding]]]

MAX_RETURNS = 200
"""How many leads a simulation names; it counts them all."""


@dataclass(frozen=True, slots=True)
class Return:
    """A lead that would go back, and until when it would have been safe."""

    lead_id: UUID
    owner_id: UUID
    safe_until_time: datetime
    # It goes back under the present rules too.
    lapsed_anyway: bool


@dataclass(frozen=True, slots=True)
class OwnerCount:
    """How many leads one owner would lose."""

    owner_id: UUID
    lead_count: int


@dataclass(slots=True)
class Simulation:
    """What proposed rules would do at once, counted batch by batch; of what would go back the first few are kept."""

    current: PoolRules
    proposed: PoolRules
    now: datetime
    held_count: int = 0
    newly_returned_count: int = 0
    newly_safe_count: int = 0
    first_returns: list[Return] = field(default_factory=list)
    lost: Counter[UUID] = field(default_factory=Counter)

    def add(self, holdings: Iterable[Holding]) -> None:
        """Count these too."""
        returns = []
        for holding in holdings:
            self.held_count += 1
            lapsed = protection(holding, self.current, self.now).is_lapsed(self.now)
            then = protection(holding, self.proposed, self.now)
            if then.safe_until_time is not None and then.is_lapsed(self.now):
                returns.append(Return(holding.id, holding.owner_id, then.safe_until_time, lapsed))
            elif lapsed:
                self.newly_safe_count += 1
        self.newly_returned_count += sum(not each.lapsed_anyway for each in returns)
        self.lost.update(each.owner_id for each in returns)
        self.first_returns = nsmallest(MAX_RETURNS, self.first_returns + returns, key=_place)

    @property
    def return_count(self) -> int:
        """How many would go back."""
        return self.lost.total()

    def owners(self) -> list[OwnerCount]:
        """What each owner would lose, most first."""
        return [OwnerCount(*pair) for pair in sorted(self.lost.items(), key=lambda pair: (-pair[1], pair[0]))]


def _place(each: Return) -> tuple[datetime, UUID]:
    """Leads that would go back are named by when they lapsed."""
    return each.safe_until_time, each.lead_id


async def simulate_rules(reader: Reader, holdings: Holdings, current: PoolRules, proposed: PoolRules) -> Simulation:
    """Try rules on everything that the pool could take back."""
    simulation = Simulation(current, proposed, reader.now)
    async for batch in holdings(reader, current, proposed):
        simulation.add(batch)
    return simulation

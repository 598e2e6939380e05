"""What other rules would do to the leads that are owned now; nothing is changed."""

from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from crm_kit.database.work import Reader

from crm_sales.pools.model import PoolRules
from crm_sales.pools.protection import Holding, protection
from crm_sales.pools.queries import get_pool

# Everything that the pool could take back and the reader may see, in batches.
Holdings = Callable[[Reader], AsyncIterator[list[Holding]]]


@dataclass(frozen=True, slots=True)
class Return:
    """A lead that would go back, and until when it would have been safe."""

    lead_id: UUID
    owner_id: UUID
    safe_until_time: datetime
    # It goes back under the present rules too.
    lapsed_anyway: bool


@dataclass(slots=True)
class Simulation:
    """What proposed rules would do at once, counted batch by batch."""

    current: PoolRules
    proposed: PoolRules
    now: datetime
    held_count: int = 0
    newly_safe_count: int = 0
    returns: list[Return] = field(default_factory=list)

    def add(self, holdings: Iterable[Holding]) -> None:
        """Count these too."""
        for holding in holdings:
            self.held_count += 1
            lapsed = protection(holding, self.current, self.now).is_lapsed(self.now)
            then = protection(holding, self.proposed, self.now)
            if then.safe_until_time is not None and then.is_lapsed(self.now):
                self.returns.append(Return(holding.id, holding.owner_id, then.safe_until_time, lapsed))
            elif lapsed:
                self.newly_safe_count += 1


async def simulate_rules(reader: Reader, holdings: Holdings, proposed: PoolRules) -> Simulation:
    """Try rules on everything that the pool could take back."""
    simulation = Simulation((await get_pool(reader)).rules, proposed, reader.now)
    async for batch in holdings(reader):
        simulation.add(batch)
    return simulation

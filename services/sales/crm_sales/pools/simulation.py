"""What other rules would do to the leads that are held now; nothing is changed."""

from collections import Counter
from dataclasses import dataclass, field

from crm_kit.database.work import Reader

from crm_sales.leads.holdings import held_leads
from crm_sales.pools.model import PoolRules, Return, simulate
from crm_sales.pools.queries import get_pool


@dataclass(slots=True)
class Outcome:
    """A simulation over all batches: see `crm_sales.pools.model.Simulation`."""

    held: int = 0
    newly_safe: int = 0
    lapsed: list[Return] = field(default_factory=list)
    newly_lapsed: list[Return] = field(default_factory=list)
    by_owner: Counter[str] = field(default_factory=Counter)


async def simulate_rules(reader: Reader, proposed: PoolRules) -> Outcome:
    """Try rules on every lead that somebody holds, batch by batch."""
    current = (await get_pool(reader)).rules
    outcome = Outcome()
    async for holdings in held_leads(reader):
        found = simulate(holdings, current, proposed, reader.now)
        outcome.held += len(holdings)
        outcome.newly_safe += len(found.newly_safe)
        outcome.lapsed += found.lapsed
        outcome.newly_lapsed += found.newly_lapsed
        outcome.by_owner.update(found.by_owner)
    return outcome

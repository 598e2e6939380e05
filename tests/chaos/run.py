"""One run: writers at work, one disturbance after the other, then the reckoning."""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crm_local.settings import GATEWAY, PROCESSES, SERVICES
from crm_local.testing import Platform, platform_for_tests

from tests.chaos.cycles import cycles_of
from tests.chaos.disturbances import Disturber, Killer, small_disk
from tests.chaos.reckoning import present, reckon
from tests.chaos.report import Report
from tests.chaos.standing import standing
from tests.chaos.target import Target
from tests.chaos.writing import Client, Ledger, Writer
from tests.fuzz.logs import exceptions_in
from tests.load.meter import machine

# Longer than a broker waits for a consumer that was killed with messages in hand.
SETTLE_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of everything; the run ends with whichever of cycles and seconds is reached first."""

    cycles: int = 45
    # Tokens hold for a quarter of an hour, and nobody here gets a second one.
    seconds: float = 540.0
    writers: int = 6
    seed: int = 1
    processes: Sequence[str] = PROCESSES
    # Whether the platform may call a program on this machine, which one in production does not.
    hears: bool = True


async def run_chaos(plan: Plan) -> Report:
    """Start a platform of its own, and put it through the plan."""
    async with platform_for_tests(small_disk) as platform:
        return await run_on(platform, plan)


async def run_on(platform: Platform, plan: Plan) -> Report:
    """Put a running platform through the plan."""
    return await run_with(platform, plan, lambda chance: Disturber(platform, chance, plan.processes))


async def run_with(platform: Target, plan: Plan, disturber_by: Callable[[random.Random], Killer]) -> Report:
    """Put what runs through the plan, disturbed as the disturber of this chance says."""
    on, loop, chance = machine(), asyncio.get_running_loop(), random.Random(plan.seed)
    ledger, client, stop = Ledger(await present(platform)), Client(platform), asyncio.Event()
    try:
        await client.sign_in()
        async with standing(platform, client, ledger, hears=plan.hears) as approver:
            began = loop.time()
            async with asyncio.TaskGroup() as tasks:
                for number in range(plan.writers):
                    tasks.create_task(Writer(client, ledger, plan.seed * 1000 + number, approver).run(stop))
                try:
                    cycles = await cycles_of(
                        platform, client, disturber_by(chance), chance, cycles=plan.cycles, seconds=plan.seconds
                    )
                finally:
                    stop.set()
            found, settled = await reckon(platform, ledger, seconds=SETTLE_SECONDS)
    finally:
        await client.close()
    exceptions = {name: exceptions_in(platform.log(name)) for name in (*SERVICES, GATEWAY)}
    return Report(on, plan.seed, loop.time() - began, settled, cycles, ledger, found, exceptions)

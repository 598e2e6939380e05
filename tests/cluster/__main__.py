"""The manifests of an overlay on this machine, and what they have to stand: `make cluster`.

python -m tests.cluster [OVERLAY] [--replicas N] [--only TRIAL ...] [--cycles N] [--away SECONDS]

Writes build/cluster.json; ends with 1 when a manifest cannot be run or something did not hold.
"""

import argparse
import asyncio
import signal
import sys
from pathlib import Path
from typing import Any

import orjson
from crm_local.cluster.__main__ import manifests_of
from crm_local.cluster.cluster import Cluster
from crm_local.cluster.network import enter_own_network
from crm_local.failure import LocalFailure
from crm_local.terminal import Terminal
from crm_local.testing import throwaway_folder

from tests.chaos.run import Plan
from tests.cluster.trials import Trials
from tests.load.meter import machine

RESULT = Path("build/cluster.json")
TRIALS = ("chaos", "restart", "broker", "story")


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="tests.cluster", description="Try an overlay's manifests on this machine.")
    parser.add_argument("overlay", nargs="?", default="production")
    parser.add_argument("--replicas", type=int, default=2, help="of each deployment")
    parser.add_argument("--only", nargs="+", choices=TRIALS, default=TRIALS)
    parser.add_argument("--writers", type=int, default=4, help="how many write at the same time")
    parser.add_argument("--cycles", type=int, default=14, help="how many kills in the chaos run")
    parser.add_argument("--away", type=float, default=60.0, help="for how many seconds NATS is away")
    return parser.parse_args(arguments)


async def try_all(cluster: Cluster, terminal: Terminal, options: argparse.Namespace) -> dict[str, Any]:
    """The outcome of each trial by its name."""
    task = asyncio.current_task()
    assert task is not None
    for what in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(what, task.cancel)
    outcomes: dict[str, Any] = {}
    try:
        await cluster.start()
        trials = Trials(
            cluster, options.writers, options.away, Plan(cycles=options.cycles, writers=options.writers, hears=False)
        )
        for name, trial in trials.by_name.items():
            if name not in options.only:
                continue
            async with terminal.step(name) as step:
                outcome = await trial()
                step.detail = f"{len(outcome.problems)} problems" if outcome.problems else "well"
            terminal.say(outcome.told or "\n".join(f"  {key} {value}" for key, value in outcome.figures.items()))
            for problem in outcome.problems:
                terminal.say(f"  {problem}")
            outcomes[name] = {"problems": outcome.problems, **outcome.figures}
    finally:
        await cluster.stop()
    return outcomes


def main(arguments: list[str]) -> int:
    """Run and report; 1 when it is not good enough, 130 when somebody lost patience."""
    options, terminal = options_of(arguments), Terminal()
    try:
        manifests = manifests_of(options.overlay)
        enter_own_network()
        with throwaway_folder() as folder:
            folder.chmod(0o755)
            cluster = Cluster(manifests, folder, terminal, replicas=options.replicas)
            outcomes = asyncio.run(try_all(cluster, terminal, options))
    except LocalFailure as failure:
        print(f"error: {failure}", file=sys.stderr)
        return 1
    except (asyncio.CancelledError, KeyboardInterrupt):
        return 130
    RESULT.parent.mkdir(exist_ok=True)
    told = {"machine": machine(), "overlay": options.overlay, "replicas": options.replicas, "trials": outcomes}
    RESULT.write_bytes(orjson.dumps(told, option=orjson.OPT_INDENT_2))
    return int(any(each["problems"] for each in outcomes.values()))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

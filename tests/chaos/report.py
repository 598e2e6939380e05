"""The figures of a run, as JSON and as a table, and whether they are good enough."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from tests.chaos.cycles import Cycle
from tests.chaos.reckoning import Found
from tests.chaos.writing import Ledger

READY_BAR_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Report:
    """One run."""

    machine: dict[str, object]
    seed: int
    seconds: float
    settled_seconds: float
    cycles: Sequence[Cycle]
    ledger: Ledger
    found: Found
    # What services logged that nobody had foreseen.
    exceptions: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def ready_seconds(self) -> list[float]:
        return sorted(cycle.ready_seconds for cycle in self.cycles if cycle.ready_seconds is not None)

    @property
    def never_ready(self) -> int:
        return sum(cycle.ready_seconds is None for cycle in self.cycles)

    @property
    def problems(self) -> list[str]:
        """What is not good enough; empty when all is well."""
        return self.errors + [
            f"{cycle.disturbance}: the whole was ready after {shown(cycle.ready_seconds)} s"
            for cycle in self.cycles
            if cycle.ready_seconds is not None and cycle.ready_seconds > READY_BAR_SECONDS
        ]

    @property
    def errors(self) -> list[str]:
        """What is wrong however busy the machine was."""
        told = list(self.found.told)
        told += [f"refused: {each}" for each in self.ledger.refused[:10]]
        told += [
            f"{cycle.disturbance}: the whole was never ready" for cycle in self.cycles if cycle.ready_seconds is None
        ]
        told += [f"{process} logged {each}" for process, some in self.exceptions.items() for each in some[:10]]
        if not self.ledger.acknowledged or not self.cycles:
            told.append("nothing was written, or nothing disturbed")
        return told

    def as_json(self) -> dict[str, Any]:
        ready = self.ready_seconds
        return {
            "machine": self.machine,
            "seed": self.seed,
            "seconds": round(self.seconds, 1),
            "cycles": len(self.cycles),
            "acknowledged": sum(self.ledger.acknowledged.values()),
            "missing": sum(self.found.missing.values()),
            "doubled": sum(self.found.doubled.values()),
            "refused": len(self.ledger.refused),
            "repeated": sum(self.ledger.repeated.values()),
            "replayed": self.ledger.replayed,
            "answers": {str(status or "none"): count for status, count in sorted(self.ledger.answers.items())},
            "ready_seconds": {
                "p50": round(median(ready), 2) if ready else None,
                "max": round(ready[-1], 2) if ready else None,
                "never": self.never_ready,
            },
            "settled_seconds": round(self.settled_seconds, 2),
            "disturbances": {name: self._of(name) for name in sorted({cycle.disturbance for cycle in self.cycles})},
            "writes": {
                what: {
                    "acknowledged": count,
                    "repeated": self.ledger.repeated[what],
                    "longest_seconds": round(self.ledger.longest_seconds[what], 2),
                }
                for what, count in sorted(self.ledger.acknowledged.items())
            },
            "effects": {
                what: {
                    "expected": count,
                    "missing": self.found.missing[what],
                    "doubled": self.found.doubled[what],
                }
                for what, count in sorted(self.found.checked.items())
            },
            "problems": self.problems,
        }

    def _of(self, name: str) -> dict[str, Any]:
        mine = [cycle.ready_seconds for cycle in self.cycles if cycle.disturbance == name]
        ready = sorted(each for each in mine if each is not None)
        return {
            "times": len(mine),
            "ready_p50": round(median(ready), 2) if ready else None,
            "ready_max": round(ready[-1], 2) if ready else None,
        }


def printed(report: Report) -> str:
    """The table."""
    told = report.as_json()
    lines = [f"{'killed, or':<18}{'times':>6}{'ready p50 s':>14}{'ready max s':>14}"]
    lines += [
        f"{name:<18}{each['times']:>6}{shown(each['ready_p50']):>14}{shown(each['ready_max']):>14}"
        for name, each in told["disturbances"].items()
    ]
    lines += ["", f"{'written':<14}{'acknowledged':>13}{'tried again':>13}{'longest s':>11}"]
    lines += [
        f"{what:<14}{each['acknowledged']:>13}{each['repeated']:>13}{each['longest_seconds']:>11.2f}"
        for what, each in told["writes"].items()
    ]
    lines += ["", f"{'looked for':<36}{'expected':>10}{'missing':>9}{'doubled':>9}"]
    lines += [
        f"{what:<36}{each['expected']:>10}{each['missing']:>9}{each['doubled']:>9}"
        for what, each in told["effects"].items()
    ]
    ready = told["ready_seconds"]
    lines += [
        "",
        "   ".join(
            f"{name} {told[name]}"
            for name in ("cycles", "acknowledged", "missing", "doubled", "refused", "repeated", "replayed")
        ),
        "answers: " + ", ".join(f"{status} {count}" for status, count in told["answers"].items()),
        f"ready again: p50 {shown(ready['p50'])} s, max {shown(ready['max'])} s (bar {READY_BAR_SECONDS:.0f} s)",
        f"all effects there {told['settled_seconds']} s after the last write",
        *(f"  {each}" for each in told["problems"]),
    ]
    return "\n".join(lines)


def shown(seconds: float | None) -> str:
    return "never" if seconds is None else f"{seconds:.2f}"

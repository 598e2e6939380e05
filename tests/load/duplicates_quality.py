"""Precision and recall of finding duplicates, in memory: by the product's keys, rules and threshold."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from crm_customer.records.duplicate_rules.blocking import keys_of
from crm_customer.records.duplicate_rules.matching import DUPLICATE, Match, match

from tests.factories.companies import Written, true_pairs

MOST_OF_A_KEY = 50
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Quality:
    """Of pairs: how many were found, how many of them are right, how many there are; and of kinds, found and all."""

    found: int
    right: int
    true: int
    of_kinds: Mapping[str, tuple[int, int]]

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


def candidates(records: Sequence[Written]) -> set[Pair]:
    """Pairs that have a key in common which few have."""
    of: dict[int, list[int]] = defaultdict(list)
    for at, each in enumerate(records):
        for key in keys_of(each.facts):
            of[key].append(at)
    few = (places for places in of.values() if 1 < len(places) <= MOST_OF_A_KEY)
    return {pair for places in few for pair in combinations(places, 2)}


def matches(records: Sequence[Written]) -> dict[Pair, Match]:
    """The candidates, compared."""
    return {pair: match(records[pair[0]].facts, records[pair[1]].facts) for pair in candidates(records)}


def quality(records: Sequence[Written], compared: Mapping[Pair, Match], threshold: int = DUPLICATE) -> Quality:
    """How many duplicates of each kind are found, and how many look-alikes are taken for duplicates."""
    true = true_pairs(records)
    found = {pair for pair, each in compared.items() if each.points >= threshold}
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for at, each in enumerate(records):
        if each.kind != "original":
            totals[each.kind][1] += 1
            totals[each.kind][0] += (at - 1, at) in found
    return Quality(len(found), len(found & true), len(true), {kind: (a, b) for kind, (a, b) in totals.items()})


def report(records: Sequence[Written], compared: Mapping[Pair, Match]) -> str:
    """A table: by threshold, and by what was different."""
    lines = [f"{len(records):,} records, {len(compared):,} pairs compared"]
    for threshold in (60, 65, 70, 75, 80):
        at = quality(records, compared, threshold)
        told = f"precision {at.precision:.3f}  recall {at.recall:.3f}  F1 {at.f1:.3f}"
        lines.append(f"  from {threshold}: {told}{'  (the default)' if threshold == DUPLICATE else ''}")
    for kind, (found, total) in sorted(quality(records, compared).of_kinds.items()):
        lines.append(f"  {kind:16} {found:6,} of {total:6,} taken for duplicates, {found / total:.1%}")
    return "\n".join(lines)

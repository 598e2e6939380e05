"""How long it takes to reckon what the 200 lines of a document come to.

python -m tests.load.pricing_bench [--tries N]

Writes build/pricing_bench.json, and fails where the bar is not held. Times are those of the processor, of the quickest
of many tries: what else a machine does is no part of them.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path

import orjson
from crm_sales.pricing.document import Discount, DocumentLine, DocumentPart, TaxRounding, price_document
from crm_sales.pricing.steps import PriceStep, StepPrice

from tests.load.meter import machine

RESULT = Path("build/pricing_bench.json")
LINES = 200
BAR_MILLISECONDS = 2.0
PRICE = StepPrice((PriceStep(Decimal(1), Decimal("12.345678")), PriceStep(Decimal(10), Decimal("11.2"))))
DISCOUNT = Discount(Decimal("7.5"), Decimal("0.05"))
PARTS = tuple(DocumentPart(Decimal(weight), Decimal(weight % 2 * 13)) for weight in (3, 2, 7, 1))


@dataclass(frozen=True, slots=True)
class Time:
    """How long one document takes, in milliseconds."""

    what: str
    milliseconds: float
    bar: float | None


def reckon(tax_rounding: TaxRounding, *, bundles: bool) -> None:
    """A document with quantities, steps, discounts of lines and of the whole, and three tax rates."""
    parts = PARTS if bundles else ()
    lines = [
        DocumentLine(PRICE.amount_of(Decimal(number)), DISCOUNT, Decimal(number % 3 * 3), parts)
        for number in range(1, LINES + 1)
    ]
    price_document(lines, "CNY", discount=DISCOUNT, tax_rounding=tax_rounding)


def quickest(call: Callable[[], None], tries: int) -> float:
    """In milliseconds."""
    times = []
    for _ in range(tries):
        began = time.thread_time()
        call()
        times.append(time.thread_time() - began)
    return min(times) * 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tries", type=int, default=200)
    tries = parser.parse_args().tries
    by_line, by_rate = TaxRounding.LINE, TaxRounding.RATE
    times = [
        Time("taxes by line", quickest(lambda: reckon(by_line, bundles=False), tries), BAR_MILLISECONDS),
        Time("taxes by rate", quickest(lambda: reckon(by_rate, bundles=False), tries), BAR_MILLISECONDS),
        Time("bundles of four", quickest(lambda: reckon(by_rate, bundles=True), tries), None),
    ]
    for each in times:
        bar = f"bar {each.bar:.1f}" if each.bar else ""
        print(f"{LINES} lines, {each.what:<18}{each.milliseconds:8.2f} ms  {bar}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_bytes(orjson.dumps({"machine": machine(), "times": [asdict(each) for each in times]}))
    return int(any(each.bar is not None and each.milliseconds > each.bar for each in times))


if __name__ == "__main__":
    sys.exit(main())

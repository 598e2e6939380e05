"""What the lines of a document come to: discounts, taxes and totals, each figure from those beside it.

A line is rounded once, half up away from zero, to the currency's minor unit, so a return mirrors its sale. The discount
that is shown is the difference of two figures that are shown. What belongs to the document is split over its lines, so
that lines add up to it, and each can be credited alone. What a bundle comes to is split over its parts in the same way.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from itertools import islice

from crm_kit.money import minor_digits

from crm_sales.pricing.splitting import half_up, settle, split
from crm_sales.pricing.steps import EXACT

ZERO, WHOLE = Decimal(0), Decimal(100)
# Percentages have at most four decimals.
PERCENT_DECIMALS = 4
IN_PERCENT = 100 * 10**PERCENT_DECIMALS
# A rate, and how many minor units are taxed at it.
Taxed = tuple[Decimal, int]


class TaxRounding(StrEnum):
    """What taxes are rounded of."""

    # Of each line; the document's tax is their sum.
    LINE = "LINE"
    # Of the nets of all lines of one rate (EN 16931, rule BR-CO-17); the lines have shares of it.
    RATE = "RATE"


@dataclass(frozen=True, slots=True)
class Discount:
    """First a percentage, then an amount, which is not below zero; of a return it goes the other way."""

    percent: Decimal = ZERO
    amount: Decimal = ZERO


NO_DISCOUNT = Discount()


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A product of a bundle: its share of the line is in proportion to `weight`, and taxed at a rate of its own."""

    weight: Decimal
    tax_percent: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class DocumentLine:
    """What a line costs before discounts, exact (see `StepPrice.amount_of`), its discount, and its tax rate.

    One with parts, which weigh something together, is taxed as they are.
    """

    amount: Decimal
    discount: Discount = NO_DISCOUNT
    tax_percent: Decimal = ZERO
    parts: tuple[DocumentPart, ...] = ()


@dataclass(frozen=True, slots=True)
class PartAmounts:
    """What is the share of a part."""

    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class LineAmounts:
    """What a line comes to. `list_amount - discount - document_discount` is net, or gross where prices include tax."""

    list_amount: Decimal
    discount: Decimal
    document_discount: Decimal
    net: Decimal
    tax: Decimal
    parts: tuple[PartAmounts, ...] = ()

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


@dataclass(frozen=True, slots=True)
class RateAmounts:
    """The lines of one tax rate together."""

    tax_percent: Decimal
    net: Decimal
    tax: Decimal


@dataclass(frozen=True, slots=True)
class DocumentAmounts:
    """Lines in their order, and by rate, the lowest first."""

    lines: tuple[LineAmounts, ...]
    rates: tuple[RateAmounts, ...]
    discount: Decimal
    document_discount: Decimal
    net: Decimal
    tax: Decimal

    @property
    def gross(self) -> Decimal:
        return self.net + self.tax


class DiscountTooHigh(ValueError):
    """A discount is more than what it is taken off; `line` counts from 0, None for that of the document."""

    def __init__(self, line: int | None) -> None:
        super().__init__(line)
        self.line = line


def price_document(
    lines: Sequence[DocumentLine],
    currency_code: str,
    *,
    discount: Discount = NO_DISCOUNT,
    tax_rounding: TaxRounding = TaxRounding.LINE,
    prices_include_tax: bool = False,
) -> DocumentAmounts:
    """All figures of a document in one currency. DiscountTooHigh as it says."""
    digits = minor_digits(currency_code)
    listed = [units_of(line.amount, digits) for line in lines]
    own = [
        before if line.discount is NO_DISCOUNT else discounted(number, line, digits)
        for number, (line, before) in enumerate(zip(lines, listed, strict=True))
    ]
    shares = document_shares(own, discount, digits)
    left = [amount - share for amount, share in zip(own, shares, strict=True)]
    taxed = [each for line, amount in zip(lines, left, strict=True) for each in taxed_of(line, amount)]
    taxes = taxes_of(taxed, tax_rounding, included=prices_include_tax)
    nets = [amount - tax if prices_include_tax else amount for (_, amount), tax in zip(taxed, taxes, strict=True)]
    unit = Decimal(1).scaleb(-digits)
    figures = zip(nets, taxes, strict=True)
    priced = tuple(
        line_amounts(line, before, before - amount, share, figures, unit)
        for line, before, amount, share in zip(lines, listed, own, shares, strict=True)
    )
    return DocumentAmounts(
        lines=priced,
        rates=by_rate(taxed, nets, taxes, unit),
        discount=(sum(listed) - sum(own)) * unit,
        document_discount=sum(shares) * unit,
        net=sum(nets) * unit,
        tax=sum(taxes) * unit,
    )


def taxed_of(line: DocumentLine, amount: int) -> list[Taxed]:
    """What of a line is taxed at which rate: all of it, or the shares of its parts."""
    if not line.parts:
        return [(line.tax_percent, amount)]
    shares = split(amount, [part.weight for part in line.parts])
    return [(part.tax_percent, share) for part, share in zip(line.parts, shares, strict=True)]


def line_amounts(
    line: DocumentLine, before: int, off: int, share: int, figures: Iterator[tuple[int, int]], unit: Decimal
) -> LineAmounts:
    """A line; its net and tax, or those of its parts, are the next of the `figures`."""
    if not line.parts:
        net, tax = next(figures)
        return LineAmounts(before * unit, off * unit, share * unit, net * unit, tax * unit)
    parts = list(islice(figures, len(line.parts)))
    net, tax = sum(net for net, _ in parts), sum(tax for _, tax in parts)
    shown = tuple(PartAmounts(net * unit, tax * unit) for net, tax in parts)
    return LineAmounts(before * unit, off * unit, share * unit, net * unit, tax * unit, shown)


def discounted(number: int, line: DocumentLine, digits: int) -> int:
    """A line less its own discount, in minor units, rounded once; it is no more than what is shown of the line."""
    percent, amount = line.discount.percent, line.discount.amount
    # A hundred times as much, which saves a division.
    left = EXACT.multiply(line.amount, EXACT.subtract(WHOLE, percent)) if percent else EXACT.scaleb(line.amount, 2)
    if amount:
        off = EXACT.multiply(amount if line.amount >= 0 else EXACT.minus(amount), WHOLE)
        if abs(left) < abs(off):
            # All that is shown of the line can be taken off, also where that is rounded up.
            if abs(units_of(left, digits - 2)) < abs(units_of(off, digits - 2)):
                raise DiscountTooHigh(number)
            return 0
        left = EXACT.subtract(left, off)
    return units_of(left, digits - 2)


def document_shares(own: Sequence[int], discount: Discount, digits: int) -> list[int]:
    """What is taken off each line for the discount of the document: the percentage of each, and shares of the amount.

    A percentage is not split: where sales and returns nearly cancel out, a unit of the sum is all of some lines.
    """
    total, rate = sum(own), percent_units(discount.percent)
    taken = document_discount(total, discount, digits)
    by_percent = half_up(total * rate, IN_PERCENT)
    shares = settle(by_percent, [half_up(each * rate, IN_PERCENT) for each in own], own, within=True)
    left = [amount - share for amount, share in zip(own, shares, strict=True)]
    more = split(taken - by_percent, left, within=True)
    return [share + each for share, each in zip(shares, more, strict=True)]


def document_discount(total: int, discount: Discount, digits: int) -> int:
    """What is taken off the sum of the lines, in minor units, rounded once; it is no more than the sum."""
    if discount is NO_DISCOUNT:
        return 0
    amount = EXACT.scaleb(Decimal(total), -digits)
    by_percent = EXACT.scaleb(EXACT.multiply(amount, discount.percent), -2)
    off = discount.amount if total >= 0 else EXACT.minus(discount.amount)
    taken = units_of(EXACT.add(by_percent, off), digits)
    if abs(taken) > abs(total):
        raise DiscountTooHigh(None)
    return taken


def taxes_of(taxed: Sequence[Taxed], tax_rounding: TaxRounding, *, included: bool) -> list[int]:
    """The tax of each, in minor units, on amounts before tax, or `included` in them.

    Of what includes it, the net is what is rounded, and the tax is the rest.
    """
    units = {percent: percent_units(percent) for percent in {percent for percent, _ in taxed}}
    rates = [units[percent] for percent, _ in taxed]
    taxes = [tax_on(amount, rate, included=included) for (_, amount), rate in zip(taxed, rates, strict=True)]
    if tax_rounding is TaxRounding.LINE:
        return taxes
    for rate in set(rates):
        of_rate = [index for index, each in enumerate(rates) if each == rate]
        amounts = [taxed[index][1] for index in of_rate]
        whole = tax_on(sum(amounts), rate, included=included)
        for index, tax in zip(of_rate, settle(whole, [taxes[index] for index in of_rate], amounts), strict=True):
            taxes[index] = tax
    return taxes


def tax_on(amount: int, rate: int, *, included: bool) -> int:
    """The tax on an amount, both in minor units; the rate in units of `percent_units`."""
    if included:
        return amount - half_up(amount * IN_PERCENT, IN_PERCENT + rate)
    return half_up(amount * rate, IN_PERCENT)


def by_rate(
    taxed: Sequence[Taxed], nets: Sequence[int], taxes: Sequence[int], unit: Decimal
) -> tuple[RateAmounts, ...]:
    """What comes to which amounts at each rate."""
    sums: dict[Decimal, list[int]] = {}
    for (percent, _), net, tax in zip(taxed, nets, taxes, strict=True):
        found = sums.setdefault(percent, [0, 0])
        found[0] += net
        found[1] += tax
    return tuple(RateAmounts(percent, net * unit, tax * unit) for percent, (net, tax) in sorted(sums.items()))


def units_of(amount: Decimal, digits: int) -> int:
    """An exact amount in whole minor units, rounded half up."""
    return int(EXACT.scaleb(amount, digits).to_integral_value(ROUND_HALF_UP))


def percent_units(percent: Decimal) -> int:
    """A percentage of at most four decimals as a whole number; 13 is 130000."""
    return int(EXACT.scaleb(percent, PERCENT_DECIMALS))

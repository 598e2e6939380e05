"""Splitting a whole over parts so that the parts add up: discounts of a document, bundles, taxes of a rate.

Amounts are whole numbers of the currency's minor unit, so nothing is lost on the way.
"""

from collections.abc import Sequence
from decimal import Decimal
from itertools import islice
from math import lcm


def half_up(numerator: int, denominator: int) -> int:
    """The nearest whole number to a quotient; a tie goes away from zero, so that a return mirrors its sale."""
    if denominator < 0:
        numerator, denominator = -numerator, -denominator
    rounded = (2 * abs(numerator) + denominator) // (2 * denominator)
    return rounded if numerator >= 0 else -rounded


def split(whole: int, weights: Sequence[Decimal | int], *, within: bool = False) -> list[int]:
    """Shares of `whole` in proportion to signed weights, each rounded half up; `settle` makes them add up.

    `within` says that the weights are minor units, too, and that the whole is taken off them.

    1.00 over six equal weights is 0.16, 0.16, 0.17, 0.17, 0.17, 0.17. Weights that add up to nothing share nothing:
    ValueError for a whole that is not zero.
    """
    scaled = whole_numbers(weights)
    total = sum(scaled)
    if not total:
        if whole:
            raise ValueError(f"{whole} cannot be split over weights that add up to zero")
        return [0] * len(scaled)
    return settle(whole, [half_up(whole * weight, total) for weight in scaled], scaled, within=within)


def settle(whole: int, rounded: Sequence[int], weights: Sequence[int], *, within: bool = False) -> list[int]:
    """Rounded shares, changed so that they add up to `whole`: unit by unit, those of the largest weights first.

    Of equal weights the first. No share changes its sign for that: where weights have both signs, one that would is
    passed over, and so is one that would be more than its weight where all are to stay `within` theirs. Rounding was
    off by half a unit a share at most, so none is changed by more than one unit.
    """
    shares = list(rounded)
    difference = whole - sum(shares)
    if not difference:
        return shares
    unit = 1 if difference > 0 else -1
    # Whether shares have the sign of their weights, or the other.
    sign = 1 if whole * sum(weights) >= 0 else -1

    def is_out_of_place(index: int) -> bool:
        share, weight = shares[index] + unit, weights[index]
        return weight == 0 or share * weight * sign < 0 or (within and abs(share) > abs(weight))

    order = sorted(range(len(shares)), key=lambda index: -abs(weights[index]))
    movable = (index for index in order if not is_out_of_place(index))
    for index in list(islice(movable, abs(difference))):
        shares[index] += unit
    return shares


def whole_numbers(weights: Sequence[Decimal | int]) -> list[int]:
    """The weights times one number, so that all are whole: their proportions stay."""
    if all(isinstance(weight, int) for weight in weights):
        return [int(weight) for weight in weights]
    ratios = [weight.as_integer_ratio() for weight in weights]
    common = lcm(*(denominator for _, denominator in ratios))
    return [numerator * (common // denominator) for numerator, denominator in ratios]

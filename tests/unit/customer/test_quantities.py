"""Numbers of people, however long the cell is in which somebody wrote them."""

import pytest
from crm_customer.imports.spreadsheets.quantities import people_of

from tests.steps import quickest

LONGEST_CELL = 32_767


@pytest.mark.parametrize("filling", [" ", ".", "1", "1 ", "约", "人", "-", "1-", "k", "约 1 人 "])
def test_a_cell_that_goes_on_and_on_is_no_number_and_takes_no_time(filling: str) -> None:
    """Going over it once takes a few milliseconds; a step for each pair of its characters would take minutes."""
    cell = ("1" + filling * LONGEST_CELL)[: LONGEST_CELL - 1] + "x"
    assert people_of(cell) is None
    assert quickest(lambda: people_of(cell), 0.25) < 0.25


def test_blanks_around_and_within_a_number_do_not_matter() -> None:
    assert people_of("  1   200\t人 " + " " * 1000) == 1200

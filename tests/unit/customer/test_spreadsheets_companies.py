"""Rows of a spreadsheet that are of one company, and those that only look so."""

import pytest
from crm_customer.imports.spreadsheets.mapping import mapping_for
from crm_customer.imports.spreadsheets.reader import Spreadsheet
from crm_customer.imports.spreadsheets.rows import AccountRow, read_rows


def sheet(header: list[str], *rows: list[str]) -> Spreadsheet:
    return Spreadsheet(tuple(header), ((at, tuple(row)) for at, row in enumerate(rows, start=2)))


def test_people_of_one_name_are_different_people() -> None:
    header = ["客户名称", "客户类型", "联系人"]
    rows = list(read_rows(sheet(header, ["王伟", "个人", "a"], ["王伟", "个人", "b"]), mapping_for(header, {})))
    assert [row.account_row for row in rows if isinstance(row, AccountRow)] == [2, 3]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("Star", "star-hotel.example"), ("Star", "star-shipping.example")),
        (("A+B GmbH", ""), ("A-B GmbH", "")),
        (("A+B GmbH", ""), ("AB GmbH", "")),
    ],
)
def test_companies_that_look_alike_and_tell_otherwise_are_two(first: tuple[str, str], second: tuple[str, str]) -> None:
    rows = [[first[0], "Al", first[1]], [second[0], "Cy", second[1]], [first[0], "Di", first[1]]]
    assert accounts_of(["Company", "Contact", "Website"], rows) == [2, 3, 2]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("Star", "https://www.Star.example/de"), ("STAR", "star.example")),
        (("Star", "star.example"), ("Star", "shop.star.example")),
        (("Star", ""), ("Star", "star.example")),
        (("Acme, Inc.", ""), ("ACME Inc", "")),
        (("華信（深圳）", ""), ("华信(深圳)", "")),
    ],
)
def test_a_company_that_is_typed_differently_is_one(first: tuple[str, str], second: tuple[str, str]) -> None:
    rows = [[first[0], "Al", first[1]], [second[0], "Cy", second[1]]]
    assert accounts_of(["Company", "Contact", "Website"], rows) == [2, 2]


def test_what_a_later_row_tells_of_a_company_tells_it_from_others_too() -> None:
    header = ["External ID", "Company", "Contact", "Website"]
    rows = [["", "Star", "Al", ""], ["", "Star", "Bo", "hotel.example"], ["", "Star", "Cy", "ships.example"]]
    assert accounts_of(header, rows) == [2, 2, 4]
    rows = [["1", "Star", "Al", ""], ["1", "Star", "Bo", "hotel.example"], ["", "Star", "Cy", "ships.example"]]
    assert accounts_of(header, rows) == [2, 2, 4]


def accounts_of(header: list[str], rows: list[list[str]]) -> list[int]:
    """The first row about the account of each row."""
    read = list(read_rows(sheet(header, *rows), mapping_for(header, {})))
    found = [row.account_row for row in read if isinstance(row, AccountRow)]
    assert len(found) == len(rows), read
    return found

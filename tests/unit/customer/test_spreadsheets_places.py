"""Where the accounts of a list are: states and provinces of a country, as people there write them."""

import pytest
from crm_customer.imports.spreadsheets.fields import Reason
from crm_customer.imports.spreadsheets.mapping import mapping_for
from crm_customer.imports.spreadsheets.reader import Spreadsheet
from crm_customer.imports.spreadsheets.rows import AccountRow, BadRow, RowError, RowRules, read_rows


def only(header: list[str], row: list[str], rules: RowRules | None) -> AccountRow | BadRow:
    sheet = Spreadsheet(tuple(header), iter([(2, tuple(row))]))
    [found] = read_rows(sheet, mapping_for(header, {}), rules)
    return found


def account(header: list[str], row: list[str], rules: RowRules | None = None) -> AccountRow:
    found = only(header, row, rules)
    assert isinstance(found, AccountRow), found
    return found


def error_of(header: list[str], row: list[str]) -> RowError:
    found = only(header, row, None)
    assert isinstance(found, BadRow)
    (error,) = found.errors
    return error


@pytest.mark.parametrize(
    ("state", "code"),
    [
        *(
            ("DE", "US-DE"),
            ("IN", "US-IN"),
            ("IL", "US-IL"),
            ("PA", "US-PA"),
            ("Georgia", "US-GA"),
            ("Calif.", "US-CA"),
        ),
        *(("Bayern", "DE-BY"), ("US-NY", "US-NY"), ("广东省", "CN-GD")),
    ],
)
@pytest.mark.parametrize("column", ["Billing State", "State/Province", "State/Region", "Province"])
def test_a_column_of_states_never_names_a_country(column: str, state: str, code: str) -> None:
    rules = RowRules(default_region="US")
    assert account(["Name", column], ["A", state], rules).region_code == code


@pytest.mark.parametrize("state", ["DE", "IN", "PA", "Germany"])
def test_a_state_of_an_unknown_country_is_refused_with_a_way_out(state: str) -> None:
    error = error_of(["Name", "State"], ["A", state])
    assert (error.value, error.reason) == (state, Reason.REGION_UNKNOWN)
    assert "default_region" in error.detail
    assert account(["Name", "Region"], ["A", "DE"]).region_code == "DE"


@pytest.mark.parametrize(
    ("state", "country", "code"),
    [
        *(("Seoul", "KR", "KR-11"), ("Gyeonggi", "KR", "KR-41"), ("Praha", "CZ", "CZ-10"), ("NRW", "DE", "DE-NW")),
        *(("Calif.", "US", "US-CA"), ("Mass", "US", "US-MA"), ("Ont.", "CA", "CA-ON"), ("CDMX", "MX", "MX-CMX")),
    ],
)
def test_subdivisions_are_known_as_people_there_call_them(state: str, country: str, code: str) -> None:
    assert account(["名称", "State", "Country"], ["A", state, country]).region_code == code


@pytest.mark.parametrize(
    ("country", "examples"), [("KR", "Seoul, KR-11"), ("US", "Alaska, US-AK"), ("CN", "广东, CN-GD")]
)
def test_advice_on_regions_is_that_of_the_country(country: str, examples: str) -> None:
    error = error_of(["名称", "State", "Country"], ["A", "Nowhere", country])
    assert error.metadata["examples"] == examples
    assert examples in error.detail


def test_numbers_without_a_country_code_are_of_the_default_region_or_of_the_rows() -> None:
    header, rules = ["Name", "State", "Country", "Phone"], RowRules(default_region="US")
    assert account(header, ["A", "PA", "", "215 686 1776"], rules).phone_numbers == ("+12156861776",)
    assert account(header, ["A", "", "DE", "0211 8765432"], rules).phone_numbers == ("+492118765432",)

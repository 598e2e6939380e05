"""What a contract says of lists is what the services that serve them have declared."""

from typing import Any

import pytest
from crm_kit.filtering.schema import FilterField
from crm_kit.listed_collections import listed_collections
from crm_kit.resource.listed import filter_schema, orders

from tests.service.running import Running


@pytest.fixture
def declared(customer: Running, sales: Running, scoring: Running, service_desk: Running) -> dict[str, Any]:
    """The resources of all services, by collection."""
    running = (customer, sales, scoring, service_desk)
    return {each.collection: each for service in running for each in service.service.resources}


def told(field: FilterField) -> tuple[Any, ...]:
    return field.type, dict(field.values), field.word, field.phone_number


def test_filters_and_orders_of_every_list_are_read_from_its_contract_as_its_service_declares_them(
    declared: dict[str, Any],
) -> None:
    found = listed_collections()
    assert found.keys() == {name for name in declared if name in found}
    assert {"accounts", "orders", "cases", "scores", "payments", "saved_views"} <= found.keys()
    for name, each in found.items():
        fields = filter_schema(declared[name]).fields
        assert {path: told(field) for path, field in each.filters.items()} == {
            path: told(field) for path, field in fields.items()
        }, name
        assert each.orders == orders(declared[name]).keys(), name
        assert each.has_custom == declared[name].has_custom, name
        assert each.groups == {path for path, one in declared[name].paths.items() if one.group}, name

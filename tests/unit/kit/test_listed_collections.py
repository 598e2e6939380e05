"""What a service knows of the lists of others."""

from crm_kit import listed_collections
from crm_kit.filtering.parsing import parse_filter


def test_whatever_fields_of_tenants_filters_name_only_so_much_is_remembered_of_them() -> None:
    accounts = listed_collections.listed_collections()["accounts"]
    most = listed_collections._schema.cache_parameters()["maxsize"]
    assert most is not None
    for number in range(most + 10):
        parse_filter(f"custom.f{number} = 1", accounts.schema_for(f"custom.f{number} = 1"))
    assert listed_collections._schema.cache_info().currsize == most

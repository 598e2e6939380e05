"""Which ids have names beside them, as the contract says, and what a service must know for it."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, tenants_pb2
from crm.resource.v1 import resources_pb2
from crm.sales.v1 import opportunities_pb2
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.accounts.tables import accounts
from crm_customer.records.interactions.resource import INTERACTIONS
from crm_kit.database.known_names import KnownNames
from crm_kit.resource.contract import NamedId, named_ids
from crm_kit.resource.names import Names, named_tables
from crm_kit.resource.values import DeclarationError


def test_an_id_is_named_when_the_contract_has_its_name_beside_it() -> None:
    assert named_ids(contacts_pb2.Contact.AccountLink.DESCRIPTOR) == (
        NamedId("account_id", "account_name", "accounts"),
    )
    named = {each.id for each in named_ids(opportunities_pb2.Opportunity.DESCRIPTOR)}
    assert named == {"account_id", "pipeline_id", "stage_id", "owner_id", "owner_team_id", "lead_id"}
    assert named_ids(tenants_pb2.Tenant.DESCRIPTOR) == ()


def test_a_name_is_no_field_of_the_record_itself() -> None:
    assert "owner_id" in ACCOUNTS.contract
    assert "owner_name" not in ACCOUNTS.contract


def test_names_are_found_at_any_depth_of_an_answer() -> None:
    names = Names({"accounts": accounts, "contacts": accounts})
    page = contacts_pb2.ListContactsResponse(
        contacts=[contacts_pb2.Contact(id="1", accounts=[contacts_pb2.Contact.AccountLink(account_id="2")])]
    )
    places = names.places_in(page.DESCRIPTOR)
    assert places is not None
    found = {(each.name, len(messages)) for own, messages in places.found([page]) for each in own}
    assert found == {("reports_to_name", 1), ("owner_name", 1), ("owner_team_name", 1), ("account_name", 1)}


def test_an_answer_without_names_is_left_alone() -> None:
    names = Names({})
    assert names.places_in(tenants_pb2.Tenant.DESCRIPTOR) is None
    assert names.places_in(resources_pb2.BatchGetRecordsResponse.DESCRIPTOR) is None


def test_a_service_that_does_not_know_the_names_is_told_so_when_it_starts() -> None:
    with pytest.raises(DeclarationError, match=r"Opportunity\.account_name: say in `Service\.names` where .* accounts"):
        Names({}).places_in(opportunities_pb2.ListOpportunitiesResponse.DESCRIPTOR)


async def test_what_a_unit_of_work_gathered_is_said_in_its_answer_and_known_to_nobody_else() -> None:
    known_names = KnownNames()
    gathered, asked = {("accounts", UUID(int=1)): "华信控股"}, []

    async def read(_statement: Any, ids: list[UUID]) -> list[dict[str, Any]]:
        asked.append(ids)
        return [{"id": id, "display_name": "华信集团"} for id in ids]

    database = SimpleNamespace(known_names=known_names)
    work: Any = SimpleNamespace(tenant_id=UUID(int=9), database=database, names=gathered, all=read)
    records = [accounts_pb2.Account(parent_id=str(UUID(int=number))) for number in (1, 2)]
    await Names({"accounts": accounts}).fill_in(work, accounts_pb2.Account, records)
    assert [each.parent_name for each in records] == ["华信控股", "华信集团"]
    assert asked == [[UUID(int=2)]]
    assert known_names.of(UUID(int=9), "accounts").keys() == {str(UUID(int=2))}


def test_a_resource_whose_records_have_display_names_is_a_source_of_them() -> None:
    assert named_tables([ACCOUNTS, INTERACTIONS]) == {"accounts": accounts}

"""Names beside ids, over gRPC and REST: of users, teams and accounts, of pipelines and stages, and when they change."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, events_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.sales.v1 import opportunities_pb2, pipelines_pb2
from crm_kit.database.connections import Database
from crm_kit.database.known_names import BELIEVED_SECONDS, KnownNames
from crm_kit.directory.projection import project_user
from crm_kit.projections import put_newest
from crm_sales.accounts.tables import accounts

from tests.service.customer.customers import new_account, new_contact
from tests.service.customer.told import told_of
from tests.service.kit.custom_fields import REFERENCE, new_field
from tests.service.nameless import nameless
from tests.service.running import Running, User
from tests.service.sales.selling import clients, cny, known_account
from tests.service.web import bearer, gateway


class Clock:
    """The seconds that go by."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
async def user(customer: Running) -> User:
    tenant_id = await customer.tenant()
    team_id = await customer.team(tenant_id, name="Sales South")
    return await customer.user(tenant_id, team_id=team_id, name="王芳")


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch, customer: Running, sales: Running) -> Clock:
    """Time for what the services remember; they have forgotten everything before."""
    clock = Clock()
    for each in (customer, sales):
        monkeypatch.setattr(each.service.database, "known_names", KnownNames(clock))
    return clock


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The queries for names that are made."""
    found: list[str] = []
    fetch = Database.all

    async def noted(self: Database, tenant: UUID | str, query: Any, values: Any) -> Any:
        if query.sql.count(".display_name") == 1 and "= ANY" in query.sql:
            found.append(query.sql.partition("FROM ")[2].split()[0])
        return await fetch(self, tenant, query, values)

    monkeypatch.setattr(Database, "all", noted)
    return found


async def called(service: Running, user: User, name: str, *, version: int) -> None:
    """The service learns what a user is called."""
    async with service.unit_of_work(user.tenant_id) as work:
        values: dict[str, Any] = {"active": True, "team_id": user.team_id, "role_ids": []}
        project_user(work, id=user.id, login=f"{user.id}@example.test", display_name=name, version=version, **values)


# --- where they are


async def test_every_answer_says_the_names_of_what_a_record_refers_to(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    headers = bearer(user)
    above = await new_account(customer, user, display_name="华信集团")
    body = {"kind": "ORGANIZATION", "display_name": "华信电力", "parent_id": above.id}
    created = (await web.post("/v1/accounts", json=body, headers=headers)).json()
    assert {name: created[name] for name in ("owner_name", "owner_team_name", "parent_name", "merged_into_name")} == {
        "owner_name": "王芳",
        "owner_team_name": "Sales South",
        "parent_name": "华信集团",
        "merged_into_name": None,
    }
    path = f"/v1/accounts/{created['id']}"
    assert (await web.get(path, headers=headers)).json() == created
    filter = {"filter": f'id = "{created["id"]}"'}
    assert (await web.get("/v1/accounts", params=filter, headers=headers)).json()["accounts"] == [created]
    several = await web.get("/v1/accounts:batchGet", params={"ids": created["id"]}, headers=headers)
    assert several.json()["accounts"] == [created]
    then = await web.get(f"{path}:asOf", params={"read_time": created["update_time"]}, headers=headers)
    assert then.json() == created
    changed = (await web.patch(path, json={"industry": "steel"}, headers=headers)).json()
    archived = (await web.post(f"{path}:archive", headers=headers)).json()
    assert changed["owner_name"] == archived["owner_name"] == "王芳"


async def test_names_are_said_within_a_record_too(customer: Running, user: User) -> None:
    first, second = [await new_account(customer, user, display_name=name) for name in ("华信电力", "深圳电器")]
    contact = await new_contact(customer, user, first.id, second.id)
    assert [each.account_name for each in contact.accounts] == ["华信电力", "深圳电器"]
    request = contacts_pb2.GetContactRequest(id=contact.id)
    assert await ContactServiceStub(customer.channel).GetContact(request, metadata=user.metadata) == contact


async def test_several_ids_have_their_names_in_the_same_order(
    customer: Running, user: User, web: httpx.AsyncClient, clock: Clock, asked: list[str]
) -> None:
    headers = bearer(user)
    account = await new_account(customer, user)
    people = [await customer.user(user.tenant_id, name=name) for name in ("陈刚", "李敏")]
    body = {"account_id": account.id, "channel": "CALL", "direction": "INBOUND", "subject": "call"}
    ids = {"user_ids": [str(each.id) for each in people]}
    made = await web.post("/v1/interactions", json=body | ids, headers=headers)
    assert made.status_code == 201, made.text
    told = made.json()
    names = dict(zip(ids["user_ids"], ("陈刚", "李敏"), strict=True))
    assert told["user_names"] == [names[id] for id in told["user_ids"]]
    assert told["contact_names"] == []
    asked.clear()
    assert (await web.get(f"/v1/interactions/{told['id']}", headers=headers)).json() == told
    assert asked == []


async def new_opportunity(sales: Running, seller: User) -> opportunities_pb2.Opportunity:
    """An opportunity in the second stage of a pipeline of its own."""
    api = clients(sales)
    staged = [pipelines_pb2.Stage(display_name=name) for name in ("Quotation", "Negotiation")]
    pipeline = await api.pipelines.CreatePipeline(
        pipelines_pb2.CreatePipelineRequest(pipeline=pipelines_pb2.Pipeline(display_name="Export", stages=staged)),
        metadata=seller.metadata,
    )
    account_id = await known_account(sales, seller.tenant_id)
    opportunity = opportunities_pb2.Opportunity(
        account_id=account_id,
        display_name="Transformers",
        amount=cny("1000.00"),
        pipeline_id=pipeline.id,
        stage_id=pipeline.stages[1].id,
    )
    request = opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity)
    return await api.opportunities.CreateOpportunity(request, metadata=seller.metadata)


async def test_another_service_says_them_from_what_it_knows(sales: Running) -> None:
    made = await new_opportunity(sales, await sales.user(name="陈刚"))
    assert (made.account_name, made.pipeline_name, made.stage_name, made.owner_name) == (
        "华信电力",
        "Export",
        "Negotiation",
        "陈刚",
    )
    assert (made.owner_team_name, made.lead_name) == ("", "")


async def test_events_and_history_have_no_names(customer: Running, user: User, web: httpx.AsyncClient) -> None:
    account = await new_account(customer, user)
    assert account.owner_name
    (created,) = await told_of(customer, user.tenant_id, account.id)
    assert created == events_pb2.AccountCreated(account=nameless(account))
    (change,) = (await web.get(f"/v1/accounts/{account.id}/changes", headers=bearer(user))).json()["changes"]
    assert (change["actor_id"], change["fields"]) == (str(user.id), [])


async def test_an_answer_may_be_sent_back_and_its_names_are_passed_over(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    account = await new_account(customer, user)
    path, headers = f"/v1/accounts/{account.id}", bearer(user)
    answer = (await web.get(path, headers=headers)).json()
    again = await web.patch(path, json=answer | {"owner_name": "somebody else"}, headers=headers)
    assert (again.status_code, again.json()) == (200, answer)


async def test_an_export_has_the_names(customer: Running, user: User, web: httpx.AsyncClient) -> None:
    await new_account(customer, user)
    exported = await web.get("/v1/accounts:export", headers=bearer(user))
    assert "owner_name" in exported.text
    assert "王芳" in exported.text


# --- how they are found


async def test_a_page_asks_once_for_each_collection_and_not_again_within_two_seconds(
    customer: Running, user: User, web: httpx.AsyncClient, clock: Clock, asked: list[str]
) -> None:
    headers = bearer(user)
    above = await new_account(customer, user)
    other = await customer.user(user.tenant_id, name="李敏")
    for owner in (user, other, user):
        await new_account(customer, owner, parent_id=above.id)
    asked.clear()
    clock.seconds += BELIEVED_SECONDS
    page = (await web.get("/v1/accounts", headers=headers)).json()["accounts"]
    assert [each["owner_name"] for each in page] == ["王芳", "李敏", "王芳", "王芳"]
    assert sorted(asked) == ["access_teams", "access_users", "accounts"]
    clock.seconds += BELIEVED_SECONDS - 0.1
    assert (await web.get("/v1/accounts", headers=headers)).json()["accounts"] == page
    assert len(asked) == 3
    clock.seconds += 0.1
    await web.get("/v1/accounts", headers=headers)
    assert len(asked) == 6


async def test_who_is_renamed_here_is_called_so_at_once(customer: Running, user: User, clock: Clock) -> None:
    account = await new_account(customer, user)
    assert account.owner_name == "王芳"
    assert clock.seconds == Clock.seconds
    await called(customer, user, "王小芳", version=2)
    request = accounts_pb2.GetAccountRequest(id=account.id)
    got = await AccountServiceStub(customer.channel).GetAccount(
        request, metadata=(await customer.user(user.tenant_id)).metadata
    )
    assert got.owner_name == "王小芳"


async def test_a_record_that_is_renamed_is_called_so_at_once_beside_ids(
    customer: Running, user: User, web: httpx.AsyncClient, clock: Clock
) -> None:
    headers = bearer(user)
    above = await new_account(customer, user, display_name="华信集团")
    below = await new_account(customer, user, parent_id=above.id)
    await web.patch(f"/v1/accounts/{above.id}", json={"display_name": "华信控股"}, headers=headers)
    assert (await web.get(f"/v1/accounts/{below.id}", headers=headers)).json()["parent_name"] == "华信控股"
    assert clock.seconds == Clock.seconds


async def test_what_another_process_renames_is_called_so_within_two_seconds(
    customer: Running, user: User, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stub = AccountServiceStub(customer.channel)
    account, reader = await new_account(customer, user), await customer.user(user.tenant_id)
    request = accounts_pb2.GetAccountRequest(id=account.id)
    with monkeypatch.context() as other_process:
        other_process.setattr(customer.service.database, "known_names", KnownNames(clock))
        await called(customer, user, "王小芳", version=2)
    clock.seconds += BELIEVED_SECONDS - 0.1
    assert (await stub.GetAccount(request, metadata=reader.metadata)).owner_name == "王芳"
    clock.seconds += 0.1
    assert (await stub.GetAccount(request, metadata=reader.metadata)).owner_name == "王小芳"


async def test_a_service_that_hears_of_a_renaming_says_the_new_name_at_once(sales: Running, clock: Clock) -> None:
    api, seller = clients(sales), await sales.user()
    made = await new_opportunity(sales, seller)
    async with sales.unit_of_work(seller.tenant_id) as work:
        put_newest(work, accounts, {"id": UUID(made.account_id), "display_name": "华信控股", "version": 2})
    request = opportunities_pb2.GetOpportunityRequest(id=made.id)
    got = await api.opportunities.GetOpportunity(request, metadata=seller.metadata)
    assert (made.account_name, got.account_name) == ("华信电力", "华信控股")
    assert clock.seconds == Clock.seconds


async def test_what_a_client_has_kept_holds_until_a_name_in_it_changes(
    customer: Running, user: User, web: httpx.AsyncClient
) -> None:
    reader = await customer.user(user.tenant_id)
    account = await new_account(customer, user)
    path, headers = f"/v1/accounts/{account.id}", bearer(reader)
    kept = (await web.get(path, headers=headers)).headers["etag"]
    assert (await web.get(path, headers=headers | {"if-none-match": kept})).status_code == 304
    await called(customer, user, "王小芳", version=2)
    renamed = await web.get(path, headers=headers | {"if-none-match": kept})
    assert (renamed.status_code, renamed.json()["owner_name"]) == (200, "王小芳")
    changed = await web.patch(path, json={"industry": "steel"}, headers=headers | {"if-match": kept})
    assert changed.status_code == 200


async def test_history_and_timeline_say_the_names_of_those_who_did_it(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    account = await new_account(customer, user)
    changes = (await web.get(f"/v1/accounts/{account.id}/changes", headers=bearer(user))).json()["changes"]
    assert [each["actor_name"] for each in changes] == ["王芳"]


async def test_a_history_says_the_names_of_what_its_values_refer_to(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    colleague = await customer.user(user.tenant_id, team_id=user.team_id, name="陈刚")
    above, account = await new_account(customer, user), await new_account(customer, user)
    path, headers = f"/v1/accounts/{account.id}", bearer(user)
    given = {"owner_id": str(colleague.id), "parent_id": above.id}
    assert (await web.patch(path, json=given, headers=headers)).status_code == 200
    answer = (await web.get(f"{path}/changes", headers=headers)).json()
    assert answer["names"] == {
        str(user.id): "王芳",
        str(colleague.id): "陈刚",
        above.id: above.display_name,
    }


async def test_a_history_says_names_within_lists_and_of_custom_references(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    await new_field(customer, user, "guarantor", REFERENCE, collection="contacts", reference_collection="accounts")
    one, other = await new_account(customer, user), await new_account(customer, user, display_name="恒大机电")
    contact = await new_contact(customer, user, one.id)
    links = {"accounts": [{"account_id": one.id}, {"account_id": other.id}], "custom": {"guarantor": other.id}}
    path, headers = f"/v1/contacts/{contact.id}", bearer(user)
    changed = await web.patch(path, json=links, headers=headers)
    assert changed.status_code == 200, changed.text
    answer = (await web.get(f"{path}/changes", headers=headers)).json()
    assert answer["names"] == {one.id: one.display_name, other.id: "恒大机电"}

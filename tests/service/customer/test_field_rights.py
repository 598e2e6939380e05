"""Fields that roles hide, for people of a real directory: which can be, from whom, and what becomes of writes."""

from collections.abc import Sequence
from typing import Any

import pytest
from crm.customer.v1 import accounts_pb2, roles_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import record_access_pb2
from crm.resource.v1.record_access_pb2_grpc import RecordAccessServiceStub
from crm_customer.integrations.webhook_endpoints.rights import hidden_from
from crm_kit.identity.access import Access, Scope
from crm_kit.ids import new_id
from crm_kit.thin_events.types import known_event_types
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import SCOPES, Company
from tests.service.customer.customers import new_account
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

PHONE = "+8613800138000"
ALL_OF_ACCOUNTS = {"accounts.read": Scope.ALL, "accounts.write": Scope.ALL}
DENIED = ("PERMISSION_DENIED", "PERMISSION_DENIED")
INVALID = ("INVALID_ARGUMENT", "INVALID_ARGUMENT")


async def hiding(
    company: Company, *fields: str, by: User | None = None, grants: dict[str, Scope] = ALL_OF_ACCOUNTS
) -> roles_pb2.Role:
    """A new role that hides these fields."""
    granted = [roles_pb2.Grant(permission=name, scope=SCOPES[scope]) for name, scope in grants.items()]
    role = roles_pb2.Role(display_name=f"role {new_id().hex[-12:]}", grants=granted, hidden_fields=fields)
    return await RoleServiceStub(company.customer.channel).CreateRole(
        roles_pb2.CreateRoleRequest(role=role), metadata=(by or company.admin).metadata
    )


async def hide(company: Company, role: roles_pb2.Role, *fields: str) -> None:
    """Have the role hide these fields, and no others."""
    changed = roles_pb2.Role(id=role.id, hidden_fields=fields)
    request = roles_pb2.UpdateRoleRequest(role=changed, update_mask=FieldMask(paths=["hidden_fields"]))
    await RoleServiceStub(company.customer.channel).UpdateRole(request, metadata=company.admin.metadata)


async def holder(company: Company, *roles: roles_pb2.Role) -> User:
    return company.acting(await company.user(*roles))


async def phones(customer: Running, by: User, id: str) -> Sequence[str]:
    request = accounts_pb2.GetAccountRequest(id=id)
    return (await AccountServiceStub(customer.channel).GetAccount(request, metadata=by.metadata)).phone_numbers


async def update(customer: Running, by: User, id: str, *paths: str, etag: str = "", **fields: Any) -> Any:
    account = accounts_pb2.Account(id=id, etag=etag, **fields)
    request = accounts_pb2.UpdateAccountRequest(account=account, update_mask=FieldMask(paths=paths))
    return await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=by.metadata)


async def test_a_field_is_seen_by_who_has_a_role_that_shows_it(customer: Running, company: Company) -> None:
    account = await new_account(customer, company.admin, phone_numbers=[PHONE])
    hides = await hiding(company, "accounts.phone_numbers")
    shows = await hiding(company, grants={"accounts.read": Scope.OWN})
    # Of accounts it says nothing: it shows nothing of them either.
    other = await hiding(company, grants={"cases.read": Scope.ALL})
    assert await phones(customer, await holder(company, hides), account.id) == []
    assert await phones(customer, await holder(company, hides, other), account.id) == []
    assert await phones(customer, await holder(company, hides, shows), account.id) == [PHONE]
    assert await phones(customer, await holder(company, hides, await hiding(company)), account.id) == [PHONE]


async def test_a_change_of_a_role_takes_effect_at_once(customer: Running, company: Company) -> None:
    account = await new_account(customer, company.admin, phone_numbers=[PHONE])
    role = await hiding(company)
    user = await holder(company, role)
    assert await phones(customer, user, account.id) == [PHONE]
    changed = roles_pb2.Role(id=role.id, hidden_fields=["accounts.phone_numbers", "accounts.custom.not_yet_there"])
    request = roles_pb2.UpdateRoleRequest(role=changed, update_mask=FieldMask(paths=["hidden_fields"]))
    await RoleServiceStub(customer.channel).UpdateRole(request, metadata=company.admin.metadata)
    assert await phones(customer, user, account.id) == []
    me = await UserServiceStub(customer.channel).GetCurrentUser(
        users_pb2.GetCurrentUserRequest(), metadata=user.metadata
    )
    assert list(me.hidden_fields) == ["accounts.custom.not_yet_there", "accounts.phone_numbers"]


@pytest.mark.parametrize(
    "field",
    [
        "accounts.id",
        "accounts.etag",
        "accounts.display_name",
        "accounts.owner_id",
        "accounts.status",
        "accounts.kind",
        "accounts.parent_name",
        "accounts.custom",
        "accounts.colour",
        "colours.red",
        "interactions.custom.anything",
        "users.login",
    ],
)
async def test_what_cannot_be_hidden_is_refused_by_name(company: Company, field: str) -> None:
    with refused(*INVALID) as error:
        await hiding(company, "accounts.taboos", field)
    assert list(error.fields) == ["role.hidden_fields[1]"]


async def test_what_a_write_says_of_a_hidden_field_is_refused_whatever_is_there(
    customer: Running, company: Company
) -> None:
    user = await holder(company, await hiding(company, "accounts.phone_numbers"))
    account = await new_account(customer, company.admin, phone_numbers=[PHONE], industry="power")
    for number in (PHONE, "+8613900139000"):
        for paths in (("phone_numbers",), (), ("*",)):
            with refused(*INVALID) as error:
                values: dict[str, Any] = {"phone_numbers": [number], "display_name": "Another", "kind": account.kind}
                await update(customer, user, account.id, *paths, **values)
            assert list(error.fields) == ["account.phone_numbers"]
        with refused(*INVALID) as error:
            await new_account(customer, user, phone_numbers=[number])
        assert list(error.fields) == ["account.phone_numbers"]
    with refused(*INVALID):
        await update(customer, user, account.id, "phone_numbers")
    # What the mask does not name is passed over, as it is for everybody.
    renamed = await update(
        customer, user, account.id, "display_name", phone_numbers=["+8613900139000"], display_name="One"
    )
    assert list(renamed.phone_numbers) == []
    assert await phones(customer, company.admin, account.id) == [PHONE]


async def test_who_replaces_all_of_a_record_keeps_what_they_do_not_see(customer: Running, company: Company) -> None:
    user = await holder(company, await hiding(company, "accounts.phone_numbers"))
    account = await new_account(customer, company.admin, phone_numbers=[PHONE], industry="power")
    found = await AccountServiceStub(customer.channel).GetAccount(
        accounts_pb2.GetAccountRequest(id=account.id), metadata=user.metadata
    )
    found.industry = "steel"
    request = accounts_pb2.UpdateAccountRequest(account=found, update_mask=FieldMask(paths=["*"]))
    changed = await AccountServiceStub(customer.channel).UpdateAccount(request, metadata=user.metadata)
    assert (changed.industry, list(changed.phone_numbers)) == ("steel", [])
    assert await phones(customer, company.admin, account.id) == [PHONE]


async def test_a_stale_etag_does_not_say_that_a_hidden_field_was_changed(customer: Running, company: Company) -> None:
    user = await holder(company, await hiding(company, "accounts.phone_numbers"))
    account = await new_account(customer, company.admin)
    await update(customer, company.admin, account.id, "phone_numbers", "industry", phone_numbers=[PHONE], industry="a")
    async with gateway(customer) as web:
        told = {}
        for name, by in (("admin", company.admin), ("user", user)):
            answer = await web.patch(
                f"/v1/accounts/{account.id}",
                json={"industry": "b"},
                headers=bearer(by) | {"if-match": f'"{account.etag}"'},
            )
            told[name] = answer.json()
        assert answer.status_code == 412
    assert "phone_numbers" in str(told["admin"])
    assert "phone_numbers" not in str(told["user"])
    assert "industry" in str(told["user"])


async def test_an_answer_that_is_repeated_lacks_what_has_been_hidden_since(customer: Running, company: Company) -> None:
    account = await new_account(customer, company.admin, phone_numbers=[PHONE])
    role = await hiding(company)
    user = await holder(company, role)
    stub = AccountServiceStub(customer.channel)
    # Neither asks for the field nor sets it, so nothing of it is refused.
    request = accounts_pb2.ArchiveAccountRequest(id=account.id)
    made = await stub.ArchiveAccount(request, metadata=user.with_key("k"))
    assert list(made.phone_numbers) == [PHONE]
    await hide(company, role, "accounts.emails")
    assert list((await stub.ArchiveAccount(request, metadata=user.with_key("k"))).phone_numbers) == [PHONE]
    await hide(company, role, "accounts.emails", "accounts.phone_numbers")
    again = await stub.ArchiveAccount(request, metadata=user.with_key("k"))
    assert (again.etag, list(again.phone_numbers)) == (made.etag, [])


async def test_a_request_that_sets_what_has_been_hidden_since_is_refused_also_when_it_is_repeated(
    customer: Running, company: Company
) -> None:
    role = await hiding(company)
    user = await holder(company, role)
    kind = accounts_pb2.Account.KIND_ORGANIZATION
    account = accounts_pb2.Account(kind=kind, display_name="One", phone_numbers=[PHONE])
    request = accounts_pb2.CreateAccountRequest(account=account)
    stub = AccountServiceStub(customer.channel)
    made = await stub.CreateAccount(request, metadata=user.with_key("k"))
    assert list(made.phone_numbers) == [PHONE]
    await hide(company, role, "accounts.phone_numbers")
    with refused(*INVALID):
        await stub.CreateAccount(request, metadata=user.with_key("k"))


async def test_nobody_gives_a_role_that_shows_what_is_hidden_from_them(customer: Running, company: Company) -> None:
    everything = {"*": Scope.ALL}
    hides = await hiding(company, "accounts.phone_numbers", grants=everything)
    user = await holder(company, hides)
    with refused(*DENIED):
        await hiding(company, by=user)
    with refused(*DENIED):
        await company.user(await company.built_in("ADMINISTRATOR"), by=user)
    # What grants no reading of accounts shows nothing of them, and what hides as much may be given.
    await hiding(company, by=user, grants={"cases.read": Scope.ALL})
    await company.user(await hiding(company, "accounts.phone_numbers", by=user), by=user)
    changed = roles_pb2.Role(id=hides.id)
    request = roles_pb2.UpdateRoleRequest(role=changed, update_mask=FieldMask(paths=["hidden_fields"]))
    with refused(*DENIED):
        await RoleServiceStub(customer.channel).UpdateRole(request, metadata=user.metadata)


async def test_metadata_and_explained_access_say_what_is_hidden(customer: Running, company: Company) -> None:
    user = await holder(company, await hiding(company, "accounts.phone_numbers", "accounts.parent_id"))
    account = await new_account(customer, company.admin)
    async with gateway(customer) as web:
        whole = (await web.get("/v1/metadata/accounts", headers=bearer(company.admin))).json()["fields"]
        shown = (await web.get("/v1/metadata/accounts", headers=bearer(user))).json()["fields"]
        everything = (await web.get("/v1/metadata", headers=bearer(user))).json()["collections"]
    gone = {"phone_numbers", "parent_id", "parent_name"}
    assert [each for each in whole if each["name"] not in gone] == shown
    assert next(each for each in everything if each["name"] == "accounts")["fields"] == shown
    told = await RecordAccessServiceStub(customer.channel).ExplainRecordAccess(
        record_access_pb2.ExplainRecordAccessRequest(collection="accounts", id=account.id, user_id=str(user.id)),
        metadata=company.admin.metadata,
    )
    assert list(told.hidden_fields) == ["parent_id", "phone_numbers"]


def test_a_webhook_is_not_told_that_what_its_activator_does_not_see_was_changed() -> None:
    type = next(each for each in known_event_types().all if each.name == "account.updated")
    grants = {"*": Scope.ALL}
    assert hidden_from(Access(active=True, grants=grants), type) == frozenset()
    access = Access(active=True, grants=grants, hidden={"accounts": frozenset({"phone_numbers"})})
    assert hidden_from(access, type) == {"phone_numbers"}

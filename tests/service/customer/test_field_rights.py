"""Fields that roles hide, for people of a real directory: which can be, from whom, and what becomes of writes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import accounts_pb2, roles_pb2, users_pb2
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.quality_rules_pb2 import CreateQualityRuleRequest
from crm.customer.v1.quality_rules_pb2_grpc import QualityRuleServiceStub
from crm.customer.v1.record_quality_pb2 import GetAccountQualityRequest
from crm.customer.v1.record_quality_pb2_grpc import RecordQualityServiceStub
from crm.customer.v1.roles_pb2_grpc import RoleServiceStub
from crm.customer.v1.users_pb2_grpc import UserServiceStub
from crm.resource.v1 import record_access_pb2
from crm.resource.v1.record_access_pb2_grpc import RecordAccessServiceStub
from crm_customer.integrations.webhook_endpoints.rights import hidden_from
from crm_kit.identity.access import Access, Scope
from crm_kit.ids import new_id
from crm_kit.thin_events.types import known_event_types
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.json_format import ParseDict

from tests.service.customer.companies import SCOPES, Company
from tests.service.customer.customers import new_account
from tests.service.history import changes_of
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

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


async def expect_phones(company: Company) -> None:
    """A quality rule that expects telephone numbers, among others."""
    rule = {
        "display_name": "companies",
        "collection": "accounts",
        "expected_fields": [
            {"field": "phone_numbers", "weight": 30, "max_age_days": 30},
            {"field": "industry", "weight": 60},
            {"field": "website", "weight": 10},
        ],
    }
    await QualityRuleServiceStub(company.customer.channel).CreateQualityRule(
        ParseDict({"quality_rule": rule}, CreateQualityRuleRequest()), metadata=company.admin.metadata
    )


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
    following = ["accounts.completeness", "accounts.next_stale_time"]
    assert list(me.hidden_fields) == sorted(["accounts.custom.not_yet_there", "accounts.phone_numbers", *following])


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
    gone = {"phone_numbers", "parent_id", "parent_name", "completeness", "next_stale_time"}
    unlisted = {"filterable": False, "facetable": False}
    in_part = {"missing_fields": unlisted, "conflicting_fields": unlisted}
    expected = [each | in_part.get(each["name"], {}) for each in whole if each["name"] not in gone]
    assert [each | {"facetable": False} if each["name"] == "field_checks" else each for each in expected] == shown
    assert next(each for each in everything if each["name"] == "accounts")["fields"] == shown
    told = await RecordAccessServiceStub(customer.channel).ExplainRecordAccess(
        record_access_pb2.ExplainRecordAccessRequest(collection="accounts", id=account.id, user_id=str(user.id)),
        metadata=company.admin.metadata,
    )
    telling = ["completeness", "next_stale_time", "conflicting_fields", "field_checks", "missing_fields"]
    assert list(told.hidden_fields) == sorted([*telling, "parent_id", "phone_numbers"])


def test_a_webhook_is_not_told_that_what_its_activator_does_not_see_was_changed() -> None:
    type = next(each for each in known_event_types().all if each.name == "account.updated")
    grants = {"*": Scope.ALL}
    assert hidden_from(Access(active=True, grants=grants), type) == frozenset()
    access = Access(active=True, grants=grants, hidden={"accounts": frozenset({"phone_numbers"})})
    follow = {"completeness", "next_stale_time", "missing_fields", "field_checks", "conflicting_fields"}
    assert hidden_from(access, type) == {"phone_numbers"} | follow


async def test_what_is_expected_and_confirmed_of_hidden_fields_is_not_told(customer: Running, company: Company) -> None:
    await expect_phones(company)
    accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)
    missing = await new_account(customer, company.admin, website="https://okapi.example")
    checked = await new_account(customer, company.admin, phone_numbers=[PHONE], industry="power")
    for fields in (["phone_numbers"], ["industry"]):
        request = accounts_pb2.ConfirmAccountFieldsRequest(id=checked.id, fields=fields, proof=f"of {fields[0]}")
        await accounts.ConfirmAccountFields(request, metadata=company.admin.metadata)
    user = await holder(company, await hiding(company, "accounts.phone_numbers"))

    async def read(by: User, id: str) -> accounts_pb2.Account:
        return await accounts.GetAccount(accounts_pb2.GetAccountRequest(id=id), metadata=by.metadata)

    whole, seen = await read(company.admin, missing.id), await read(user, missing.id)
    assert (whole.completeness, list(whole.missing_fields)) == (10, ["industry", "phone_numbers"])
    assert (seen.HasField("completeness"), list(seen.missing_fields)) == (False, ["industry"])
    whole, seen = await read(company.admin, checked.id), await read(user, checked.id)
    assert whole.HasField("next_stale_time") and not seen.HasField("next_stale_time")
    assert [each.field for each in whole.field_checks] == ["phone_numbers", "industry"]
    assert [each.proof for each in seen.field_checks] == ["of industry"]
    changes = [
        (await changes_of(customer, "accounts", checked.id, by.metadata)).changes for by in (company.admin, user)
    ]
    assert [[len(each.fields) for each in told] for told in changes] == [[1, 1, 0], [1, 0, 0]]
    assert "phone_numbers" in str(changes[0]) and "phone_numbers" not in str(changes[1])
    for filter in (
        "missing_fields:phone_numbers",
        "missing_fields:industry",
        "completeness < 50",
        "next_stale_time != null",
    ):
        asked = accounts_pb2.ListAccountsRequest(filter=filter)
        with refused("INVALID_ARGUMENT", "INVALID_FILTER"):
            await accounts.ListAccounts(asked, metadata=user.metadata)
        await accounts.ListAccounts(asked, metadata=company.admin.metadata)
    quality = RecordQualityServiceStub(customer.channel)
    of_missing = GetAccountQualityRequest(id=missing.id)
    told = [await quality.GetAccountQuality(of_missing, metadata=by.metadata) for by in (company.admin, user)]
    assert [each.completeness for each in told] == [10, 14]
    assert [[field.field for field in each.fields] for each in told] == [
        ["phone_numbers", "industry", "website"],
        ["industry", "website"],
    ]


async def test_who_does_not_see_the_tier_is_not_told_what_is_expected_by_it(
    customer: Running, company: Company
) -> None:
    await expect_phones(company)
    user = await holder(company, await hiding(company, "accounts.value_tier"))
    account = await new_account(customer, company.admin)
    seen = await AccountServiceStub(customer.channel).GetAccount(
        accounts_pb2.GetAccountRequest(id=account.id), metadata=user.metadata
    )
    assert list(account.missing_fields) and not seen.missing_fields
    quality = await RecordQualityServiceStub(customer.channel).GetAccountQuality(
        GetAccountQualityRequest(id=account.id), metadata=user.metadata
    )
    assert (quality.quality_rule_id, list(quality.fields), quality.HasField("completeness")) == ("", [], False)

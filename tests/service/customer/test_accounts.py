"""Accounts through their contract."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm_customer.records.accounts.credit_code import check_character
from crm_kit.identity.access import Scope
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub

NAME = "华信电力有限公司"
Create = Callable[..., Awaitable[pb.Account]]


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def create(accounts: "AccountServiceAsyncStub", user: User) -> Create:
    """Creates an organization as `user`; keywords are its fields, `by` another user, `key` an idempotency key."""

    async def create_account(*, by: User = user, key: str = "", **fields: Any) -> pb.Account:
        values: dict[str, Any] = {"kind": pb.Account.KIND_ORGANIZATION, "display_name": NAME}
        account = pb.Account(**values | fields)
        metadata = by.with_key(key) if key else by.metadata
        return await accounts.CreateAccount(pb.CreateAccountRequest(account=account), metadata=metadata)

    return create_account


def patch(account: pb.Account, *paths: str, **fields: Any) -> pb.UpdateAccountRequest:
    """An update of these fields of the account, without an etag unless it is among them."""
    mask = FieldMask(paths=paths or list(fields))
    return pb.UpdateAccountRequest(account=pb.Account(id=account.id, **fields), update_mask=mask)


# --- creating and reading


async def test_a_created_account_is_read_back_as_it_was_answered(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    body = "91350100M000100Y4"
    created = await create(
        tags=["vip"],
        legal_name="华信电力股份有限公司",
        roles=[pb.Account.ROLE_CUSTOMER, pb.Account.ROLE_PARTNER],
        credit_code=body + check_character(body),
        region_code="CN-GD",
        phone_numbers=["+8675586661234"],
        emails=["info@huaxin.example"],
        external_ids=[pb.ExternalId(source="sap", value="4711")],
        addresses=[pb.Address(kind=pb.Address.KIND_OFFICE, city="深圳", line="深南大道 1 号")],
        consents=[pb.Consent(channel="SMS", state=pb.Consent.STATE_DENIED, evidence="call 2026-11-02")],
        competitor_profile=pb.CompetitorProfile(strengths="price"),
    )
    assert UUID(created.id).version == 7
    assert created.status == pb.Account.STATUS_POTENTIAL
    assert created.owner_id == str(user.id)
    assert created.addresses[0].city == "深圳"
    assert created.consents[0].HasField("change_time")
    assert await accounts.GetAccount(pb.GetAccountRequest(id=created.id), metadata=user.metadata) == created


async def test_each_field_that_breaks_a_rule_is_named_with_its_position(create: Create) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(display_name=" x", phone_numbers=["+8675586661234", "123"], emails=["nobody"])
    assert {"account.display_name", "account.phone_numbers[1]", "account.emails[0]"} == set(refusal.fields)


async def test_a_credit_code_with_a_wrong_check_character_is_refused(create: Create) -> None:
    body = "91350100M000100Y4"
    wrong = "0" if check_character(body) != "0" else "1"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(credit_code=body + wrong)
    assert refusal.fields == ["account.credit_code"]


async def test_an_owner_who_does_not_exist_is_refused(create: Create, customer: Running) -> None:
    stranger = await customer.user()
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await create(owner_id=str(stranger.id))
    assert refusal.fields == ["account.owner_id"]


async def test_a_parent_of_another_tenant_is_refused(create: Create, customer: Running) -> None:
    foreign = await create(by=await customer.user())
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await create(parent_id=foreign.id)


async def test_accounts_are_never_below_themselves_also_when_two_are_moved_at_once(
    create: Create, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    async def put_below(account: pb.Account, parent: pb.Account) -> pb.Account:
        moved = pb.UpdateAccountRequest(
            account=pb.Account(id=account.id, parent_id=parent.id), update_mask=FieldMask(paths=["parent_id"])
        )
        return await accounts.UpdateAccount(moved, metadata=user.metadata)

    group, company, branch = [await create() for _ in range(3)]
    await put_below(company, group)
    await put_below(branch, company)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await put_below(group, branch)
    assert refusal.fields == ["account.parent_id"]
    for _ in range(5):
        left, right = await create(), await create()
        moves = await asyncio.gather(put_below(left, right), put_below(right, left), return_exceptions=True)
        assert sum(isinstance(each, grpc.aio.AioRpcError) for each in moves) == 1


async def test_a_request_that_is_no_message_is_refused_and_not_an_internal_error(customer: Running, user: User) -> None:
    call: Any = customer.channel.unary_unary("/crm.customer.v1.AccountService/GetAccount")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await call(b"\xff\xff\xff", metadata=user.metadata)


async def test_text_with_a_null_character_is_refused(create: Create) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await create(source="a\x00b")


# --- who may


async def test_an_account_of_another_tenant_is_not_found(
    accounts: "AccountServiceAsyncStub", create: Create, customer: Running
) -> None:
    created = await create()
    stranger = await customer.user()
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await accounts.GetAccount(pb.GetAccountRequest(id=created.id), metadata=stranger.metadata)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await accounts.UpdateAccount(patch(created, source="x"), metadata=stranger.metadata)


async def test_without_a_valid_token_nothing_is_answered(
    accounts: "AccountServiceAsyncStub", customer: Running
) -> None:
    user = await customer.user()
    issuer = customer.service.settings.issuer
    bad = {
        "none": "",
        "garbage": "abc",
        "expired": customer.tokens.token(issuer, user.tenant_id, user.id, exp=1),
        "other audience": customer.tokens.token(issuer, user.tenant_id, user.id, aud="other"),
        "other issuer": customer.tokens.token("http://elsewhere.example", user.tenant_id, user.id),
        "other key": type(customer.tokens)().token(issuer, user.tenant_id, user.id),
    }
    for token in bad.values():
        with refused("UNAUTHENTICATED", "UNAUTHENTICATED"):
            await accounts.ListAccounts(
                pb.ListAccountsRequest(), metadata=(("authorization", f"Bearer {token}"),) if token else ()
            )


async def test_reading_does_not_allow_writing(accounts: "AccountServiceAsyncStub", customer: Running) -> None:
    reader = await customer.user(grants={"accounts.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await accounts.CreateAccount(pb.CreateAccountRequest(), metadata=reader.metadata)


async def test_own_team_and_all_see_what_is_theirs(
    accounts: "AccountServiceAsyncStub", customer: Running, create: Create
) -> None:
    tenant = await customer.tenant()
    sales = await customer.team(tenant)
    north, south = await customer.team(tenant, sales), await customer.team(tenant, sales)
    own = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN}
    li = await customer.user(tenant, grants=own, team_id=north)
    wang = await customer.user(tenant, grants=own, team_id=south)
    lead_north = await customer.user(tenant, grants={"accounts.read": Scope.TEAM}, team_id=north)
    head = await customer.user(tenant, grants={"accounts.read": Scope.TEAM}, team_id=sales)
    analyst = await customer.user(tenant, grants={"accounts.read": Scope.ALL})
    of_li, of_wang = (await create(by=li)).id, (await create(by=wang)).id

    async def seen(user: User) -> set[str]:
        page = await accounts.ListAccounts(pb.ListAccountsRequest(), metadata=user.metadata)
        return {account.id for account in page.accounts}

    assert await seen(li) == {of_li}
    assert await seen(lead_north) == {of_li}
    assert await seen(head) == {of_li, of_wang}
    assert await seen(analyst) == {of_li, of_wang}
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await accounts.GetAccount(pb.GetAccountRequest(id=of_wang), metadata=li.metadata)


# --- changing


async def test_only_the_fields_in_the_mask_change(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create(source="fair", industry="power")
    request = patch(created, "source", source="", industry="ignored")
    updated = await accounts.UpdateAccount(request, metadata=user.metadata)
    assert (updated.source, updated.industry) == ("", "power")
    assert updated.etag != created.etag


async def test_a_stale_etag_is_refused_and_changes_nothing(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    await accounts.UpdateAccount(patch(created, source="first"), metadata=user.metadata)
    with refused("ABORTED", "ETAG_MISMATCH"):
        stale = patch(created, "source", source="second", etag=created.etag)
        await accounts.UpdateAccount(stale, metadata=user.metadata)
    now = await accounts.GetAccount(pb.GetAccountRequest(id=created.id), metadata=user.metadata)
    assert now.source == "first"


async def test_an_update_that_changes_nothing_keeps_the_etag(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create(source="fair")
    assert await accounts.UpdateAccount(patch(created, source="fair"), metadata=user.metadata) == created


async def test_an_account_is_changed_by_who_does_not_see_the_account_above_it(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, create: Create
) -> None:
    own = {"accounts.read": Scope.OWN, "accounts.write": Scope.OWN}
    seller = await customer.user(user.tenant_id, grants=own)
    above, other = await create(), await create()
    account = await create(parent_id=above.id, owner_id=str(seller.id))
    account.industry = "power"
    changed = await accounts.UpdateAccount(pb.UpdateAccountRequest(account=account), metadata=seller.metadata)
    assert (changed.industry, changed.parent_id) == ("power", above.id)
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND"):
        await accounts.UpdateAccount(patch(account, parent_id=other.id), metadata=seller.metadata)


async def test_an_account_stays_with_its_owner_and_team_whatever_became_of_the_owner(
    accounts: "AccountServiceAsyncStub", customer: Running, user: User, create: Create
) -> None:
    north, south = await customer.team(user.tenant_id), await customer.team(user.tenant_id)
    moved = await customer.user(user.tenant_id, team_id=north)
    gone = await customer.user(user.tenant_id, team_id=north)
    kept = [await create(owner_id=str(owner.id)) for owner in (moved, gone)]
    await customer.change_user(moved, team_id=south)
    await customer.change_user(gone, active=False)
    for account in kept:
        request = pb.UpdateAccountRequest(account=account)
        assert await accounts.UpdateAccount(request, metadata=user.metadata) == account
        assert await accounts.UpdateAccount(patch(account, "owner_id"), metadata=user.metadata) == account
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await accounts.UpdateAccount(patch(kept[0], owner_id=str(gone.id)), metadata=user.metadata)
    assert refusal.fields == ["account.owner_id"]
    heir = await customer.user(user.tenant_id, team_id=south)
    given = await accounts.UpdateAccount(patch(kept[1], owner_id=str(heir.id)), metadata=user.metadata)
    assert (given.owner_id, given.owner_team_id) == (str(heir.id), str(south))


async def test_a_part_of_a_field_changes_alone(accounts: "AccountServiceAsyncStub", user: User, create: Create) -> None:
    created = await create(competitor_profile=pb.CompetitorProfile(strengths="price", weaknesses="service"))
    part = patch(
        created, "competitor_profile.weaknesses", competitor_profile=pb.CompetitorProfile(weaknesses="delivery")
    )
    updated = await accounts.UpdateAccount(part, metadata=user.metadata)
    assert (updated.competitor_profile.strengths, updated.competitor_profile.weaknesses) == ("price", "delivery")


async def test_an_unknown_field_in_the_mask_is_refused(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await accounts.UpdateAccount(patch(await create(), "colour"), metadata=user.metadata)


async def test_of_many_changes_at_once_none_is_lost(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    fields = ["source", "industry", "short_name", "legal_name", "preferences", "taboos"]
    requests = [patch(created, **{field: field}) for field in fields]
    await asyncio.gather(*(accounts.UpdateAccount(request, metadata=user.metadata) for request in requests))
    now = await accounts.GetAccount(pb.GetAccountRequest(id=created.id), metadata=user.metadata)
    assert all(getattr(now, field) == field for field in fields)
    assert now.etag == f"v{1 + len(fields)}"


async def test_an_external_id_is_unique_in_the_tenant_and_free_again_after(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    key = pb.ExternalId(source="sap", value="4711")
    first = await create(external_ids=[key])
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN"):
        await create(external_ids=[key])
    await accounts.UpdateAccount(patch(first, "external_ids"), metadata=user.metadata)
    assert (await create(external_ids=[key])).external_ids == [key]


@pytest.mark.parametrize("typed", ["K1 ", " K1", "K1\u200b", "\ufeffK1", "Ｋ１", "K1\u3000"])
async def test_one_external_id_is_one_account_however_it_is_typed(create: Create, typed: str) -> None:
    (kept,) = (await create(external_ids=[pb.ExternalId(source="sap", value=typed)])).external_ids
    assert kept.value == "K1"
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN"):
        await create(external_ids=[pb.ExternalId(source="sap", value="K1")])


async def test_an_external_id_of_which_nothing_can_be_seen_is_refused(create: Create) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(external_ids=[pb.ExternalId(source="sap", value="\u200b ")])
    assert refusal.fields == ["account.external_ids[0].value"]


async def test_the_external_ids_of_an_account_are_replaced_in_one_update(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    def keys(**values: str) -> list[pb.ExternalId]:
        return [pb.ExternalId(source=source, value=value) for source, value in values.items()]

    account = await create(external_ids=keys(sap="4711", erp="1"))
    for wanted in (
        keys(sap="4712", erp="1"),
        keys(sap="1", erp="4712"),
        keys(erp="4712", crm="1"),
        keys(crm="4712", erp="1"),
    ):
        changed = patch(account, "external_ids", external_ids=wanted)
        assert list((await accounts.UpdateAccount(changed, metadata=user.metadata)).external_ids) == wanted
    # What was given up is free, what is kept is not.
    await create(external_ids=keys(sap="4711"))
    with refused("ALREADY_EXISTS", "EXTERNAL_ID_TAKEN"):
        await create(external_ids=keys(crm="4712"))


async def test_archived_accounts_leave_lists_and_come_back_as_they_were(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await create()
    active = await accounts.ChangeAccountStatus(
        pb.ChangeAccountStatusRequest(id=created.id, status=pb.Account.STATUS_ACTIVE), metadata=user.metadata
    )
    archived = await accounts.ArchiveAccount(
        pb.ArchiveAccountRequest(id=created.id, etag=active.etag), metadata=user.metadata
    )
    assert archived.status == pb.Account.STATUS_ARCHIVED
    assert not (await accounts.ListAccounts(pb.ListAccountsRequest(), metadata=user.metadata)).accounts
    asked = pb.ListAccountsRequest(filter="status = ARCHIVED")
    assert [each.id for each in (await accounts.ListAccounts(asked, metadata=user.metadata)).accounts] == [created.id]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await accounts.UpdateAccount(patch(created, source="x"), metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=created.id), metadata=user.metadata)
    restored = await accounts.RestoreAccount(pb.RestoreAccountRequest(id=created.id), metadata=user.metadata)
    assert restored.status == pb.Account.STATUS_ACTIVE


# --- repeating


async def test_a_repeated_create_with_the_same_key_creates_once(user: User, create: Create) -> None:
    first = await create(key="k-1")
    assert await create(key="k-1") == first


async def test_the_same_key_with_another_request_is_refused(create: Create) -> None:
    await create(key="k-1")
    with refused("ALREADY_EXISTS", "IDEMPOTENCY_KEY_REUSED"):
        await create(key="k-1", source="other")


async def test_twenty_twins_at_once_create_one_account(
    accounts: "AccountServiceAsyncStub", user: User, create: Create
) -> None:
    created = await asyncio.gather(*(create(key="k-1") for _ in range(20)))
    assert len({each.id for each in created}) == 1
    assert len((await accounts.ListAccounts(pb.ListAccountsRequest(), metadata=user.metadata)).accounts) == 1

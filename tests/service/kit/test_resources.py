"""What every resource offers, through `crm.resource.v1`, on accounts."""

import asyncio
import random
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from crm.customer.v1 import accounts_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.resource.v1 import resources_pb2 as generic
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.resource import facets
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp

from tests.service.customer.customers import new_account, new_interaction
from tests.service.history import changes_of
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.resource.v1.resources_pb2_grpc import ResourceServiceAsyncStub

CONSENTS = (pb.Consent.STATE_GRANTED, pb.Consent.STATE_DENIED)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user()


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
def resources(customer: Running) -> "ResourceServiceAsyncStub":
    return ResourceServiceStub(customer.channel)


def account_of(record: generic.Record) -> pb.Account:
    """A record is on the wire what the resource's own message is."""
    return pb.Account.FromString(record.SerializeToString())


# --- several at once


async def test_several_are_read_in_the_order_they_are_asked_for_and_the_missing_are_named(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    made = [await new_account(customer, user) for _ in range(3)]
    stranger, absent = await new_account(customer, await customer.user()), str(new_id())
    ids = [made[2].id, stranger.id, made[0].id, absent, made[1].id]
    request = generic.BatchGetRecordsRequest(collection="accounts", ids=ids)
    told = await resources.BatchGetRecords(request, metadata=user.metadata)
    assert [account_of(each) for each in told.records] == [made[2], made[0], made[1]]
    assert list(told.missing_ids) == [stranger.id, absent]


async def test_several_are_read_with_the_scope_of_the_collection(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    theirs = await new_account(customer, user)
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    mine = await new_account(customer, narrow)
    request = generic.BatchGetRecordsRequest(collection="accounts", ids=[theirs.id, mine.id])
    told = await resources.BatchGetRecords(request, metadata=narrow.metadata)
    assert [account_of(each).id for each in told.records] == [mine.id]
    assert list(told.missing_ids) == [theirs.id]


async def test_a_collection_that_is_not_there_is_said(user: User, resources: "ResourceServiceAsyncStub") -> None:
    request = generic.BatchGetRecordsRequest(collection="orders", ids=[str(new_id())])
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await resources.BatchGetRecords(request, metadata=user.metadata)


async def test_an_id_in_two_spellings_is_one_record(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    account, absent = await new_account(customer, user), str(new_id()).upper()
    request = generic.BatchGetRecordsRequest(collection="accounts", ids=[account.id, account.id.upper(), absent])
    told = await resources.BatchGetRecords(request, metadata=user.metadata)
    assert [account_of(each) for each in told.records] == [account]
    assert list(told.missing_ids) == [absent]


async def test_a_page_token_of_one_record_is_none_of_another(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub"
) -> None:
    one, other = [
        await accounts.ArchiveAccount(
            pb.ArchiveAccountRequest(id=(await new_account(customer, user)).id), metadata=user.metadata
        )
        for _ in range(2)
    ]
    token = (await changes_of(customer, "accounts", one.id, user.metadata, page_size=1)).next_page_token
    assert token
    with refused("INVALID_ARGUMENT", "INVALID_PAGE_TOKEN"):
        await changes_of(customer, "accounts", other.id, user.metadata, page_size=1, page_token=token)


# --- counts and sums


async def test_a_count_is_of_what_the_list_would_show(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    for industry in ("steel", "steel", "power"):
        await new_account(customer, user, industry=industry)
    gone = await new_account(customer, user, industry="steel")
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=gone.id), metadata=user.metadata)
    own = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN})

    async def count(filter: str, by: User = user) -> tuple[int, bool]:
        request = generic.CountRecordsRequest(collection="accounts", filter=filter)
        told = await resources.CountRecords(request, metadata=by.metadata)
        return told.count, told.exact

    assert await count("") == (3, True)
    assert await count("industry = steel") == (2, True)
    assert await count("industry = steel AND status = ARCHIVED") == (1, True)
    assert await count("", own) == (0, True)


async def test_a_summary_counts_and_adds_up_what_the_caller_sees(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    for industry, employees in (("steel", 10), ("steel", 20), ("power", 5), ("", 1)):
        await new_account(customer, user, industry=industry, employee_count=employees)
    await new_account(customer, await customer.user(), industry="steel")
    request = generic.SummarizeRecordsRequest(collection="accounts", group_by=["industry"], sum=["employee_count"])
    told = await resources.SummarizeRecords(request, metadata=user.metadata)
    assert (told.total_count, told.truncated) == (4, False)
    assert told.groups[0].key == {"industry": "steel"}
    found = {each.key.get("industry"): (each.count, each.sums[0].number) for each in told.groups}
    assert found == {"steel": (2, "30"), "power": (1, "5"), None: (1, "1")}


async def test_groups_and_values_in_use_say_whose_they_are(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    other = await customer.user(user.tenant_id, name="李敏")
    await new_account(customer, other)
    by_owner = generic.SummarizeRecordsRequest(collection="accounts", group_by=["owner_id", "kind"])
    (group,) = (await resources.SummarizeRecords(by_owner, metadata=other.metadata)).groups
    assert (group.key["owner_id"], dict(group.names)) == (str(other.id), {"owner_id": "李敏"})
    for field, name in (("owner_id", "李敏"), ("kind", "")):
        values = generic.CountRecordValuesRequest(collection="accounts", field=field)
        (value,) = (await resources.CountRecordValues(values, metadata=other.metadata)).values
        assert value.name == name


async def test_a_summary_filters_as_the_list_does(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    kept, archived = await new_account(customer, user), await new_account(customer, user)
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=archived.id), metadata=user.metadata)

    async def count(filter: str) -> int:
        request = generic.SummarizeRecordsRequest(collection="accounts", filter=filter)
        return (await resources.SummarizeRecords(request, metadata=user.metadata)).total_count

    assert await count("") == 1
    assert await count("status IN (POTENTIAL, ARCHIVED)") == 2
    assert await count(f'id = "{kept.id}"') == 1


@pytest.mark.parametrize("field", ["display_name", "nothing"])
async def test_what_cannot_be_grouped_by_is_refused_with_what_can(
    user: User, resources: "ResourceServiceAsyncStub", field: str
) -> None:
    request = generic.SummarizeRecordsRequest(collection="accounts", group_by=[field])
    with pytest.raises(grpc.aio.AioRpcError, match="possible: kind, ") as told:
        await resources.SummarizeRecords(request, metadata=user.metadata)
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT


# --- the values in use


async def values_of(
    resources: "ResourceServiceAsyncStub", user: User, field: str, *, filter: str = "", limit: int = 0
) -> generic.CountRecordValuesResponse:
    request = generic.CountRecordValuesRequest(collection="accounts", field=field, filter=filter, limit=limit)
    return await resources.CountRecordValues(request, metadata=user.metadata)


def counts(told: generic.CountRecordValuesResponse) -> list[tuple[str, int]]:
    return [(each.value, each.count) for each in told.values]


async def test_the_values_of_a_field_are_counted_the_most_frequent_first(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    for industry in ("steel", "power", "steel", "", "apparel"):
        await new_account(customer, user, industry=industry)
    told = await values_of(resources, user, "industry")
    assert counts(told) == [("steel", 2), ("apparel", 1), ("power", 1)]
    assert (told.unset_count, told.total_count, told.truncated, told.exact) == (1, 5, False, True)


async def test_no_more_values_are_told_than_asked_for_and_that_is_said(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    for industry in ("steel", "power", "steel", ""):
        await new_account(customer, user, industry=industry)
    told = await values_of(resources, user, "industry", limit=1)
    assert (counts(told), told.unset_count, told.truncated) == ([("steel", 2)], 1, True)
    assert not (await values_of(resources, user, "industry", limit=2)).truncated


async def test_a_list_counts_once_for_each_of_its_values(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    for tags in (["vip", "south"], ["vip"], []):
        await new_account(customer, user, tags=tags)
    told = await values_of(resources, user, "tags")
    assert (counts(told), told.unset_count, told.total_count) == ([("vip", 2), ("south", 1)], 1, 3)


async def test_values_of_enums_and_ids_are_told_as_a_filter_takes_them(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    roles = [pb.Account.ROLE_CUSTOMER, pb.Account.ROLE_SUPPLIER]
    await new_account(customer, user, kind=pb.Account.KIND_PERSON, roles=roles)
    for field, expected in (("kind", ["PERSON"]), ("roles", ["CUSTOMER", "SUPPLIER"]), ("owner_id", [str(user.id)])):
        told = counts(await values_of(resources, user, field))
        assert told == [(value, 1) for value in expected]
        for value in expected:
            operator = ":" if field == "roles" else "="
            request = pb.ListAccountsRequest(filter=f'{field} {operator} "{value}"')
            assert len((await accounts.ListAccounts(request, metadata=user.metadata)).accounts) == 1


async def test_values_are_counted_with_the_filter_and_the_scope_of_the_list(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    narrow = await customer.user(user.tenant_id, grants={"accounts.read": Scope.OWN, "accounts.write": Scope.OWN})
    await new_account(customer, user, industry="steel", region_code="CN-GD")
    await new_account(customer, narrow, industry="power", region_code="CN-ZJ")
    archived = await new_account(customer, narrow, industry="apparel")
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=archived.id), metadata=narrow.metadata)
    assert counts(await values_of(resources, narrow, "industry")) == [("power", 1)]
    told = await values_of(resources, narrow, "industry", filter="status = ARCHIVED")
    assert counts(told) == [("apparel", 1)]
    told = await values_of(resources, user, "industry", filter='region_code = "CN-GD"')
    assert (counts(told), told.total_count) == ([("steel", 1)], 1)


async def test_where_there_are_no_records_there_are_no_values(
    user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    told = await values_of(resources, user, "industry")
    assert told == generic.CountRecordValuesResponse(exact=True)


async def test_counting_stops_at_a_number_of_records_and_says_so(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(facets, "MAX_RECORDS", 2)
    for _ in range(3):
        await new_account(customer, user, industry="steel")
    told = await values_of(resources, user, "industry")
    assert (counts(told), told.total_count, told.exact) == ([("steel", 2)], 2, False)


@pytest.mark.parametrize("field", ["phone_numbers", "preferences", "create_time", "employee_count", "id", "nothing"])
async def test_values_that_are_personal_or_no_choice_are_refused_with_what_can_be_asked_for(
    user: User, resources: "ResourceServiceAsyncStub", field: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match=f"{field} is not possible .*; possible: kind, ") as told:
        await values_of(resources, user, field)
    assert told.value.code() is grpc.StatusCode.INVALID_ARGUMENT


# --- as it was


async def test_a_record_reads_as_of_an_instant_as_it_read_then(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    chance = random.Random(str(user.id))
    account = await new_account(customer, user)
    read: list[pb.Account] = [account]
    for _ in range(25):
        account = await changed(accounts, user, account, chance)
        read.append(account)
    # An archived account takes no interaction: go on until one is open.
    while account.status == pb.Account.STATUS_ARCHIVED:
        account = await changed(accounts, user, account, chance)
        read.append(account)
    await new_interaction(customer, user, account.id)
    for then in read:
        assert await as_of(resources, user, then.id, then.update_time) == then
    before = Timestamp(seconds=read[0].create_time.seconds - 1)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await as_of(resources, user, account.id, before)


async def test_changes_made_at_once_are_dated_in_their_order(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    account = await new_account(customer, user)

    async def update(number: int) -> pb.Account:
        name = "industry" if number % 2 else "source"
        sent = pb.Account(id=account.id, industry=f"x{number}", source=f"x{number}")
        request = pb.UpdateAccountRequest(account=sent, update_mask=FieldMask(paths=[name]))
        return await accounts.UpdateAccount(request, metadata=user.metadata)

    made = sorted(
        [account, *await asyncio.gather(*map(update, range(16)))], key=lambda each: int(each.etag.removeprefix("v"))
    )
    newest = {(each.update_time.seconds, each.update_time.nanos): each for each in made}
    for then in newest.values():
        assert await as_of(resources, user, account.id, then.update_time) == then


async def test_of_an_instant_to_come_a_record_reads_as_it_does_now(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    account = await new_account(customer, user)
    assert await as_of(resources, user, account.id, Timestamp(seconds=253_402_300_799)) == account


async def as_of(resources: "ResourceServiceAsyncStub", user: User, id: str, time: Timestamp) -> pb.Account:
    request = generic.GetRecordAsOfRequest(collection="accounts", id=id, read_time=time)
    return account_of(await resources.GetRecordAsOf(request, metadata=user.metadata))


async def changed(
    accounts: "AccountServiceAsyncStub", user: User, account: pb.Account, chance: random.Random
) -> pb.Account:
    """The account after one change of some kind."""
    if account.status == pb.Account.STATUS_ARCHIVED:
        return await accounts.RestoreAccount(pb.RestoreAccountRequest(id=account.id), metadata=user.metadata)
    if chance.random() < 0.2:
        return await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    if chance.random() < 0.3:
        status = chance.choice((pb.Account.STATUS_POTENTIAL, pb.Account.STATUS_ACTIVE, pb.Account.STATUS_LOST))
        move = pb.ChangeAccountStatusRequest(id=account.id, status=status)
        return await accounts.ChangeAccountStatus(move, metadata=user.metadata)
    values: dict[str, Any] = {
        "industry": chance.choice(("", "steel", "power")),
        "tags": chance.sample(("vip", "old", "north"), chance.randrange(3)),
        "addresses": [pb.Address(kind=pb.Address.KIND_OFFICE, city=f"城{chance.randrange(9)}")],
        "consents": [pb.Consent(channel="SMS", state=chance.choice(CONSENTS))],
        "competitor_profile": pb.CompetitorProfile(strengths=f"{chance.randrange(9)}"),
        "external_ids": [pb.ExternalId(source="sap", value=f"{account.id}-{chance.randrange(9)}")],
    }
    names = chance.sample(sorted(values), 2)
    sent = pb.Account(id=account.id, **{name: values[name] for name in names})
    request = pb.UpdateAccountRequest(account=sent, update_mask=FieldMask(paths=names))
    return await accounts.UpdateAccount(request, metadata=user.metadata)


# --- what can be done


async def actions(resources: "ResourceServiceAsyncStub", user: User, id: str) -> dict[str, str]:
    request = generic.GetRecordActionsRequest(collection="accounts", id=id)
    told = await resources.GetRecordActions(request, metadata=user.metadata)
    assert all(each.allowed == (not each.reason) for each in told.actions)
    return {each.verb: each.reason for each in told.actions}


async def test_the_actions_of_a_record_are_those_that_would_succeed(
    customer: Running, user: User, accounts: "AccountServiceAsyncStub", resources: "ResourceServiceAsyncStub"
) -> None:
    account = await new_account(customer, user)
    assert await actions(resources, user, account.id) == {
        "changeStatus": "",
        "archive": "",
        "restore": "ILLEGAL_STATE",
        "restrict": "",
        "unrestrict": "ILLEGAL_STATE",
        "confirmFields": "",
        "adoptSourceValue": "",
    }
    await accounts.ArchiveAccount(pb.ArchiveAccountRequest(id=account.id), metadata=user.metadata)
    assert await actions(resources, user, account.id) == {
        "changeStatus": "ILLEGAL_STATE",
        "archive": "ILLEGAL_STATE",
        "restore": "",
        "restrict": "",
        "unrestrict": "ILLEGAL_STATE",
        "confirmFields": "ILLEGAL_STATE",
        "adoptSourceValue": "ILLEGAL_STATE",
    }


async def test_an_action_needs_a_permission_that_reaches_the_record(
    customer: Running, user: User, resources: "ResourceServiceAsyncStub"
) -> None:
    account = await new_account(customer, user)
    reader = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL})
    assert set((await actions(resources, reader, account.id)).values()) == {"PERMISSION_DENIED"}
    writer = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    assert set((await actions(resources, writer, account.id)).values()) == {"PERMISSION_DENIED"}

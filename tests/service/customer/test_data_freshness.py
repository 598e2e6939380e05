"""Data quality: how long values are good, and who confirmed that they still are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx
import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm.customer.v1 import quality_rules_pb2 as pb
from crm_kit.identity.access import Scope

from tests.service.customer.customers import new_account
from tests.service.customer.test_data_quality import Keeping, expects
from tests.service.customer.told import told_of
from tests.service.history import changes_of
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

Rule = pb.QualityRule
PHONE = "+8613800138000"


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(await customer.tenant(sandbox=True))


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


@pytest.fixture
def keeping(customer: Running, user: User) -> Keeping:
    return Keeping(customer, user)


async def test_a_value_grows_stale_by_itself_and_is_good_for_as_long_again_once_confirmed(
    customer: Running, user: User, keeping: Keeping, web: httpx.AsyncClient
) -> None:
    rule = await keeping.rule(expected_fields=expects(phone_numbers=(1, 30), industry=(1, 90), website=(1, 1)))
    await keeping.all_assessed(rule)
    account = await new_account(customer, user, industry="power", phone_numbers=[PHONE])
    thirty = account.create_time.ToDatetime() + timedelta(days=30)
    assert account.next_stale_time.ToDatetime() == thirty
    assert await keeping.found("next_stale_time <= now") == []
    await keeping.days_later(31)
    assert await keeping.found("next_stale_time <= now", "next_stale_time") == [account.id]
    told = (await web.get(f"/v1/accounts/{account.id}/quality", headers=bearer(user))).json()
    assert {each["field"]: each["standing"] for each in told["fields"]} == {
        "phone_numbers": "STALE",
        "industry": "CURRENT",
        "website": "MISSING",
    }
    assert (told["completeness"], told["quality_rule_name"]) == (66, "企业客户")
    after = await keeping.confirm(account.id, "phone_numbers", source="call", proof="Ms Li answered")
    (check,) = after.field_checks
    assert (check.field, check.checker_id, check.checker_name) == ("phone_numbers", str(user.id), "somebody")
    assert (check.source, check.proof) == ("call", "Ms Li answered")
    assert after.next_stale_time.ToDatetime() == check.check_time.ToDatetime() + timedelta(days=30)
    assert await keeping.found("next_stale_time <= now") == []
    phone = (await web.get(f"/v1/accounts/{account.id}/quality", headers=bearer(user))).json()["fields"][0]
    assert (phone["standing"], phone["check"]["proof"]) == ("CURRENT", "Ms Li answered")
    assert phone["known_time"] == phone["check"]["check_time"]
    *_, event = await told_of(customer, user.tenant_id, account.id)
    assert isinstance(event, events_pb2.AccountFieldsConfirmed)
    assert list(event.fields) == ["phone_numbers"]
    changes = await changes_of(customer, "accounts", account.id, user.metadata)
    assert (changes.changes[0].action, changes.changes[0].actor_id) == ("FIELDS_CONFIRMED", str(user.id))


async def test_a_changed_value_is_as_new_and_has_not_been_confirmed(
    customer: Running, user: User, keeping: Keeping
) -> None:
    rule = await keeping.rule(expected_fields=expects(phone_numbers=(1, 30), industry=(1, 30)))
    await keeping.all_assessed(rule)
    account = await new_account(customer, user, industry="power", phone_numbers=[PHONE])
    await keeping.confirm(account.id, "phone_numbers", "industry", source="call")
    await keeping.days_later(10)
    after = await keeping.update(account.id, phone_numbers=["+8613900139000"])
    assert [each.field for each in after.field_checks] == ["industry"]
    changed = after.update_time.ToDatetime()
    await keeping.days_later(20, 3)
    after = await keeping.confirm(account.id, "industry")
    assert after.next_stale_time.ToDatetime() == changed + timedelta(days=30)
    # A change of something else leaves the times as they are.
    assert (await keeping.update(account.id, display_name="华信")).next_stale_time == after.next_stale_time


async def test_only_values_that_are_there_are_confirmed_and_only_of_accounts_in_business(
    customer: Running, user: User, keeping: Keeping
) -> None:
    account = await new_account(customer, user, industry="power")
    for field in ("website", "custom.nothing", "status", "completeness", "custom"):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await keeping.confirm(account.id, "industry", field)
        assert refusal.fields == ["fields[1]"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await keeping.confirm(account.id)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await keeping.confirm(account.id, "industry", etag='"9"')
    stranger = await customer.user(user.tenant_id, grants={"accounts.read": Scope.ALL, "accounts.write": Scope.OWN})
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await Keeping(customer, stranger).confirm(account.id, "industry")
    archive = accounts_pb2.ArchiveAccountRequest(id=account.id)
    await keeping.accounts.ArchiveAccount(archive, metadata=user.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await keeping.confirm(account.id, "industry")


async def test_what_was_seen_is_confirmed_or_nothing_whoever_changes_it_at_the_same_time(
    customer: Running, user: User, keeping: Keeping
) -> None:
    account = await new_account(customer, user, phone_numbers=[PHONE], industry="power")
    for number in range(3):
        seen = await keeping.account(account.id)
        results = await asyncio.gather(
            keeping.update(account.id, phone_numbers=[f"+861390013900{number}"]),
            keeping.confirm(account.id, "phone_numbers", etag=seen.etag),
            return_exceptions=True,
        )
        assert isinstance(results[0], accounts_pb2.Account)
        assert not (await keeping.account(account.id)).field_checks

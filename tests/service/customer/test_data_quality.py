"""Data quality: how complete and how fresh accounts and contacts are by the tenant's rules, and who confirmed what."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from unittest.mock import patch
from uuid import UUID

import httpx
import pytest
from crm.customer.v1 import accounts_pb2, contacts_pb2, events_pb2
from crm.customer.v1 import quality_rules_pb2 as pb
from crm.customer.v1.accounts_pb2_grpc import AccountServiceStub
from crm.customer.v1.contacts_pb2_grpc import ContactServiceStub
from crm.customer.v1.quality_rules_pb2_grpc import QualityRuleServiceStub
from crm.scoring.v1 import events_pb2 as scoring
from crm.scoring.v1 import scores_pb2
from crm.type.v1 import value_tier_pb2
from crm_customer.directory.opening import Opening, open_tenant
from crm_customer.records.account_kinds import ValueTier
from crm_customer.records.accounts.commands import update_account
from crm_customer.records.accounts.projections import project_value_tier
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_customer.records.quality_rules import assessing
from crm_customer.records.quality_rules.assessing import Assessing
from crm_customer.records.quality_rules.commands import create_default_rules
from crm_customer.records.quality_rules.defaults import DEFAULT_RULES
from crm_customer.records.quality_rules.model import MAX_IN_USE
from crm_kit.background import Tenants
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.customer.companies import QUICK
from tests.service.customer.customers import new_account, new_contact
from tests.service.customer.told import told_of
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.web import bearer, gateway

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub
    from crm.customer.v1.contacts_pb2_grpc import ContactServiceAsyncStub
    from crm.customer.v1.quality_rules_pb2_grpc import QualityRuleServiceAsyncStub

Rule = pb.QualityRule
PHONE, CODE = "+8613800138000", "91350100M000100Y43"
TIERS = scores_pb2.ValueTierScore.Tier


def expects(**weights: int | tuple[int, int]) -> list[pb.QualityRule.ExpectedField]:
    """Fields with their weights, or with a weight and an age in days; `contract_no` is the tenant's own."""
    named = {name.replace("contract_no", "custom.contract_no"): each for name, each in weights.items()}
    pairs = {name: each if isinstance(each, tuple) else (each, 0) for name, each in named.items()}
    return [Rule.ExpectedField(field=name, weight=weight, max_age_days=days) for name, (weight, days) in pairs.items()]


@pytest.fixture
def rules(customer: Running) -> "QualityRuleServiceAsyncStub":
    return QualityRuleServiceStub(customer.channel)


@pytest.fixture
def accounts(customer: Running) -> "AccountServiceAsyncStub":
    return AccountServiceStub(customer.channel)


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(await customer.tenant(sandbox=True))


@pytest.fixture
async def web(customer: Running) -> AsyncIterator[httpx.AsyncClient]:
    async with gateway(customer) as client:
        yield client


class Keeping:
    """Rules of one tenant, and its records as they stand."""

    def __init__(self, customer: Running, user: User) -> None:
        self.customer, self.user = customer, user
        self.rules: QualityRuleServiceAsyncStub = QualityRuleServiceStub(customer.channel)
        self.accounts: AccountServiceAsyncStub = AccountServiceStub(customer.channel)

    async def rule(self, **fields: Any) -> pb.QualityRule:
        values = {"display_name": "企业客户", "collection": "accounts", **fields}
        request = pb.CreateQualityRuleRequest(quality_rule=Rule(**values))
        created = await self.rules.CreateQualityRule(request, metadata=self.user.metadata)
        assert created.assessment == Rule.ASSESSMENT_PENDING
        return created

    async def change(self, rule: pb.QualityRule, **values: Any) -> pb.QualityRule:
        request = pb.UpdateQualityRuleRequest(
            quality_rule=Rule(id=rule.id, **values), update_mask=FieldMask(paths=list(values))
        )
        return await self.rules.UpdateQualityRule(request, metadata=self.user.metadata)

    async def all_assessed(self, rule: pb.QualityRule) -> pb.QualityRule:
        """The rule once its records are assessed by the rules as they are."""

        async def read() -> pb.QualityRule | None:
            request = pb.GetQualityRuleRequest(id=rule.id)
            found = await self.rules.GetQualityRule(request, metadata=self.user.metadata)
            return found if found.assessment == Rule.ASSESSMENT_CURRENT else None

        found = await eventually(read)
        assert found is not None
        return found

    async def account(self, id: str) -> accounts_pb2.Account:
        return await self.accounts.GetAccount(accounts_pb2.GetAccountRequest(id=id), metadata=self.user.metadata)

    async def update(self, id: str, **values: Any) -> accounts_pb2.Account:
        request = accounts_pb2.UpdateAccountRequest(
            account=accounts_pb2.Account(id=id, **values), update_mask=FieldMask(paths=list(values))
        )
        return await self.accounts.UpdateAccount(request, metadata=self.user.metadata)

    async def confirm(self, id: str, *fields: str, **more: str) -> accounts_pb2.Account:
        request = accounts_pb2.ConfirmAccountFieldsRequest(id=id, fields=fields, **more)
        return await self.accounts.ConfirmAccountFields(request, metadata=self.user.metadata)

    async def found(self, filter: str, order_by: str = "") -> list[str]:
        request = accounts_pb2.ListAccountsRequest(filter=filter, order_by=order_by)
        page = await self.accounts.ListAccounts(request, metadata=self.user.metadata)
        return [each.id for each in page.accounts]

    async def days_later(self, days: int, version: int = 2) -> None:
        """Move the tenant's clock to so many days after the real one."""
        offset = timedelta(days=days)
        await self.customer.know_tenant(self.user.tenant_id, sandbox=True, clock_offset=offset, version=version)

    async def tier(self, account_id: str, tier: "scores_pb2.ValueTierScore.Tier.ValueType", version: int) -> None:
        """Have scoring say which tier an account is in."""
        scores = scores_pb2.AccountScores(account_id=account_id)
        scores.value_tier.band = tier
        payload = scoring.ValueTierChanged(account_scores=scores)
        id = UUID(account_id)
        await self.customer.hear(payload, tenant_id=self.user.tenant_id, aggregate_id=id, version=version)


@pytest.fixture
def keeping(customer: Running, user: User) -> Keeping:
    return Keeping(customer, user)


async def test_what_is_missing_of_an_account_is_told_with_every_answer(
    customer: Running, user: User, keeping: Keeping
) -> None:
    rule = await keeping.rule(expected_fields=expects(phone_numbers=30, industry=20, website=50))
    await keeping.all_assessed(rule)
    account = await new_account(customer, user, industry="power")
    assert (account.completeness, list(account.missing_fields)) == (20, ["website", "phone_numbers"])
    assert await keeping.account(account.id) == account
    after = await keeping.update(account.id, phone_numbers=[PHONE], industry="")
    assert (after.completeness, list(after.missing_fields)) == (30, ["website", "industry"])
    after = await keeping.update(account.id, website="https://huaxin.example", industry="steel")
    assert (after.completeness, list(after.missing_fields)) == (100, [])
    (created, *_, last) = await told_of(customer, user.tenant_id, account.id)
    assert isinstance(created, events_pb2.AccountCreated)
    assert isinstance(last, events_pb2.AccountUpdated)
    assert (created.account.completeness, last.account.completeness) == (20, 100)
    assert list(last.changed_fields) == ["industry", "website"]


async def test_an_account_that_no_rule_fits_has_no_completeness(
    customer: Running, user: User, keeping: Keeping
) -> None:
    person = accounts_pb2.Account.KIND_PERSON
    rule = await keeping.rule(expected_fields=expects(industry=1), kinds=[person])
    await keeping.all_assessed(rule)
    company, somebody = await new_account(customer, user), await new_account(customer, user, kind=person)
    assert not company.HasField("completeness")
    assert somebody.HasField("completeness")
    assert somebody.completeness == 0
    assert await keeping.found("completeness = null") == [company.id]


async def test_all_records_are_assessed_anew_when_rules_change_and_stay_as_they_are_otherwise(
    customer: Running, user: User, keeping: Keeping
) -> None:
    made = [await new_account(customer, user, industry="power") for _ in range(7)]
    assert not any(each.HasField("completeness") for each in made)
    with patch.object(assessing, "BATCH", 2):
        rule = await keeping.all_assessed(await keeping.rule(expected_fields=expects(industry=1, website=3)))
        assert rule.assessed_count == 7
        for each in made:
            after = await keeping.account(each.id)
            assert (after.completeness, list(after.missing_fields)) == (25, ["website"])
            assert (after.etag, after.update_time) == (each.etag, each.update_time)
        await keeping.change(rule, expected_fields=expects(industry=3, website=1))
        await keeping.all_assessed(rule)
        assert {(await keeping.account(each.id)).completeness for each in made} == {75}
        request = pb.ArchiveQualityRuleRequest(id=rule.id)
        await keeping.rules.ArchiveQualityRule(request, metadata=user.metadata)
        await keeping.all_assessed(rule)
    assert len(await keeping.found("completeness = null")) == 7
    assert len(await told_of(customer, user.tenant_id, made[0].id)) == 1
    restored = await keeping.rules.RestoreQualityRule(pb.RestoreQualityRuleRequest(id=rule.id), metadata=user.metadata)
    await keeping.all_assessed(restored)
    assert len(await keeping.found("completeness = 75")) == 7


async def test_an_account_is_assessed_by_the_rule_of_its_tier_once_that_is_known(
    customer: Running, user: User, keeping: Keeping
) -> None:
    everybody = await keeping.rule(expected_fields=expects(industry=1), position=2)
    keys = await keeping.rule(
        expected_fields=expects(industry=1, website=1), position=1, value_tiers=[value_tier_pb2.VALUE_TIER_KEY]
    )
    await keeping.all_assessed(keys)
    account = await new_account(customer, user, industry="power")
    assert account.completeness == 100
    await keeping.tier(account.id, TIERS.TIER_KEY, 1)

    async def completeness() -> bool:
        return (await keeping.account(account.id)).completeness == 50

    await eventually(completeness)
    # Those of several accounts are known together.
    another = await new_account(customer, user, industry="power")
    async with customer.unit_of_work(user.tenant_id) as work:
        for id in (account.id, another.id):
            project_value_tier(work, UUID(id), ValueTier.SMALL, version=2)
    await keeping.all_assessed(everybody)
    assert (await keeping.account(account.id)).completeness == 100


async def test_who_writes_an_account_while_its_tier_changes_brings_no_old_figure_back(
    customer: Running, user: User, keeping: Keeping
) -> None:
    tiers = [value_tier_pb2.VALUE_TIER_KEY]
    await keeping.rule(expected_fields=expects(industry=1, website=1), position=1, value_tiers=tiers)
    rule = await keeping.all_assessed(await keeping.rule(expected_fields=expects(industry=1), position=2))
    account = await new_account(customer, user, industry="power")
    async with customer.unit_of_work(user.tenant_id) as work:
        before = await ACCOUNTS.get(work, UUID(account.id))
        await update_account(work, before, {"industry": "steel"})
        await keeping.tier(account.id, TIERS.TIER_KEY, 1)
        await keeping.all_assessed(rule)
        assert (await keeping.account(account.id)).completeness == 50
    # It was written by the tier as it was then: the next look finds that it is another.
    assert (await keeping.account(account.id)).completeness == 100
    await keeping.days_later(1)

    async def completeness() -> bool:
        return (await keeping.account(account.id)).completeness == 50

    await eventually(completeness)


async def test_two_processes_assess_the_same_records_at_once(customer: Running, user: User, keeping: Keeping) -> None:
    made = [await new_account(customer, user, industry="power") for _ in range(6)]
    with patch.object(assessing, "BATCH", 2):
        rule = await keeping.rule(expected_fields=expects(industry=1, website=1))
        service = customer.service
        others = [Assessing(Tenants(service.database, service.clock), [ACCOUNTS]) for _ in range(2)]
        await asyncio.gather(*(each.assess_due() for each in others))
        await keeping.all_assessed(rule)
    assert {(await keeping.account(each.id)).completeness for each in made} == {50}


async def test_a_tenants_own_fields_can_be_expected(
    customer: Running, user: User, keeping: Keeping, web: httpx.AsyncClient
) -> None:
    field = {"key": "contract_no", "label": {"zh": "合同号"}, "type": "TEXT"}
    expected = expects(contract_no=1, industry=1)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await keeping.rule(expected_fields=expected)
    assert refusal.fields == ["quality_rule.expected_fields[0].field"]
    made = await web.post("/v1/custom-fields/accounts", json=field, headers=bearer(user))
    assert made.status_code == 201, made.text
    await keeping.all_assessed(await keeping.rule(expected_fields=expected))
    account = await new_account(customer, user)
    assert list(account.missing_fields) == ["custom.contract_no", "industry"]
    answer = await web.patch(
        f"/v1/accounts/{account.id}", json={"custom": {"contract_no": "A-1"}}, headers=bearer(user)
    )
    assert (answer.json()["completeness"], answer.json()["missing_fields"]) == (50, ["industry"])


async def test_lists_to_complete_are_filtered_ordered_and_summed_up_by_owner(
    customer: Running, user: User, keeping: Keeping, web: httpx.AsyncClient
) -> None:
    rule = await keeping.rule(expected_fields=expects(phone_numbers=3, industry=1))
    await keeping.all_assessed(rule)
    colleague = await customer.user(user.tenant_id)
    none = await new_account(customer, user)
    some = await new_account(customer, user, industry="power")
    whole = await new_account(customer, colleague, industry="power", phone_numbers=[PHONE])
    assert await keeping.found("completeness < 100", "completeness") == [none.id, some.id]
    assert await keeping.found("completeness >= 0", "completeness desc") == [whole.id, some.id, none.id]
    assert await keeping.found("missing_fields:phone_numbers AND industry = power") == [some.id]
    asked = {"group_by": "owner_id", "measures": ["count", "avg:completeness"]}
    answer = await web.get("/v1/accounts:summarize", params=asked, headers=bearer(user))
    assert answer.status_code == 200, answer.text
    told = {
        group["key"]["owner_id"]: [each["number"] for each in group["figures"]] for group in answer.json()["groups"]
    }
    assert told == {str(user.id): ["2", "12.5"], str(colleague.id): ["1", "100"]}


async def test_accounts_that_are_put_away_are_assessed_anew_too_and_come_back_with_the_figure_of_the_day(
    customer: Running, user: User, keeping: Keeping
) -> None:
    rule = await keeping.rule(expected_fields=expects(industry=1, website=1))
    account = await new_account(customer, user, industry="power")
    archive = accounts_pb2.ArchiveAccountRequest(id=account.id)
    await keeping.accounts.ArchiveAccount(archive, metadata=user.metadata)
    rule = await keeping.change(rule, expected_fields=expects(industry=3, website=1))
    await keeping.all_assessed(rule)
    assert (await keeping.account(account.id)).completeness == 75
    restore = accounts_pb2.RestoreAccountRequest(id=account.id)
    assert (await keeping.accounts.RestoreAccount(restore, metadata=user.metadata)).completeness == 75


async def test_contacts_are_assessed_and_confirmed_as_accounts_are(
    customer: Running, user: User, keeping: Keeping, web: httpx.AsyncClient
) -> None:
    rule = await keeping.rule(collection="contacts", expected_fields=expects(job_title=(3, 10), emails=1))
    await keeping.all_assessed(rule)
    account = await new_account(customer, user)
    contact = await new_contact(customer, user, account.id, job_title="buyer")
    assert (contact.completeness, list(contact.missing_fields)) == (75, ["emails"])
    await keeping.days_later(11)
    stub: ContactServiceAsyncStub = ContactServiceStub(customer.channel)
    request = contacts_pb2.ConfirmContactFieldsRequest(id=contact.id, fields=["job_title"], source="visit")
    after = await stub.ConfirmContactFields(request, metadata=user.metadata)
    assert after.next_stale_time.ToDatetime() == after.field_checks[0].check_time.ToDatetime() + timedelta(days=10)
    *_, event = await told_of(customer, user.tenant_id, contact.id)
    assert isinstance(event, events_pb2.ContactFieldsConfirmed)
    told = (await web.get(f"/v1/contacts/{contact.id}/quality", headers=bearer(user))).json()
    assert [each["standing"] for each in told["fields"]] == ["CURRENT", "MISSING"]
    await keeping.change(rule, expected_fields=expects(job_title=1, emails=1))
    await keeping.all_assessed(rule)
    found = await stub.ListContacts(
        contacts_pb2.ListContactsRequest(filter="completeness = 50"), metadata=user.metadata
    )
    assert [each.id for each in found.contacts] == [contact.id]


async def test_a_rule_that_makes_no_sense_is_refused_by_the_name_of_the_field(keeping: Keeping) -> None:
    kinds = [accounts_pb2.Account.KIND_PERSON]
    phones = expects(phone_numbers=1)
    for fields, place in (
        ({"expected_fields": [*phones, *phones]}, "quality_rule.expected_fields[1].field"),
        ({"expected_fields": expects(status=1)}, "quality_rule.expected_fields[0].field"),
        ({"expected_fields": expects(phone_numbers=0)}, "quality_rule.expected_fields[0].weight"),
        ({"expected_fields": []}, "quality_rule.expected_fields"),
        ({"expected_fields": phones, "collection": "contacts", "kinds": kinds}, "quality_rule.kinds"),
        ({"expected_fields": phones, "collection": "orders"}, "quality_rule.collection"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await keeping.rule(**fields)
        assert refusal.fields == [place]


async def test_a_collection_has_so_many_rules_in_use_and_no_more(user: User, keeping: Keeping) -> None:
    made = [await keeping.rule(expected_fields=expects(industry=1)) for _ in range(MAX_IN_USE)]
    with refused("FAILED_PRECONDITION", "QUALITY_RULE_LIMIT_REACHED"):
        await keeping.rule(expected_fields=expects(industry=1))
    await keeping.rule(collection="contacts", expected_fields=expects(emails=1))
    archive = pb.ArchiveQualityRuleRequest(id=made[0].id)
    await keeping.rules.ArchiveQualityRule(archive, metadata=user.metadata)
    await keeping.rule(expected_fields=expects(industry=1))
    with refused("FAILED_PRECONDITION", "QUALITY_RULE_LIMIT_REACHED"):
        await keeping.rules.RestoreQualityRule(pb.RestoreQualityRuleRequest(id=made[0].id), metadata=user.metadata)


async def test_a_new_tenant_begins_with_rules_that_it_can_change(customer: Running) -> None:
    opening = Opening(f"c{new_id().hex[-12:]}", "Company", "admin@company.test", "Administrator", "a long password")
    tenant_id, _ = await open_tenant(customer.service.database, QUICK, opening, begin=create_default_rules)
    admin = await customer.user(tenant_id)
    keeping = Keeping(customer, admin)
    listed = await keeping.rules.ListQualityRules(pb.ListQualityRulesRequest(), metadata=admin.metadata)
    assert {each.display_name for each in listed.quality_rules} == {each["display_name"] for each in DEFAULT_RULES}
    account = await new_account(customer, admin, credit_code=CODE)
    assert account.completeness == 20
    reader = await customer.user(tenant_id, grants={"quality_rules.read": Scope.ALL, "quality_rules.write": Scope.TEAM})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await Keeping(customer, reader).change(listed.quality_rules[0], position=9)

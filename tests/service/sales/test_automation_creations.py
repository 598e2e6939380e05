"""Rules that create records: with the rights of who activated them, once for each cause, and never for ever."""

from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from crm.sales.v1 import leads_pb2, opportunities_pb2
from crm_kit.database.work import UnitOfWork
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.zones import DEFAULT_ZONE

from tests.service.automating import FAILED, STOPPED_LOOP, SUCCEEDED, Rule, Rules, action, create, every, on, settled
from tests.service.eventually import eventually
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.crashing import CrashError
from tests.service.sales.selling import Sales, cny, known_account

Opportunity = opportunities_pb2.Opportunity
RENEWAL = {
    "account_id": "{{record.account_id}}",
    "display_name": "{{record.display_name}} 续约",
    "amount": "{{record.amount}}",
    "expected_close_date": "{{cause.date+1w}}",
}
LEAD = {"display_name": "{{record.display_name}}", "company_name": "{{record.company_name}}"}


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


@pytest.fixture
def of_deals(sales: Running) -> Rules:
    return Rules(sales.channel, "opportunities")


async def deal(sales: Running, api: Sales, user: User, **fields: Any) -> Opportunity:
    account_id = await known_account(sales, user.tenant_id, user)
    opportunity = Opportunity(account_id=account_id, display_name="年度合同", amount=cny("100"), **fields)
    request = opportunities_pb2.CreateOpportunityRequest(opportunity=opportunity)
    return await api.opportunities.CreateOpportunity(request, metadata=user.metadata)


async def deals_of(api: Sales, user: User) -> list[Opportunity]:
    """The oldest first."""
    request = opportunities_pb2.ListOpportunitiesRequest(order_by="create_time")
    return list((await api.opportunities.ListOpportunities(request, metadata=user.metadata)).opportunities)


async def leads_of(api: Sales, user: User) -> list[leads_pb2.Lead]:
    return list((await api.leads.ListLeads(leads_pb2.ListLeadsRequest(), metadata=user.metadata)).leads)


async def test_a_won_deal_opens_the_next_one_at_its_account_due_a_week_after_that_day(
    sales: Running, api: Sales, user: User, of_deals: Rules
) -> None:
    rule = await of_deals.active(user, create("opportunities", **RENEWAL), trigger=on("WON"))
    won = await deal(sales, api, user)
    request = opportunities_pb2.WinOpportunityRequest(id=won.id, reason="价格合适")
    closed = await api.opportunities.WinOpportunity(request, metadata=user.metadata)
    await settled(sales, user.tenant_id)
    (run,) = await of_deals.runs_of(user, rule)
    _, renewal = await deals_of(api, user)
    (effect,) = run.effects
    assert (run.state, effect.verb, effect.created_collection) == (SUCCEEDED, "create", "opportunities")
    assert (effect.created_id, effect.record_etag) == (renewal.id, renewal.etag)
    assert (renewal.account_id, renewal.display_name, renewal.amount) == (won.account_id, "年度合同 续约", won.amount)
    day = closed.update_time.ToDatetime(ZoneInfo(DEFAULT_ZONE)).date()
    assert renewal.expected_close_date == (day + timedelta(days=7)).isoformat()
    assert renewal.owner_id == str(user.id)


async def test_a_rule_creates_with_the_rights_of_who_activated_it(
    sales: Running, api: Sales, user: User, rules: Rules, create_lead: CreateLead
) -> None:
    grants = {"automation_rules.write": Scope.ALL, "leads.read": Scope.ALL, "opportunities.read": Scope.ALL}
    draft = await rules.create(user, create("opportunities", account_id=str(new_id()), display_name="x"))
    reader = await sales.user(user.tenant_id, grants=grants)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await rules.does("Activate", reader, draft)
    assert refusal.metadata["permission"] == "opportunities.write"
    # Who sees no account of somebody else creates nothing at it, and is told no more than that it is not there.
    theirs = await known_account(sales, user.tenant_id, user)
    more = {"opportunities.write": Scope.OWN, "accounts.read": Scope.OWN}
    narrow = await sales.user(user.tenant_id, grants=grants | more)
    rule = await rules.active(narrow, create("opportunities", account_id=theirs, display_name="x"))
    gone = await rules.active(user, create("opportunities", account_id=str(new_id()), display_name="x"))
    await create_lead()
    await settled(sales, user.tenant_id)
    for each, by in ((rule, user), (gone, user)):
        (run,) = await rules.runs_of(by, each)
        assert (run.state, run.reason, run.failed_action) == (FAILED, "REFERENCE_NOT_FOUND", 1)
    assert await deals_of(api, user) == []


@pytest.fixture
def create_lead(create: CreateLead) -> CreateLead:
    """Another name for the fixture, beside the action of this name."""
    return create


@pytest.mark.parametrize("before_commit", [True, False], ids=["before it is true", "before it says so"])
async def test_a_process_that_dies_while_it_creates_leaves_one_record(
    monkeypatch: pytest.MonkeyPatch, sales: Running, api: Sales, user: User, of_deals: Rules, before_commit: bool
) -> None:
    rule = await of_deals.active(user, create("leads", display_name="{{record.display_name}}", company_name="华信"))
    commit = UnitOfWork.commit
    crashes: list[UnitOfWork] = []

    async def dies(work: UnitOfWork) -> None:
        if not work.causes or crashes:
            await commit(work)
            return
        crashes.append(work)
        if not before_commit:
            await commit(work)
        raise CrashError

    monkeypatch.setattr(UnitOfWork, "commit", dies)
    await deal(sales, api, user)

    async def has_crashed() -> bool:
        return bool(crashes)

    await eventually(has_crashed)
    # Whatever else handles it, and however often.
    for _ in range(2):
        await settled(sales, user.tenant_id)
    (run,) = await of_deals.runs_of(user, rule)
    (lead,) = await leads_of(api, user)
    assert (run.effects[0].created_id, lead.display_name) == (lead.id, "年度合同")


async def test_records_that_would_create_one_another_for_ever_end_with_the_first_round(
    sales: Running, api: Sales, user: User, rules: Rules, of_deals: Rules, create_lead: CreateLead
) -> None:
    account_id = await known_account(sales, user.tenant_id, user)
    first = await rules.active(user, create("opportunities", account_id=account_id, display_name="来自线索"))
    second = await of_deals.active(user, create("leads", display_name="来自商机", company_name="华信"))
    itself = await rules.active(user, create("leads", **LEAD), filter="display_name = 自己")
    for name in ("王伟", "自己"):
        await create_lead(display_name=name)
    await settled(sales, user.tenant_id)
    states = [each.state for each in await rules.runs_of(user, first)]
    assert sorted(states) == [SUCCEEDED] * 3 + [STOPPED_LOOP] * 3
    assert [each.state for each in await of_deals.runs_of(user, second)] == [SUCCEEDED] * 3
    stopped, ran = await rules.runs_of(user, itself)
    assert (stopped.state, stopped.reason, ran.state) == (STOPPED_LOOP, "AUTOMATION_LOOP", SUCCEEDED)
    assert len(await leads_of(api, user)) == 6


async def test_what_could_never_be_created_is_refused_when_the_rule_is_written(
    sales: Running, user: User, rules: Rules
) -> None:
    values = "automation_rule.actions[0].creation.values"
    for collection, written, field in (
        ("orders", {"currency_code": "CNY"}, "automation_rule.actions[0].creation.collection"),
        ("interactions", {"subject": "x"}, "automation_rule.actions[0].creation.collection"),
        ("leads", {"no_such": 1}, f"{values}.no_such"),
        ("leads", {**LEAD, "display_name": 5}, f"{values}.display_name"),
        ("leads", {**LEAD, "display_name": "{{record.nothing}}"}, f"{values}.display_name"),
        ("leads", {**LEAD, "display_name": "{{cause.date+3h}}"}, f"{values}.display_name"),
        ("leads", {**LEAD, "custom": {"none": 1}}, f"{values}.custom.none"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await rules.create(user, create(collection, **written))
        assert refusal.fields == [field], (collection, written)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await rules.create(user, create("leads", **LEAD), trigger=every(Rule.Schedule.EVERY_DAILY))
    assert refusal.fields == ["automation_rule.actions[0].creation.collection"]
    both = create("leads", **LEAD)
    both.verb = "update"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await rules.create(user, both)


async def test_trying_a_rule_creates_nothing_and_says_why_it_could_not(
    sales: Running, api: Sales, user: User, rules: Rules, create_lead: CreateLead
) -> None:
    await create_lead()
    good = await rules.create(user, create("leads", **LEAD))
    bad = await rules.create(
        user, action("update", source="x"), create("opportunities", account_id=str(new_id()), display_name="x")
    )
    (possible,) = (await rules.tried(user, good)).matches
    (match,) = (await rules.tried(user, bad)).matches
    assert (possible.possible, match.possible, match.failed_action, match.reason) == (
        True,
        False,
        2,
        "REFERENCE_NOT_FOUND",
    )
    assert len(await leads_of(api, user)) == 1

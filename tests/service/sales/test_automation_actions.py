"""What rules do besides calls on their own record: tell people and programs, ask for approval, call on others."""

from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from crm.event.v1 import event_pb2
from crm.resource.v1.events_pb2 import NoticeRaised, WebhookCallRequested
from crm.sales.v1 import leads_pb2, opportunities_pb2
from crm.sales.v1 import orders_pb2 as pb
from crm.sales.v1.leads_pb2_grpc import LeadServiceStub
from crm.type.v1 import notice_kind_pb2
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from crm_kit.plumbing import outbox
from crm_kit.zones import DEFAULT_ZONE
from crm_sales.orders.servicer import OrderServicer
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from tests.service.approving import Approval, Desk, asks, step
from tests.service.automating import FAILED, STOPPED_LOOP, SUCCEEDED, Rule, Rules, action, notify, on, settled, submit
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.ordering import Draft, placed, refuse
from tests.service.sales.ordering import read as read_order
from tests.service.sales.selling import Sales, cny

OWNER, TEAM_LEADER, ACTIVATOR = (
    Rule.Notification.Recipient.Value(f"RECIPIENT_{name}") for name in ("OWNER", "TEAM_LEADER", "ACTIVATOR")
)


@pytest.fixture
def rules(sales: Running) -> Rules:
    return Rules(sales.channel, "leads")


async def told(service: Running, tenant_id: UUID, kind: type[Any]) -> list[Any]:
    """What was told of a kind, in order, and by which rules it was brought about."""
    name = kind.DESCRIPTOR.name
    query = select(outbox.c.event).where(outbox.c.tenant_id == tenant_id, outbox.c.subject.contains(f".{name}."))
    rows = await service.service.database.all(tenant_id, compile_statement(query.order_by(outbox.c.id)), {})
    return [kind.FromString(event_pb2.Event.FromString(row["event"]).payload.value) for row in rows]


async def test_a_rule_tells_the_owner_and_users_once_what_it_says_of_the_record(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    one, boss = await sales.user(user.tenant_id), await sales.user(user.tenant_id)
    say = notify("{{record.display_name}} 来自 {{record.source}}", one, boss, recipients=[OWNER, ACTIVATOR])
    rule = await rules.active(boss, say)
    assert list(rule.actions[0].notification.user_names) == ["somebody", "somebody"]
    lead = await create(source="fair", display_name="王伟")
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    (effect,) = run.effects
    assert (run.state, effect.verb, effect.told_count, effect.record_etag) == (SUCCEEDED, "notify", 3, "v1")
    (notice,) = await told(sales, user.tenant_id, NoticeRaised)
    assert list(notice.user_ids) == [str(each.id) for each in (one, boss, user)]
    assert notice.kind == notice_kind_pb2.NOTICE_KIND_AUTOMATION
    assert (notice.collection, notice.record_id, notice.record_name) == ("leads", lead.id, "王伟")
    assert notice.text == "王伟 来自 fair"
    assert dict(notice.values) == {"rule": "一条规则", "rule_id": rule.id}


async def test_times_in_what_people_read_are_those_of_their_clocks(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    call = Rule.WebhookCall(endpoint_id=str(new_id()), values={"when": "{{record.create_time}}"})
    await rules.active(user, notify("{{record.create_time}}", user), Rule.Action(webhook_call=call))
    lead = await create()
    await settled(sales, user.tenant_id)
    (notice,) = await told(sales, user.tenant_id, NoticeRaised)
    when = lead.create_time.ToDatetime(ZoneInfo(DEFAULT_ZONE))
    assert notice.text == f"{when:%Y-%m-%d %H:%M}"
    (called,) = await told(sales, user.tenant_id, WebhookCallRequested)
    assert called.values["when"] == lead.create_time.ToJsonString()


async def test_who_may_not_read_the_record_is_told_nothing(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """Neither its name nor a value: not who reads their own only, nor who reads none, nor who has left."""
    narrow = await sales.user(user.tenant_id, grants={"leads.read": Scope.OWN})
    none = await sales.user(user.tenant_id, grants={"orders.read": Scope.ALL})
    gone, reads = await sales.user(user.tenant_id), await sales.user(user.tenant_id)
    rule = await rules.active(user, notify("{{record.display_name}}", narrow, none, gone, reads))
    await sales.change_user(gone, active=False)
    await create()
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert run.effects[0].told_count == 1
    (notice,) = await told(sales, user.tenant_id, NoticeRaised)
    assert list(notice.user_ids) == [str(reads.id)]


async def test_who_does_not_see_a_field_is_not_told_of_it(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    """Leads in the pool show their telephone numbers to who may read all leads."""
    seller = await sales.user(user.tenant_id, grants={"leads.read": Scope.TEAM})
    for text in ("{{record.phone_number}}", "{{record.display_name}}"):
        await rules.active(user, notify(text, seller, user))
    await create(to_pool=True, phone_number="+8613800138000")
    await settled(sales, user.tenant_id)
    notices = {each.text: set(each.user_ids) for each in await told(sales, user.tenant_id, NoticeRaised)}
    assert notices == {"+8613800138000": {str(user.id)}, "王伟": {str(user.id), str(seller.id)}}


async def test_a_rule_tells_programs_by_a_webhook_what_its_activator_sees(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    endpoint_id = str(new_id())
    call = Rule.Action(
        webhook_call=Rule.WebhookCall(endpoint_id=endpoint_id, values={"who": "{{record.phone_number}}!"})
    )
    narrow = {"leads.read": Scope.OWN, "leads.write": Scope.OWN, "automation_rules.write": Scope.ALL}
    for more in ({}, {"webhooks.write": Scope.TEAM}):
        seller = await sales.user(user.tenant_id, grants=narrow | more)
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
            await rules.active(seller, call)
    sees = await sales.user(user.tenant_id, grants=narrow | {"webhooks.write": Scope.ALL})
    for each in (user, sees):
        await rules.active(each, call, trigger=on("UPDATED"), display_name=str(each.id), filter="source = fair")
    pooled = await create(to_pool=True, phone_number="+8613800138000")
    own = await create(phone_number="+8613900139000")
    for lead in (pooled, own):
        await rename(sales, user, lead.id)
    await settled(sales, user.tenant_id)
    calls = await told(sales, user.tenant_id, WebhookCallRequested)
    assert {(each.rule_name, each.record_id, each.values["who"]) for each in calls} == {
        (str(user.id), pooled.id, "+8613800138000!"),
        (str(user.id), own.id, "+8613900139000!"),
        (str(sees.id), pooled.id, "!"),
    }
    assert {(each.endpoint_id, each.collection, each.version) for each in calls} == {(endpoint_id, "leads", 2)}


async def rename(sales: Running, user: User, id: str) -> None:
    stub: Any = LeadServiceStub(sales.channel)
    request = leads_pb2.UpdateLeadRequest(
        lead=leads_pb2.Lead(id=id, source="fair"), update_mask=FieldMask(paths=["source"])
    )
    await stub.UpdateLead(request, metadata=user.metadata)


async def test_what_a_rule_tells_is_told_only_when_all_of_it_is_done(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    rule = await rules.active(user, notify("x", user), action("assign", owner_id=str(new_id())))
    await create()
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.failed_action) == (FAILED, 2)
    assert await told(sales, user.tenant_id, NoticeRaised) == []


async def test_rules_that_tell_in_a_circle_are_stopped(
    sales: Running, user: User, rules: Rules, create: CreateLead
) -> None:
    say = (action("update", campaign="{{record.etag}}"), notify("again", user))
    rule = await rules.active(user, *say, trigger=on("CREATED", "UPDATED"))
    await create()
    await settled(sales, user.tenant_id)
    assert [each.state for each in await rules.runs_of(user, rule)] == [STOPPED_LOOP, SUCCEEDED]
    assert len(await told(sales, user.tenant_id, NoticeRaised)) == 1


# --- approvals


async def test_a_rule_asks_for_approval_as_its_activator_and_once(
    sales: Running, api: Sales, user: User, draft: Draft, servicer: OrderServicer
) -> None:
    rules, boss = Rules(sales.channel, "orders"), await sales.user(user.tenant_id)
    desk = Desk(sales.channel, "orders", "release")
    await desk.policy(user, asks(step(boss)))
    ask = submit("release", comment="共 {{record.gross_amount}}", reason="老客户")
    note = notify("待审批", user)
    rule = await rules.active(user, note, ask, trigger=on("PLACED"), filter="state = ON_HOLD")
    order = await placed(api, servicer, user, await draft("10.00"), refuse)
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert [each.verb for each in run.effects] == ["notify", "submit"], run
    (approval,) = await desk.listed(user)
    assert (approval.submitter_id, approval.record_id, approval.state) == (
        str(user.id),
        order.id,
        Approval.STATE_PENDING,
    )
    assert approval.comment == f"共 {order.gross_amount.amount} CNY"
    now = await read_order(api, user, order)
    assert (now.state, approval.record_etag, now.etag) == (pb.Order.STATE_ON_HOLD, order.etag, order.etag)
    kinds = [each.kind for each in await told(sales, user.tenant_id, NoticeRaised)]
    assert kinds.count(notice_kind_pb2.NOTICE_KIND_AUTOMATION) == 1
    await desk.approve(boss, approval)
    assert (await read_order(api, user, order)).state == pb.Order.STATE_RELEASED


async def test_what_cannot_be_submitted_is_a_run_that_says_so(
    sales: Running, api: Sales, user: User, draft: Draft, servicer: OrderServicer
) -> None:
    rules = Rules(sales.channel, "orders")
    rule = await rules.active(user, submit("release", reason="x"), trigger=on("PLACED"), filter="state = ON_HOLD")
    await placed(api, servicer, user, await draft("10.00"), refuse)
    await settled(sales, user.tenant_id)
    (run,) = await rules.runs_of(user, rule)
    assert (run.state, run.reason, run.failed_action) == (FAILED, "APPROVAL_NOT_REQUIRED", 1)


# --- other records


async def test_a_rule_changes_the_record_that_its_own_names_and_leaves_none_out_silently(
    sales: Running, api: Sales, user: User, draft: Draft, account_id: str
) -> None:
    deal = opportunities_pb2.Opportunity(display_name="变压器", account_id=account_id, amount=cny("10"))
    made = await api.opportunities.CreateOpportunity(
        opportunities_pb2.CreateOpportunityRequest(opportunity=deal), metadata=user.metadata
    )
    rules = Rules(sales.channel, "orders")
    update = action("update", next_step="跟进订单 {{record.id}}", target="opportunity_id")
    rule = await rules.active(user, update)
    order, free = await draft("10.00", opportunity_id=made.id), await draft("20.00")
    await settled(sales, user.tenant_id)
    runs = {each.record_id: each for each in await rules.runs_of(user, rule)}
    (effect,) = runs[order.id].effects
    assert (effect.verb, effect.target, effect.record_etag, list(effect.changed_fields)) == (
        "update",
        "opportunity_id",
        "v2",
        ["next_step"],
    )
    (left_out,) = runs[free.id].effects
    assert (left_out.target, left_out.record_etag) == ("opportunity_id", "")
    now = await api.opportunities.GetOpportunity(
        opportunities_pb2.GetOpportunityRequest(id=made.id), metadata=user.metadata
    )
    assert now.next_step == f"跟进订单 {order.id}"


async def test_a_rule_on_another_record_needs_the_right_to_it(sales: Running, user: User, draft: Draft) -> None:
    rules = Rules(sales.channel, "orders")
    grants = {"orders.read": Scope.ALL, "orders.write": Scope.ALL, "automation_rules.write": Scope.ALL}
    clerk = await sales.user(user.tenant_id, grants=grants)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await rules.active(clerk, action("update", next_step="x", target="opportunity_id"))


async def test_a_rule_calls_no_record_that_is_hidden_from_who_activates_it(sales: Running, user: User) -> None:
    blind = await sales.user(user.tenant_id, hidden_fields=["orders.opportunity_id"])
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await Rules(sales.channel, "orders").active(blind, action("update", next_step="x", target="opportunity_id"))
    assert refusal.metadata["field"] == "orders.opportunity_id"


async def test_a_notification_to_nobody_known_is_refused(sales: Running, user: User, rules: Rules) -> None:
    stranger = Rule.Action(notification=Rule.Notification(text="x", user_ids=[str(new_id())]))
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await rules.create(user, stranger)
    assert refusal.fields == ["automation_rule.actions[0].notification.user_ids[0]"]
    gone = await sales.user(user.tenant_id)
    rule = await rules.create(user, notify("x", gone))
    await sales.change_user(gone, active=False)
    rule.display_name = "who has left stays until somebody takes them out"
    await rules.update(user, rule, "display_name")


@pytest.mark.parametrize(
    ("done", "place"),
    [
        (Rule.Action(), "verb"),
        (Rule.Action(verb="update", notification=Rule.Notification(text="x", recipients=[OWNER])), "verb"),
        (Rule.Action(notification=Rule.Notification(text="x")), "notification.recipients"),
        (Rule.Action(notification=Rule.Notification(recipients=[OWNER])), "notification.text"),
        (notify("{{record.colour}}", recipients=[OWNER]), "notification.text"),
        (Rule.Action(webhook_call=Rule.WebhookCall(endpoint_id="x")), "webhook_call.endpoint_id"),
        (
            Rule.Action(webhook_call=Rule.WebhookCall(endpoint_id=str(new_id()), values={"a": "{{record.b}}"})),
            "webhook_call.values.a",
        ),
        (submit("buy"), "submission.verb"),
        (submit("release", colour="x"), "submission.request.colour"),
        (submit("release", comment="{{record.colour}}", reason="x"), "submission.comment"),
        (action("update", next_step="x", target="account_id"), "target"),
        (action("update", colour="x", target="opportunity_id"), "request.colour"),
        (action("cancel", target="opportunity_id"), "verb"),
    ],
)
async def test_an_action_that_can_never_be_done_is_refused(
    sales: Running, user: User, done: Rule.Action, place: str
) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await Rules(sales.channel, "orders").create(user, done)
    assert refusal.fields == [f"automation_rule.actions[0].{place}"]

"""Leads through their contract."""

from collections.abc import Awaitable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from crm.sales.v1 import events_pb2
from crm.sales.v1 import leads_pb2 as pb
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id
from google.protobuf.field_mask_pb2 import FieldMask

from tests.service.history import changes_of
from tests.service.nameless import nameless
from tests.service.running import Running, User, refused
from tests.service.sales.conftest import CreateLead
from tests.service.sales.selling import Sales, emitted, names_of

OWN = {"leads.read": Scope.OWN, "leads.write": Scope.OWN}


def call(kind: "pb.FollowUp.Kind.ValueType" = pb.FollowUp.KIND_CALL, **fields: Any) -> pb.FollowUp:
    return pb.FollowUp(kind=kind, **fields)


# --- creating and reading


async def test_a_created_lead_is_held_by_its_creator_and_read_back(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    lead = await create(phone_number="+8613800138000", region_code="CN-GD", source="fair")
    assert (lead.owner_id, lead.in_pool, lead.state) == (str(user.id), False, pb.Lead.STATE_NEW)
    assert lead.safe_until_time.ToDatetime() - lead.take_time.ToDatetime() == timedelta(days=7)
    assert await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=user.metadata) == lead
    (event,) = await emitted(sales, user.tenant_id, lead.id)
    assert isinstance(event, events_pb2.LeadCreated)
    assert event.lead == nameless(lead)


async def test_a_lead_created_for_the_pool_is_in_nobodys_hands(api: Sales, user: User, create: CreateLead) -> None:
    lead = await create(to_pool=True)
    assert (lead.in_pool, lead.owner_id, lead.HasField("safe_until_time")) == (True, "", False)
    await create()
    request = pb.ListLeadsRequest(filter="in_pool = true")
    page = await api.leads.ListLeads(request, metadata=user.metadata)
    assert [each.id for each in page.leads] == [lead.id]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(to_pool=True, owner_id=str(user.id))
    assert refusal.fields == ["lead.owner_id"]


async def test_fields_that_break_a_rule_are_named(create: CreateLead) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(display_name="", phone_number="123", email="nobody", region_code="guangdong")
    assert set(refusal.fields) == {"lead.display_name", "lead.phone_number", "lead.email", "lead.region_code"}


async def test_an_owner_of_another_tenant_is_refused(create: CreateLead, sales: Running) -> None:
    stranger = await sales.user()
    with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
        await create(owner_id=str(stranger.id))
    assert refusal.fields == ["lead.owner_id"]


# --- who may


async def test_every_rpc_hides_a_lead_of_another_tenant(api: Sales, create: CreateLead, sales: Running) -> None:
    lead, stranger = await create(), await sales.user()
    calls: list[Awaitable[object]] = [
        api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=stranger.metadata),
        api.leads.ClaimLead(pb.ClaimLeadRequest(id=lead.id), metadata=stranger.metadata),
        api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="x"), metadata=stranger.metadata),
        api.leads.AssignLead(pb.AssignLeadRequest(id=lead.id, owner_id=str(stranger.id)), metadata=stranger.metadata),
        api.leads.RecordFollowUp(pb.RecordFollowUpRequest(id=lead.id, follow_up=call()), metadata=stranger.metadata),
        api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=stranger.metadata),
        api.leads.DisqualifyLead(pb.DisqualifyLeadRequest(id=lead.id, reason="x"), metadata=stranger.metadata),
        api.leads.ConvertLead(pb.ConvertLeadRequest(id=lead.id), metadata=stranger.metadata),
        api.leads.ExplainProtection(pb.ExplainProtectionRequest(id=lead.id), metadata=stranger.metadata),
        changes_of(sales, "leads", lead.id, stranger.metadata),
        api.leads.UpdateLead(
            pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, source="x"), update_mask=FieldMask(paths=["source"])),
            metadata=stranger.metadata,
        ),
    ]
    for each in calls:
        with refused("NOT_FOUND", "LEAD_NOT_FOUND"):
            await each


async def test_reading_does_not_allow_writing(api: Sales, sales: Running) -> None:
    reader = await sales.user(grants={"leads.read": Scope.ALL})
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.leads.CreateLead(pb.CreateLeadRequest(lead=pb.Lead(display_name="x")), metadata=reader.metadata)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await api.leads.ClaimLead(
            pb.ClaimLeadRequest(id="0197c0de-0000-7000-8000-000000000000"), metadata=reader.metadata
        )


async def test_a_representative_sees_their_own_leads_and_the_pool(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    tenant = await sales.tenant()
    li, wang = await sales.user(tenant, grants=OWN), await sales.user(tenant, grants=OWN)
    mine, other, pooled = await create(by=li), await create(by=wang), await create(by=wang, to_pool=True)
    page = await api.leads.ListLeads(pb.ListLeadsRequest(), metadata=li.metadata)
    assert {each.id for each in page.leads} == {mine.id, pooled.id}
    with refused("NOT_FOUND", "LEAD_NOT_FOUND"):
        await api.leads.GetLead(pb.GetLeadRequest(id=other.id), metadata=li.metadata)


async def test_a_representative_changes_nothing_in_the_pool_but_by_claiming(
    api: Sales, create: CreateLead, sales: Running
) -> None:
    tenant = await sales.tenant()
    li = await sales.user(tenant, grants=OWN)
    lead = await create(by=li, to_pool=True)
    update = pb.UpdateLeadRequest(lead=pb.Lead(id=lead.id, source="x"), update_mask=FieldMask(paths=["source"]))
    assign = pb.AssignLeadRequest(id=lead.id, owner_id=str(li.id))
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.UpdateLead(update, metadata=li.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.AssignLead(assign, metadata=li.metadata)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.RecordFollowUp(pb.RecordFollowUpRequest(id=lead.id, follow_up=call()), metadata=li.metadata)


# --- changing


async def test_only_the_fields_in_the_mask_change_and_a_stale_etag_is_refused(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    lead = await create(source="fair", campaign="spring")
    request = pb.UpdateLeadRequest(
        lead=pb.Lead(id=lead.id, source="web", campaign="ignored", etag=lead.etag),
        update_mask=FieldMask(paths=["source"]),
    )
    updated = await api.leads.UpdateLead(request, metadata=user.metadata)
    assert (updated.source, updated.campaign) == ("web", "spring")
    *_, event = await emitted(sales, user.tenant_id, lead.id)
    assert isinstance(event, events_pb2.LeadUpdated)
    assert (event.lead, list(event.changed_fields)) == (nameless(updated), ["source"])
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.leads.UpdateLead(request, metadata=user.metadata)


async def test_an_update_does_not_move_a_lead_to_another_owner_or_state(
    api: Sales, user: User, create: CreateLead
) -> None:
    lead = await create()
    changes = {"owner_id": pb.Lead(id=lead.id), "state": pb.Lead(id=lead.id, state=pb.Lead.STATE_QUALIFIED)}
    for name, changed in changes.items():
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await api.leads.UpdateLead(
                pb.UpdateLeadRequest(lead=changed, update_mask=FieldMask(paths=[name])), metadata=user.metadata
            )
        assert refusal.fields == [f"lead.{name}"]
    assert await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=lead), metadata=user.metadata) == lead


async def test_a_follow_up_makes_contact_and_extends_the_protection(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    lead = await create()
    followed = await api.leads.RecordFollowUp(
        pb.RecordFollowUpRequest(id=lead.id, follow_up=call(note="called")), metadata=user.metadata
    )
    assert followed.state == pb.Lead.STATE_CONTACTED
    *_, event = await emitted(sales, user.tenant_id, lead.id)
    assert isinstance(event, events_pb2.LeadFollowedUp)
    assert (event.lead, event.follow_up.note) == (nameless(followed), "called")
    assert followed.safe_until_time.ToNanoseconds() > lead.safe_until_time.ToNanoseconds()
    protection = await api.leads.ExplainProtection(pb.ExplainProtectionRequest(id=lead.id), metadata=user.metadata)
    assert protection.safe_until_time == followed.safe_until_time
    assert protection.reason == pb.Protection.REASON_FOLLOW_UP
    assert [step.reason for step in protection.steps] == [
        pb.Protection.REASON_TAKEN,
        pb.Protection.REASON_FOLLOW_UP,
    ]
    assert 0 < protection.remaining_seconds <= 7 * 86_400
    taken = protection.steps[0]
    assert (taken.code, taken.explanation, dict(taken.metadata)) == (
        "TAKEN",
        "taken, safe for 7 days",
        {"safe_for": "604800s"},
    )


@pytest.mark.parametrize("ahead", [timedelta(hours=1), timedelta(days=400), timedelta(days=70 * 365)])
async def test_a_follow_up_that_is_still_to_come_is_refused(
    api: Sales, user: User, create: CreateLead, ahead: timedelta
) -> None:
    lead = await create()
    follow_up = call()
    follow_up.happen_time.FromDatetime(lead.create_time.ToDatetime() + ahead)
    request = pb.RecordFollowUpRequest(id=lead.id, follow_up=follow_up)
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.leads.RecordFollowUp(request, metadata=user.metadata)
    assert refusal.fields == ["follow_up.happen_time"]
    # A watch may be a little fast.
    follow_up.happen_time.FromDatetime(lead.create_time.ToDatetime() + timedelta(minutes=4))
    request = pb.RecordFollowUpRequest(id=lead.id, follow_up=follow_up)
    assert (await api.leads.RecordFollowUp(request, metadata=user.metadata)).state == pb.Lead.STATE_CONTACTED


async def test_a_follow_up_of_long_ago_is_recorded_and_does_not_move_the_clock(
    api: Sales, user: User, create: CreateLead
) -> None:
    lead = await create()
    follow_up = call()
    follow_up.happen_time.FromDatetime(lead.create_time.ToDatetime() - timedelta(days=400))
    followed = await api.leads.RecordFollowUp(
        pb.RecordFollowUpRequest(id=lead.id, follow_up=follow_up), metadata=user.metadata
    )
    assert followed.safe_until_time == lead.safe_until_time


async def test_a_note_does_not_protect(api: Sales, user: User, create: CreateLead) -> None:
    lead = await create()
    request = pb.RecordFollowUpRequest(id=lead.id, follow_up=call(pb.FollowUp.KIND_NOTE))
    assert (await api.leads.RecordFollowUp(request, metadata=user.metadata)).safe_until_time == lead.safe_until_time


async def test_a_lead_is_returned_with_a_reason_and_an_event(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    lead = await create()
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason=" "), metadata=user.metadata)
    request = pb.ReturnLeadRequest(id=lead.id, reason="no budget", etag=lead.etag)
    returned = await api.leads.ReturnLead(request, metadata=user.metadata)
    assert (returned.in_pool, returned.return_reason) == (True, "no budget")
    assert returned.former_owner_id == str(user.id)
    event = (await emitted(sales, user.tenant_id, lead.id))[-1]
    assert isinstance(event, events_pb2.LeadReturned)
    assert event.lead == nameless(returned)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="again"), metadata=user.metadata)


async def test_a_manager_assigns_a_lead_to_somebody_else(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    team = await sales.team(user.tenant_id)
    li = await sales.user(user.tenant_id, grants=OWN, team_id=team)
    lead = await create(to_pool=True)
    request = pb.AssignLeadRequest(id=lead.id, owner_id=str(li.id), etag=lead.etag)
    assigned = await api.leads.AssignLead(request, metadata=user.metadata)
    assert (assigned.owner_id, assigned.owner_team_id, assigned.in_pool) == (str(li.id), str(team), False)
    assert (await api.leads.GetLead(pb.GetLeadRequest(id=lead.id), metadata=li.metadata)) == assigned
    assert names_of(await emitted(sales, user.tenant_id, lead.id)) == ["LeadCreated", "LeadAssigned"]
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.leads.AssignLead(request, metadata=user.metadata)


async def test_a_lead_is_qualified_after_contact_and_disqualified_with_a_reason(
    api: Sales, user: User, create: CreateLead
) -> None:
    lead = await create()
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=user.metadata)
    follow_up = pb.RecordFollowUpRequest(id=lead.id, follow_up=call())
    await api.leads.RecordFollowUp(follow_up, metadata=user.metadata)
    qualified = await api.leads.QualifyLead(pb.QualifyLeadRequest(id=lead.id), metadata=user.metadata)
    assert qualified.state == pb.Lead.STATE_QUALIFIED
    stale = pb.DisqualifyLeadRequest(id=lead.id, reason="bankrupt", etag=lead.etag)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await api.leads.DisqualifyLead(stale, metadata=user.metadata)
    request = pb.DisqualifyLeadRequest(id=lead.id, reason="bankrupt")
    gone = await api.leads.DisqualifyLead(request, metadata=user.metadata)
    assert (gone.state, gone.disqualify_reason) == (pb.Lead.STATE_DISQUALIFIED, "bankrupt")
    assert not gone.HasField("safe_until_time")


async def test_the_history_tells_who_did_what(api: Sales, user: User, create: CreateLead, sales: Running) -> None:
    lead = await create()
    follow_up = pb.RecordFollowUpRequest(id=lead.id, follow_up=call())
    await api.leads.RecordFollowUp(follow_up, metadata=user.metadata)
    await api.leads.ReturnLead(pb.ReturnLeadRequest(id=lead.id, reason="no budget"), metadata=user.metadata)
    page = await changes_of(sales, "leads", lead.id, user.metadata)
    assert [change.action for change in page.changes] == ["RETURNED", "FOLLOWED_UP", "CREATED"]
    fields = {field.field: field.new_value.string_value for field in page.changes[0].fields}
    assert fields["return_reason"] == "no budget"
    assert {change.actor_id for change in page.changes} == {str(user.id)}


async def test_a_repeated_request_with_the_same_key_creates_one_lead(api: Sales, user: User, sales: Running) -> None:
    request = pb.CreateLeadRequest(lead=pb.Lead(display_name="王伟"))
    first = await api.leads.CreateLead(request, metadata=user.with_key("k1"))
    assert await api.leads.CreateLead(request, metadata=user.with_key("k1")) == first
    assert UUID(first.id).version == 7
    assert names_of(await emitted(sales, user.tenant_id, first.id)) == ["LeadCreated"]
    page = await api.leads.ListLeads(pb.ListLeadsRequest(), metadata=user.metadata)
    assert len(page.leads) == 1


async def test_a_lead_whose_owner_has_left_is_saved_as_it_was_read(
    api: Sales, user: User, create: CreateLead, sales: Running
) -> None:
    gone = await sales.user(user.tenant_id)
    lead = await create(owner_id=str(gone.id))
    await sales.change_user(gone, active=False)
    assert await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=lead), metadata=user.metadata) == lead
    lead.source = "fair"
    updated = await api.leads.UpdateLead(pb.UpdateLeadRequest(lead=lead), metadata=user.metadata)
    assert (updated.source, updated.owner_id) == ("fair", str(gone.id))


async def test_the_number_of_a_lead_without_country_code_is_one_of_the_tenants_country(
    api: Sales, sales: Running, user: User, create: CreateLead
) -> None:
    await sales.know_tenant(user.tenant_id, default_region="DE", version=2)
    lead = await create(phone_number="030 901820")
    assert lead.phone_number == "+4930901820"
    assert (await create(phone_number="138 0013 8000", region_code="CN")).phone_number == "+8613800138000"
    for filter in ('phone_number = "030 901820"', 'phone_number:"030 901820"', 'phone_number IN ("030901820")'):
        page = await api.leads.ListLeads(pb.ListLeadsRequest(filter=filter), metadata=user.metadata)
        assert [each.id for each in page.leads] == [lead.id]


async def test_the_number_of_a_lead_is_kept_in_one_form(api: Sales, user: User, create: CreateLead) -> None:
    lead = await create(phone_number="138 0013 8000")
    assert lead.phone_number == "+8613800138000"
    request = pb.UpdateLeadRequest(
        lead=pb.Lead(id=lead.id, phone_number="010-6234 5678 转12"), update_mask=FieldMask(paths=["phone_number"])
    )
    assert (await api.leads.UpdateLead(request, metadata=user.metadata)).phone_number == "+861062345678;ext=12"
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(phone_number="no number")
    assert refusal.fields == ["lead.phone_number"]


async def test_a_lead_whose_name_nobody_sees_is_refused(create: CreateLead) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await create(display_name="\u200b\u2060")
    assert refusal.fields == ["lead.display_name"]


@pytest.mark.parametrize("asked", ['= "138 0013 8000"', ':"138-0013-8000"', 'IN ("+86 13800138000")', ':"0013800"'])
async def test_a_lead_is_found_by_its_number_as_people_write_it(
    api: Sales, user: User, create: CreateLead, asked: str
) -> None:
    lead = await create(phone_number="13800138000")
    await create(phone_number="13900139000")
    page = await api.leads.ListLeads(pb.ListLeadsRequest(filter=f"phone_number {asked}"), metadata=user.metadata)
    assert [each.id for each in page.leads] == [lead.id]


@pytest.mark.parametrize("asked", ["=", ":"])
async def test_a_lead_is_found_by_its_address_whatever_the_case(
    api: Sales, user: User, create: CreateLead, asked: str
) -> None:
    lead = await create(email="Li.Na@Customer.test")
    await create(email="wang@customer.test")
    request = pb.ListLeadsRequest(filter=f'email {asked} "li.na@CUSTOMER.test"'.replace(" :", ":"))
    page = await api.leads.ListLeads(request, metadata=user.metadata)
    assert [(each.id, each.email) for each in page.leads] == [(lead.id, "Li.Na@Customer.test")]


async def test_nobody_else_is_said_to_have_followed_a_lead_up(api: Sales, user: User, create: CreateLead) -> None:
    lead, other = await create(), str(new_id())
    request = pb.RecordFollowUpRequest(id=lead.id, follow_up=call(user_id=other))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await api.leads.RecordFollowUp(request, metadata=user.metadata)
    assert refusal.fields == ["follow_up.user_id"]

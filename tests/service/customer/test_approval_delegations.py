"""Approval delegations through their contract: people name deputies for themselves, administrators for others."""

from typing import TYPE_CHECKING, Any

import pytest
from crm.customer.v1 import approval_delegations_pb2 as pb
from crm.customer.v1 import events_pb2
from crm.customer.v1.approval_delegations_pb2_grpc import ApprovalDelegationServiceStub
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.plumbing import access_deputies
from google.protobuf.field_mask_pb2 import FieldMask
from sqlalchemy import select

from tests.service.customer.told import told_of
from tests.service.nameless import nameless
from tests.service.notices import raised, told
from tests.service.running import Running, User, refused

if TYPE_CHECKING:
    from crm.customer.v1.approval_delegations_pb2_grpc import ApprovalDelegationServiceAsyncStub

OF_ONES_OWN = {"approval_delegations.read": Scope.OWN, "approval_delegations.write": Scope.OWN}


class Absence:
    """Delegations of one tenant."""

    def __init__(self, customer: Running, admin: User, boss: User, deputy: User) -> None:
        self.stub: ApprovalDelegationServiceAsyncStub = ApprovalDelegationServiceStub(customer.channel)
        self.customer, self.admin, self.boss, self.deputy = customer, admin, boss, deputy

    async def create(self, by: User, **fields: Any) -> pb.ApprovalDelegation:
        values = {"deputy_id": str(self.deputy.id), "first_date": "2027-03-01", "last_date": "2900-01-01", **fields}
        request = pb.CreateApprovalDelegationRequest(approval_delegation=pb.ApprovalDelegation(**values))
        return await self.stub.CreateApprovalDelegation(request, metadata=by.metadata)

    async def update(self, by: User, of: pb.ApprovalDelegation, **fields: Any) -> pb.ApprovalDelegation:
        changed = pb.ApprovalDelegation(id=of.id, **fields)
        request = pb.UpdateApprovalDelegationRequest(approval_delegation=changed, update_mask=FieldMask(paths=fields))
        return await self.stub.UpdateApprovalDelegation(request, metadata=by.metadata)

    async def cancel(self, by: User, of: pb.ApprovalDelegation, **fields: Any) -> pb.ApprovalDelegation:
        request = pb.CancelApprovalDelegationRequest(id=of.id, **fields)
        return await self.stub.CancelApprovalDelegation(request, metadata=by.metadata)

    async def listed(self, by: User, filter: str = "") -> list[str]:
        request = pb.ListApprovalDelegationsRequest(filter=filter)
        page = await self.stub.ListApprovalDelegations(request, metadata=by.metadata)
        return [each.id for each in page.approval_delegations]

    async def known(self) -> list[tuple[str, bool]]:
        """Until when somebody is a deputy as this service goes by it, and whether it holds."""
        query = compile_statement(select(access_deputies.c.last_date, access_deputies.c.active))
        rows = await self.customer.service.database.all(self.admin.tenant_id, query, {})
        return [(row["last_date"].isoformat(), row["active"]) for row in rows]


@pytest.fixture
async def absence(customer: Running) -> Absence:
    admin = await customer.user()
    boss, deputy = [await customer.user(admin.tenant_id, grants=OF_ONES_OWN) for _ in range(2)]
    return Absence(customer, admin, boss, deputy)


async def test_people_name_a_deputy_for_themselves_who_sees_it_and_changes_nothing(absence: Absence) -> None:
    made = await absence.create(absence.boss, collection="credit_limits")
    assert (made.owner_id, made.deputy_id, made.deputy_name) == (
        str(absence.boss.id),
        str(absence.deputy.id),
        "somebody",
    )
    assert await absence.known() == [("2900-01-01", True)]
    assert [await absence.listed(each) for each in (absence.boss, absence.deputy)] == [[made.id], [made.id]]
    assert await absence.listed(absence.deputy, "deputy_id = me AND last_date >= 2027-03-01") == [made.id]
    for change in (absence.update(absence.deputy, made, last_date="2027-03-02"), absence.cancel(absence.deputy, made)):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await change
        assert refusal.metadata["rule"] == "not_delegator"
    shorter = await absence.update(absence.boss, made, last_date="2027-03-02", collection="")
    assert (shorter.last_date, shorter.collection) == ("2027-03-02", "")
    assert await absence.known() == [("2027-03-02", True)]
    with refused("ABORTED", "ETAG_MISMATCH"):
        await absence.cancel(absence.boss, made, etag=made.etag)
    ended = await absence.cancel(absence.boss, made, etag=shorter.etag)
    assert ended.state == pb.ApprovalDelegation.STATE_CANCELLED
    assert await absence.known() == [("2027-03-02", False)]
    assert await absence.listed(absence.boss) == []
    assert await absence.listed(absence.boss, "state = CANCELLED") == [made.id]
    for late in (absence.update(absence.boss, made, last_date="2027-03-03"), absence.cancel(absence.boss, made)):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await late
    assert await told_of(absence.customer, absence.admin.tenant_id, made.id) == [
        events_pb2.ApprovalDelegationCreated(approval_delegation=nameless(made)),
        events_pb2.ApprovalDelegationUpdated(
            approval_delegation=nameless(shorter), changed_fields=["last_date", "collection"]
        ),
        events_pb2.ApprovalDelegationCancelled(approval_delegation=nameless(ended)),
    ]


async def test_who_becomes_a_deputy_is_told_once_for_whom_and_of_which_days(absence: Absence) -> None:
    customer, other = absence.customer, await absence.customer.user(absence.admin.tenant_id)
    made = await absence.create(absence.boss)
    longer = await absence.update(absence.boss, made, last_date="2901-01-01")
    await absence.update(absence.boss, longer, deputy_id=str(other.id))
    assert [await told(customer, each) for each in (absence.deputy, other)] == [["DEPUTY_NAMED"], ["DEPUTY_NAMED"]]
    assert [each.record_name for each in await raised(customer, absence.admin.tenant_id)] == [
        "somebody 2027-03-01 – 2900-01-01",
        "somebody 2027-03-01 – 2901-01-01",
    ]


async def test_only_a_wider_scope_names_deputies_of_others(absence: Absence) -> None:
    customer, tenant_id = absence.customer, absence.admin.tenant_id
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED"):
        await absence.create(absence.deputy, owner_id=str(absence.boss.id), deputy_id=str(absence.admin.id))
    made = await absence.create(absence.admin, owner_id=str(absence.boss.id))
    assert made.owner_id == str(absence.boss.id)
    assert await absence.listed(absence.boss) == [made.id]
    stranger = await customer.user(tenant_id, grants=OF_ONES_OWN)
    assert await absence.listed(stranger) == []
    with refused("NOT_FOUND", "APPROVAL_DELEGATION_NOT_FOUND"):
        await absence.cancel(stranger, made)
    team = await customer.team(tenant_id)
    member = await customer.user(tenant_id, grants=OF_ONES_OWN, team_id=team)
    of_team = dict.fromkeys(OF_ONES_OWN, Scope.TEAM)
    lead = await customer.user(tenant_id, grants=of_team, team_id=team)
    with refused("INVALID_ARGUMENT", "ASSIGNMENT_NOT_ALLOWED"):
        await absence.create(lead, owner_id=str(absence.boss.id))
    # A leader looks after the deputies of their team, and ends what should not go on.
    theirs = await absence.create(member)
    assert await absence.listed(lead) == [theirs.id]
    assert (await absence.cancel(lead, theirs)).state == pb.ApprovalDelegation.STATE_CANCELLED


async def test_nobody_decides_through_a_friend_whom_they_name_for_others(absence: Absence) -> None:
    customer, tenant_id = absence.customer, absence.admin.tenant_id
    team = await customer.team(tenant_id)
    member = await customer.user(tenant_id, grants=OF_ONES_OWN, team_id=team)
    for scope in (Scope.TEAM, Scope.ALL):
        lead = await customer.user(tenant_id, grants=dict.fromkeys(OF_ONES_OWN, scope), team_id=team)
        # Neither they nor the friend come by it, nor by a delegation that the member has made.
        for deputy in (lead, absence.deputy):
            with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
                await absence.create(lead, owner_id=str(member.id), deputy_id=str(deputy.id))
            assert refusal.metadata["rule"] == "names_for_others"
        theirs = await absence.create(member, deputy_id=str(absence.boss.id), last_date="2899-12-31")
        for change in ({"deputy_id": str(absence.deputy.id)}, {"last_date": "2900-01-01"}, {"collection": "orders"}):
            with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
                await absence.update(lead, theirs, **change)
            assert refusal.metadata["rule"] == "names_for_others"
    # Who hands on what others are asked names others, and not themselves.
    policy_writer = {"approval_policies.write": Scope.ALL}
    writer = await customer.user(tenant_id, grants=dict.fromkeys(OF_ONES_OWN, Scope.TEAM) | policy_writer, team_id=team)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await absence.create(writer, owner_id=str(member.id), deputy_id=str(writer.id))
    assert refusal.metadata["rule"] == "names_oneself"
    made = await absence.create(writer, owner_id=str(member.id))
    assert (made.owner_id, made.deputy_id) == (str(member.id), str(absence.deputy.id))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await absence.update(writer, made, deputy_id=str(writer.id))


async def test_what_could_never_hold_is_refused_by_name(absence: Absence) -> None:
    gone = await absence.customer.user(absence.admin.tenant_id)
    await absence.customer.change_user(gone, active=False)
    for fields, reason, field in (
        ({"deputy_id": str(absence.boss.id)}, "INVALID_ARGUMENT", "deputy_id"),
        ({"deputy_id": str(gone.id)}, "REFERENCE_NOT_FOUND", "deputy_id"),
        ({"last_date": "2027-02-28"}, "INVALID_ARGUMENT", "last_date"),
        ({"first_date": "2000-01-01", "last_date": "2000-01-02"}, "INVALID_ARGUMENT", "last_date"),
        ({"first_date": "2027-02-29"}, "INVALID_ARGUMENT", "first_date"),
        ({"collection": "accounts"}, "INVALID_ARGUMENT", "collection"),
    ):
        with refused("INVALID_ARGUMENT", reason) as refusal:
            await absence.create(absence.boss, **fields)
        assert refusal.fields == [f"approval_delegation.{field}"]
    made = await absence.create(absence.boss, collection="orders")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await absence.update(absence.boss, made, first_date="2900-01-02")
    assert refusal.fields == ["approval_delegation.last_date"]

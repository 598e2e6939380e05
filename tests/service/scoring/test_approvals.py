"""Credit limits that are approved before they hold: asked for, decided, and moved once."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from crm.resource.v1 import resources_pb2
from crm.resource.v1.resources_pb2_grpc import ResourceServiceStub
from crm.scoring.v1 import credit_pb2 as pb
from crm.scoring.v1.credit_pb2_grpc import CreditServiceStub
from crm_kit.identity.access import Scope

from tests.service.approving import ALL, REFUSE, Approval, Desk, Row, allows, asks, new_role, set_roles, step, up_to
from tests.service.history import changes_of
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import People, asked, told
from tests.service.scoring.business import new_account
from tests.service.scoring.credit import SetLimit, read

Actions = resources_pb2.RecordActions

if TYPE_CHECKING:
    from crm.scoring.v1.credit_pb2_grpc import CreditServiceAsyncStub


@pytest.fixture
def stub(scoring: Running) -> "CreditServiceAsyncStub":
    return CreditServiceStub(scoring.channel)


# --- what a policy asks for


@pytest.mark.usefixtures("policy")
async def test_what_a_policy_allows_goes_what_it_asks_approval_for_changes_nothing_and_says_so(
    stub: "CreditServiceAsyncStub", user: User, account_id: UUID, set_limit: SetLimit, policy: Any
) -> None:
    assert (await set_limit(1000)).amount.amount == "1000.00"
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED") as refusal:
        await set_limit("1000.01")
    assert refusal.metadata["policy_id"] == policy.id
    assert (refusal.metadata["collection"], refusal.metadata["verb"]) == ("credit_limits", "setLimit")
    assert refusal.metadata["submit_path"] == "/v1/approvals/credit-limits:setLimit"
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await set_limit("100000.01")
    assert refusal.metadata["rule"] == "policy"
    # Not converted: a bound in another currency takes no amount of it.
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await set_limit(1, "USD")
    limit = await read(stub, user, account_id)
    assert (limit.amount.amount, limit.etag) == ("1000.00", "v1")


async def test_a_limit_that_is_lowered_needs_no_approval(
    desk: Desk, user: User, set_limit: SetLimit, people: People
) -> None:
    await set_limit(5000)
    await desk.policy(user, asks(step(people.boss)))
    assert (await set_limit(4999)).amount.amount == "4999.00"
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await set_limit(5000)


async def test_a_row_for_a_role_holds_for_who_has_it(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    finance = await new_role(scoring, user.tenant_id)
    await desk.policy(user, allows(up_to=up_to(9000), role_ids=[str(finance)]), asks(step(people.boss)))
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await set_limit(9000, by=people.rep)
    await set_roles(scoring, people.rep, finance)
    assert (await set_limit(9000, by=people.rep)).set_by_id == str(people.rep.id)
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await set_limit(9001, by=people.rep)


@pytest.mark.usefixtures("policy")
async def test_the_verb_refuses_first_what_it_would_refuse_without_a_policy(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    rep = await scoring.user(user.tenant_id, grants={"credit.write": Scope.OWN, "credit.read": Scope.OWN})
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await set_limit(5000, by=rep)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await desk.submit(rep, asked(account_id, 5000))
    with refused("ABORTED", "ETAG_MISMATCH"):
        await desk.submit(people.rep, asked(account_id, 5000, etag="v7"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.submit(people.rep, asked(account_id, "5000.001"))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.submit(people.rep, pb.SetCreditLimitRequest(account_id=str(account_id), reason="x"))
    assert refusal.fields == ["request.amount"]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.submit(people.rep, pb.SetCreditLimitRequest(amount=up_to(5000), reason="x"))
    assert (refusal.fields, "is required" in refusal.detail) == (["request.account_id"], True)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.submit(people.boss, asked(account_id, 5000))


async def test_what_a_policy_lets_nobody_do_is_refused_by_the_verb_first(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    await desk.policy(user, Row(outcome=REFUSE))
    rep = await scoring.user(user.tenant_id, grants={"credit.write": Scope.OWN, "credit.read": Scope.OWN})
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await set_limit(5000, by=rep)
    with refused("NOT_FOUND", "ACCOUNT_NOT_FOUND"):
        await desk.submit(rep, asked(account_id, 5000))
    with refused("ABORTED", "ETAG_MISMATCH"):
        await set_limit(5000, etag="v7")
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await set_limit("5000.001")
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await set_limit(5000)
    assert refusal.metadata["rule"] == "policy"
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.submit(people.rep, asked(account_id, 5000))


@pytest.mark.usefixtures("policy")
async def test_what_needs_no_approval_is_not_submitted(desk: Desk, people: People, account_id: UUID) -> None:
    with refused("FAILED_PRECONDITION", "APPROVAL_NOT_REQUIRED"):
        await desk.submit(people.rep, asked(account_id, 1000))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.submit(people.rep, asked(account_id, 100001))


async def test_what_can_be_done_with_a_limit_says_that_it_may_have_to_be_approved_where_some_amount_has_to(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    await set_limit(900)
    finance = await new_role(scoring, user.tenant_id)

    async def need(by: User) -> int:
        request = resources_pb2.GetRecordActionsRequest(collection="credit_limits", id=str(account_id))
        found = await ResourceServiceStub(scoring.channel).GetRecordActions(request, metadata=by.metadata)
        return next(each.approval for each in found.actions if each.verb == "setLimit")

    assert await need(people.rep) == Actions.APPROVAL_NOT_NEEDED
    rows = [allows(up_to=up_to(1000)), allows(role_ids=[str(finance)]), asks(step(people.boss))]
    await desk.policy(user, *rows)
    assert await need(people.rep) == Actions.APPROVAL_MAY_BE_NEEDED
    await set_roles(scoring, people.rep, finance)
    assert await need(people.rep) == Actions.APPROVAL_NOT_NEEDED


# --- deciding


@pytest.mark.usefixtures("policy")
async def test_an_approved_limit_is_set_as_who_asked_for_it_once_with_its_history_and_events(
    scoring: Running, stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000), "they grow")
    assert (approval.state, approval.record_id, approval.record_etag) == (Approval.STATE_PENDING, str(account_id), "v0")
    assert (approval.amount.amount, approval.comment, approval.verb) == ("5000.00", "they grow", "setLimit")
    assert (approval.submitter_id, approval.owner_id) == (str(people.rep.id), str(user.id))
    assert approval.request["reason"].string_value == "more business"
    assert approval.request["amount"].struct_value.fields["amount"].string_value == "5000"
    assert not (await read(stub, user, account_id)).HasField("amount")
    approved = await desk.approve(people.boss, approval, comment="fine", etag=approval.etag)
    assert (approved.state, approved.HasField("end_time")) == (Approval.STATE_APPROVED, True)
    (opinion,) = approved.opinions
    assert (opinion.user_id, opinion.comment, opinion.step) == (str(people.boss.id), "fine", 1)
    assert (opinion.user_name, approved.submitter_name) == ("somebody", "somebody")
    assert approved.policy_name == "大额审批"
    limit = await read(stub, user, account_id)
    assert (limit.amount.amount, limit.set_by_id, limit.reason) == ("5000.00", str(people.rep.id), "more business")
    (set_event,) = await told(scoring, user, "CreditLimitSet")
    assert set_event.actor_id == str(people.rep.id)
    assert [len(await told(scoring, user, f"Approval{name}")) for name in ("Submitted", "Approved")] == [1, 1]
    (change,) = (await changes_of(scoring, "credit_limits", str(account_id), user.metadata)).changes
    assert change.actor_id == str(people.rep.id)
    decided, submitted = await desk.changes(user, approval)
    assert [(each.action, each.actor_id) for each in (submitted, decided)] == [
        ("CREATED", str(people.rep.id)),
        ("APPROVED", str(people.boss.id)),
    ]


async def test_neither_who_asked_nor_who_owns_the_record_approves_and_who_owns_it_may_reject(
    scoring: Running, desk: Desk, user: User
) -> None:
    role = await new_role(scoring, user.tenant_id)
    everybody = [await scoring.user(user.tenant_id) for _ in range(3)]
    rep, owner, _ = everybody
    for each in everybody:
        await set_roles(scoring, each, role)
    await desk.policy(user, asks(step(roles=(role,))))
    approval = await desk.submit(rep, asked(await new_account(scoring, user.tenant_id, owner), 5000))
    for each, decide in ((rep, desk.approve), (rep, desk.reject), (owner, desk.approve)):
        with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
            await decide(each, approval)
        assert refusal.metadata["rule"] == "own_approval"
    assert [await desk.waiting(each) for each in everybody] == [[], [approval.id], [approval.id]]
    assert (await desk.reject(owner, approval)).state == Approval.STATE_REJECTED


@pytest.mark.usefixtures("policy")
async def test_a_rejection_is_final_and_its_reason_is_kept(
    stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT"):
        await desk.reject(people.boss, approval, " ")
    rejected = await desk.reject(people.boss, approval, "they pay late")
    assert (rejected.state, rejected.opinions[0].comment) == (Approval.STATE_REJECTED, "they pay late")
    for decide in (desk.approve, desk.reject):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
            await decide(people.boss, approval)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.withdraw(people.rep, approval)
    assert not (await read(stub, user, account_id)).HasField("amount")
    assert await desk.get(user, approval) == rejected
    # It may be asked for again.
    assert (await desk.submit(people.rep, asked(account_id, 4000))).state == Approval.STATE_PENDING


@pytest.mark.usefixtures("policy")
async def test_whom_it_does_not_ask_does_not_decide(desk: Desk, people: People, account_id: UUID) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED") as refusal:
        await desk.approve(people.other, approval)
    assert refusal.metadata["rule"] == "not_asked"


@pytest.mark.usefixtures("policy")
async def test_what_is_asked_for_already_is_not_asked_for_twice_until_the_record_changes(
    stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID, set_limit: SetLimit
) -> None:
    first = await desk.submit(people.rep, asked(account_id, 5000))
    with refused("ALREADY_EXISTS", "APPROVAL_PENDING") as refusal:
        await desk.submit(people.rep, asked(account_id, 6000))
    assert refusal.metadata["approval_id"] == first.id
    await set_limit(900)
    second = await desk.submit(people.rep, asked(account_id, 6000))
    assert (await desk.get(people.rep, first)).state == Approval.STATE_OUTDATED
    assert await desk.waiting(people.boss) == [second.id]
    assert second.record_etag == "v1"


@pytest.mark.usefixtures("policy")
async def test_a_record_that_changed_is_asked_about_again_and_does_not_move(
    scoring: Running,
    stub: "CreditServiceAsyncStub",
    desk: Desk,
    user: User,
    people: People,
    account_id: UUID,
    set_limit: SetLimit,
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    await set_limit(900)
    outdated = await desk.outdated(people.rep, approval)
    assert list(outdated.opinions) == []
    assert await desk.waiting(people.boss) == []
    assert (await read(stub, user, account_id)).amount.amount == "900.00"
    assert len(await told(scoring, user, "ApprovalOutdated")) == 1
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.approve(people.boss, approval)


@pytest.mark.usefixtures("policy")
async def test_who_lost_the_right_since_moves_nothing_and_the_approver_is_told_why(
    scoring: Running, stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    reader = await new_role(scoring, user.tenant_id, {"credit.read": Scope.ALL})
    await set_roles(scoring, people.rep, reader)
    with refused("FAILED_PRECONDITION", "APPROVAL_CANNOT_TAKE_EFFECT") as refusal:
        await desk.approve(people.boss, approval)
    assert refusal.metadata["cause"] == "PERMISSION_DENIED"
    await set_roles(scoring, people.rep, reader, active=False, version=3)
    with refused("FAILED_PRECONDITION", "APPROVAL_CANNOT_TAKE_EFFECT") as refusal:
        await desk.approve(people.boss, approval)
    assert refusal.metadata["cause"] == "UNAUTHENTICATED"
    assert (await desk.get(people.boss, approval)).state == Approval.STATE_PENDING
    assert not (await read(stub, user, account_id)).HasField("amount")
    assert (await desk.reject(people.boss, approval)).state == Approval.STATE_REJECTED


async def test_nothing_is_submitted_that_nobody_could_decide(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    role = await new_role(scoring, user.tenant_id)
    await desk.policy(user, asks(step(people.boss), step(people.rep, user, roles=(role,))))
    # Who asks, the owner, and a role that nobody has.
    with refused("FAILED_PRECONDITION", "APPROVERS_MISSING") as refusal:
        await desk.submit(people.rep, asked(account_id, 5000))
    assert refusal.metadata["step"] == "2"
    await set_roles(scoring, people.other, role)
    assert (await desk.submit(people.rep, asked(account_id, 5000))).state == Approval.STATE_PENDING


async def test_steps_go_one_after_the_other_and_all_of_a_step_are_heard(
    scoring: Running, stub: "CreditServiceAsyncStub", desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    role = await new_role(scoring, user.tenant_id)
    last = await scoring.user(user.tenant_id)
    await set_roles(scoring, last, role)
    await desk.policy(user, asks(step(people.boss, people.other, mode=ALL), step(roles=(role,))))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    assert [await desk.waiting(each) for each in (people.boss, people.other, last)] == [
        [approval.id],
        [approval.id],
        [],
    ]
    await desk.approve(people.boss, approval)
    assert await desk.waiting(people.boss) == []
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(people.boss, approval)
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(last, approval)
    assert (await desk.approve(people.other, approval)).current_step == 2
    assert await desk.waiting(last) == [approval.id]
    assert not (await read(stub, user, account_id)).HasField("amount")
    assert (await desk.approve(last, approval)).state == Approval.STATE_APPROVED
    assert (await read(stub, user, account_id)).amount.amount == "5000.00"
    assert [len(await told(scoring, user, name)) for name in ("ApprovalOpinionGiven", "CreditLimitSet")] == [2, 1]


async def test_who_has_left_is_not_waited_for(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(people.boss, people.other, mode=ALL)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    await scoring.change_user(people.other, active=False)
    assert (await desk.approve(people.boss, approval)).state == Approval.STATE_APPROVED


# --- who sees what


@pytest.mark.usefixtures("policy")
async def test_people_see_what_they_submitted_what_they_are_asked_in_and_what_is_about_records_that_they_may_read(
    scoring: Running, desk: Desk, user: User, account_id: UUID
) -> None:
    of_ones_own = {"credit.read": Scope.OWN, "credit.write": Scope.OWN}
    owner, stranger, boss = [await scoring.user(user.tenant_id, grants=of_ones_own) for _ in range(3)]
    account = await new_account(scoring, user.tenant_id, owner)
    policy = (await desk.policies(user))[0]
    policy.rows[1].steps[0].CopyFrom(step(boss))
    await desk.change_policy(user, policy, "rows")
    approval = await desk.submit(user, asked(account, 5000))
    for each in (user, owner, boss):
        assert (await desk.get(each, approval)).id == approval.id
        assert [one.id for one in await desk.listed(each)] == [approval.id]
    assert await desk.listed(stranger) == []
    for attempt in (desk.get, desk.approve, desk.reject, desk.withdraw, desk.changes):
        with refused("NOT_FOUND", "APPROVAL_NOT_FOUND"):
            await attempt(stranger, approval)
    assert await desk.listed(await scoring.user()) == []
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.listed(await scoring.user(user.tenant_id, grants={"accounts.read": Scope.ALL}))


@pytest.mark.usefixtures("policy")
async def test_a_list_is_filtered_and_paged(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    accounts = [account_id, *[await new_account(scoring, user.tenant_id, user) for _ in range(4)]]
    made = [(await desk.submit(people.rep, asked(each, 5000))).id for each in accounts]
    assert [each.id for each in await desk.listed(user)] == made[::-1]
    assert [each.id for each in await desk.listed(user, order_by="create_time", page_size=2)] == made[:2]
    found = await desk.listed(user, filter=f'record_id = "{accounts[2]}" AND state = PENDING AND verb = "setLimit"')
    assert [each.id for each in found] == [made[2]]
    assert await desk.listed(user, filter="submitter_id = me") == []
    assert len(await desk.listed(people.rep, filter="submitter_id = me")) == 5
    assert await desk.waiting(people.boss) == made

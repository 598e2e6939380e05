"""Approval policies through their contract, and approvals as front ends see them."""

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest
from crm_gateway.app import create_app
from crm_gateway.settings import Settings
from crm_kit.identity.access import Scope
from crm_kit.ids import new_id

from tests.service.approving import REFUSE, Desk, Policy, Row, allows, asks, new_role, step, up_to
from tests.service.running import Running, User, refused
from tests.service.scoring.credit import SetLimit


@pytest.fixture
async def boss(scoring: Running, user: User) -> User:
    return await scoring.user(user.tenant_id)


async def test_a_policy_is_created_changed_put_away_and_brought_back(
    desk: Desk, user: User, boss: User, set_limit: SetLimit
) -> None:
    policy = await desk.policy(user, allows(up_to=up_to(10)), asks(step(boss)))
    assert (policy.collection, policy.state, policy.rows[1].steps[0].user_names[0]) == (
        "credit_limits",
        Policy.STATE_ACTIVE,
        "somebody",
    )
    assert await desk.policies(user) == [policy] == [await desk.on_policy("GetApprovalPolicy", user, policy.id)]
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await set_limit(11)
    policy.rows[0].up_to.amount = "11"
    changed = await desk.change_policy(user, policy, "rows")
    await set_limit(11)
    with refused("ABORTED", "ETAG_MISMATCH"):
        await desk.change_policy(user, policy, "rows")
    archived = await desk.on_policy("ArchiveApprovalPolicy", user, policy.id, etag=changed.etag)
    assert archived.state == Policy.STATE_ARCHIVED
    await set_limit(1000)
    assert await desk.policies(user) == []
    assert [each.id for each in await desk.policies(user, filter="state = ARCHIVED")] == [policy.id]
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.on_policy("ArchiveApprovalPolicy", user, policy.id)
    with refused("FAILED_PRECONDITION", "ILLEGAL_STATE"):
        await desk.change_policy(user, Policy(id=policy.id, display_name="x"), "display_name")
    await desk.on_policy("RestoreApprovalPolicy", user, policy.id)
    with refused("FAILED_PRECONDITION", "APPROVAL_REQUIRED"):
        await set_limit(1001)
    page = await desk.on_policy("ListApprovalPolicyChanges", user, policy.id)
    assert [each.action for each in page.changes] == ["RESTORED", "ARCHIVED", "UPDATED", "CREATED"]


async def test_one_policy_is_in_use_for_a_verb(desk: Desk, user: User) -> None:
    first = await desk.policy(user, allows())
    with refused("ALREADY_EXISTS", "APPROVAL_POLICY_EXISTS"):
        await desk.policy(user, allows())
    await desk.on_policy("ArchiveApprovalPolicy", user, first.id)
    await desk.policy(user, allows())
    with refused("ALREADY_EXISTS", "APPROVAL_POLICY_EXISTS"):
        await desk.on_policy("RestoreApprovalPolicy", user, first.id)


async def test_a_policy_that_makes_no_sense_is_refused_by_name(
    scoring: Running, desk: Desk, user: User, boss: User
) -> None:
    strange, stranger = new_id(), await scoring.user()
    role = await new_role(scoring, user.tenant_id)
    for rows, field in (
        ([allows(up_to=up_to(1))], "approval_policy.rows[0]"),
        ([allows(), allows()], "approval_policy.rows[0]"),
        ([Row(outcome=REFUSE, steps=[step(boss)])], "approval_policy.rows[0].steps"),
        ([asks()], "approval_policy.rows[0].steps"),
        ([asks(step())], "approval_policy.rows[0].steps[0].user_ids"),
        ([allows(up_to=up_to("1.001")), allows()], "approval_policy.rows[0].up_to.amount"),
    ):
        with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
            await desk.policy(user, *rows)
        assert refusal.fields == [field]
    for rows, field in (
        ([asks(step(boss), step(boss, stranger))], "approval_policy.rows[0].steps[1].user_ids[1]"),
        ([asks(step(roles=(role, strange)))], "approval_policy.rows[0].steps[0].role_ids[1]"),
        ([allows(role_ids=[str(strange)]), allows()], "approval_policy.rows[0].role_ids[0]"),
    ):
        with refused("INVALID_ARGUMENT", "REFERENCE_NOT_FOUND") as refusal:
            await desk.policy(user, *rows)
        assert refusal.fields == [field]
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.policy(user, allows(), verb="preview")
    assert refusal.fields == ["approval_policy.verb"]
    with refused("NOT_FOUND", "COLLECTION_NOT_FOUND"):
        await Desk(scoring.channel, "scores", "x").policy(user, allows())
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.policy(await scoring.user(user.tenant_id, grants={"approval_policies.write": Scope.TEAM}), allows())


async def test_who_left_stays_in_a_policy_that_is_changed_otherwise(
    scoring: Running, desk: Desk, user: User, boss: User
) -> None:
    policy = await desk.policy(user, asks(step(boss)))
    await scoring.change_user(boss, active=False)
    policy.display_name = "another name"
    assert (await desk.change_policy(user, policy, "display_name", "rows")).display_name == "another name"


# --- over REST


@pytest.fixture
async def web(scoring: Running) -> AsyncIterator[httpx.AsyncClient]:
    gateway = create_app(Settings(scoring_address=scoring.service.settings.listen_address))
    transport = httpx.ASGITransport(app=gateway.asgi)
    async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as client:
        yield client
    await gateway.close()


async def test_a_front_end_reads_why_submits_lists_and_decides(
    web: httpx.AsyncClient, user: User, boss: User, account_id: UUID
) -> None:
    mine, theirs = ({"authorization": f"Bearer {each.token}", "accept-language": "zh"} for each in (user, boss))
    rows = [
        {"up_to": {"amount": "100", "currency_code": "CNY"}, "outcome": "ALLOW"},
        {"outcome": "ASK", "steps": [{"mode": "ANY", "user_ids": [str(boss.id)]}]},
    ]
    told = {"verb": "setLimit", "display_name": "信用额度审批", "rows": rows}
    policy = await web.post("/v1/approval-policies/credit-limits", json=told, headers=theirs)
    assert policy.status_code == 201, policy.text
    asked = {"amount": {"amount": "500", "currency_code": "CNY"}, "reason": "more business"}
    path = f"/v1/accounts/{account_id}/credit"
    problem = await web.post(f"{path}:setLimit", json=asked, headers=mine)
    assert (problem.status_code, problem.json()["reason"]) == (409, "APPROVAL_REQUIRED")
    assert problem.json()["detail"] == "未作任何更改：“信用额度审批”要求先审批，请将此请求提交审批。"
    submit = {"request": {"account_id": str(account_id), **asked}, "comment": "they grow"}
    made = await web.post("/v1/approvals/credit-limits:setLimit", json=submit, headers=mine)
    assert made.status_code == 200, made.text
    approval = made.json()
    assert approval["request"] == {"account_id": str(account_id), **asked, "etag": "v0"}
    assert (approval["state"], approval["submitter_name"]) == ("PENDING", "somebody")
    waiting = await web.get("/v1/approvals/credit-limits:waiting", headers=theirs)
    assert [each["id"] for each in waiting.json()["approvals"]] == [approval["id"]]
    one = f"/v1/approvals/credit-limits/{approval['id']}"
    denied = await web.post(f"{one}:approve", json={}, headers=mine)
    assert (denied.status_code, denied.json()["detail"]) == (403, "申请人和记录负责人不能同意或转交此审批。")
    wrong = await web.post(f"{one}:reject", json={}, headers=theirs)
    assert [each["field"] for each in wrong.json()["errors"]] == ["comment"]
    approved = await web.post(f"{one}:approve", json={"comment": "fine"}, headers=theirs)
    assert approved.json()["opinions"][0]["decision"] == "APPROVE"
    assert (await web.get(path, headers=mine)).json()["amount"]["amount"] == "500.00"
    again = await web.post(f"{one}:reject", json={"comment": "no"}, headers=theirs)
    assert (again.status_code, again.json()["detail"]) == (409, "当前状态为“已同意”，不能驳回；须为：待审批。")


async def test_a_step_that_asks_nobody_is_told_whom_it_could_ask(desk: Desk, user: User) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await desk.policy(user, asks(step()))
    assert refusal.fields == ["approval_policy.rows[0].steps[0].user_ids"]
    assert "users, roles or the leaders of teams" in refusal.detail

"""What an approval goes by and what was said to it stays, whatever becomes of its policy and its people."""

from uuid import UUID

import pytest

from tests.service.approving import ALL, Approval, Desk, asks, step
from tests.service.running import Running, User, refused
from tests.service.scoring.approved_limits import People, asked


@pytest.mark.parametrize("is_archived", [False, True])
async def test_what_is_pending_asks_whom_it_asked_whatever_becomes_of_its_policy(
    desk: Desk, user: User, people: People, account_id: UUID, is_archived: bool
) -> None:
    policy = await desk.policy(user, asks(step(people.boss)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    if is_archived:
        await desk.on_policy("ArchiveApprovalPolicy", user, policy.id)
    else:
        policy.rows[0].steps[0].user_ids[:] = [str(people.other.id)]
        await desk.change_policy(user, policy, "rows")
    assert [await desk.waiting(each) for each in (people.boss, people.other)] == [[approval.id], []]
    with refused("PERMISSION_DENIED", "PERMISSION_DENIED"):
        await desk.approve(people.other, approval)
    assert (await desk.approve(people.boss, approval)).state == Approval.STATE_APPROVED


async def test_what_somebody_said_who_has_left_stays_as_it_was_said(
    scoring: Running, desk: Desk, user: User, people: People, account_id: UUID
) -> None:
    await desk.policy(user, asks(step(people.boss, people.other, mode=ALL)))
    approval = await desk.submit(people.rep, asked(account_id, 5000))
    said = (await desk.approve(people.boss, approval, comment="pays on time")).opinions[0]
    await scoring.change_user(people.boss, active=False)
    approved = await desk.approve(people.other, approval)
    assert (approved.state, approved.opinions[0]) == (Approval.STATE_APPROVED, said)
    assert (said.user_id, said.user_name, said.comment) == (str(people.boss.id), "somebody", "pays on time")

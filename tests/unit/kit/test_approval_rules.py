"""The rules of approvals against an oracle that goes by what has happened, not by what is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import pytest
from crm_kit.approvals.model import Approval, Decision, Person, State
from crm_kit.approvals.policies.model import Mode, Party, Step
from crm_kit.errors import CrmError, FailedPrecondition, InvalidArgument, PermissionDenied
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.kit.approving import NOBODY, NOW, ROLES, USERS, some, steps


@dataclass(frozen=True)
class Deed:
    """Somebody tries something, with these roles, while these others are active."""

    what: str
    by: Person
    active: tuple[Person, ...]
    to_user_id: UUID = NOBODY
    from_id: UUID | None = None
    administers: bool = False


people = st.builds(Person, st.sampled_from(USERS), some(ROLES))
# Somebody with those whose deputy they are, who may be deputies themselves.
absent = st.lists(
    st.builds(Person, st.sampled_from(USERS), some(ROLES), st.lists(people, max_size=1).map(tuple)),
    max_size=2,
    unique_by=lambda person: person.id,
).map(tuple)
deputies = st.builds(Person, st.sampled_from(USERS), some(ROLES), absent).filter(
    lambda person: all(each.id != person.id for each in person.deputy_of)
)
deeds = st.builds(
    Deed,
    st.sampled_from(["approve", "approve", "approve", "reject", "withdraw", "outdate", "reassign", "reassign"]),
    deputies,
    st.lists(people, max_size=6, unique_by=lambda person: person.id).map(tuple),
    st.sampled_from(USERS),
    st.none() | st.sampled_from([*USERS, *ROLES]),
    st.booleans(),
)


def approval(of: Sequence[Step]) -> Approval:
    return Approval(
        id=UUID(int=1000),
        collection="credit_limits",
        record_id=UUID(int=1001),
        record_etag="v1",
        verb="setLimit",
        submitter_id=USERS[0],
        owner_id=USERS[1],
        policy_id=UUID(int=1002),
        policy_etag="v1",
        steps=tuple(of),
        create_time=NOW,
        update_time=NOW,
    )


def present(deed: Deed) -> list[Person]:
    """All who are active: who acts, those whose deputy they are, and the others."""
    known = {each.id: each for each in (*deed.active, *deed.by.deputy_of, deed.by)}
    return list(known.values())


def done(before: Approval, deed: Deed) -> Approval:
    """What becomes of it; as it was where the deed is refused."""
    asked = present(deed)
    try:
        match deed.what:
            case "approve":
                return before.approve(deed.by, asked=asked, comment=None, now=NOW)
            case "reject":
                return before.reject(deed.by, comment="no", now=NOW)
            case "withdraw":
                reason = "gone" if deed.from_id else None
                return before.withdraw(deed.by.id, administers=deed.administers, comment=reason, now=NOW)
            case "reassign":
                return before.reassign(
                    deed.by,
                    deed.to_user_id,
                    from_id=deed.from_id,
                    administers=deed.administers,
                    comment="why",
                    now=NOW,
                )
        return before.outdate(now=NOW)
    except CrmError:
        return before


class Oracle:
    """What should be of an approval, told from the deeds alone.

    It keeps, for each step, who has spoken for which of those asked, and looks at everybody who could still speak.
    """

    def __init__(self, of: Sequence[Step]) -> None:
        self.steps = list(of)
        self.at, self.moves, self.state = 0, 0, "PENDING"
        self.spoken: list[set[UUID]] = [set() for _ in of]
        # In each step who has spoken, and for whom.
        self.said: list[list[tuple[UUID, UUID]]] = [[] for _ in of]

    def see(self, deed: Deed) -> None:
        if self.state != "PENDING":
            return
        if deed.what == "outdate":
            self.state = "OUTDATED"
        elif deed.what == "withdraw":
            if deed.by.id == USERS[0] or (deed.administers and deed.from_id):
                self.state = "WITHDRAWN"
        elif deed.what == "reassign":
            self.hand_on(deed)
        else:
            self.hear(deed)

    def hear(self, deed: Deed) -> None:
        by, barred = deed.by, {USERS[0], USERS[1]} if deed.what == "approve" else {USERS[0]}
        step, said = self.steps[self.at], self.said[self.at]
        open_ones = {*step.user_ids, *step.role_ids} - self.spoken[self.at]
        spoke_for = {whom for who, whom in said if who == by.id}
        if by.id in barred or spoke_for - {by.id}:
            return
        candidates = [by] if open_ones & {by.id, *by.role_ids} else []
        if not candidates and not spoke_for:
            candidates = [
                each for each in by.deputy_of if each.id not in barred and open_ones & {each.id, *each.role_ids}
            ]
        if not candidates:
            return
        whom = candidates[0]
        said.append((by.id, whom.id))
        if deed.what == "reject":
            self.state = "REJECTED"
            return
        self.spoken[self.at] |= open_ones & {whom.id, *whom.role_ids}
        spent = {who for who, whom_id in said if who != whom_id}
        there = [each for each in present(deed) if each.id not in spent]
        left = {
            id for id in open_ones - self.spoken[self.at] if any(id == each.id or id in each.role_ids for each in there)
        }
        if step.mode is Mode.ANY or not left:
            self.at += 1
        if self.at == len(self.steps):
            self.state, self.moves = "APPROVED", self.moves + 1

    def hand_on(self, deed: Deed) -> None:
        step, barred = self.steps[self.at], {USERS[0], USERS[1]}
        open_ones = {*step.user_ids, *step.role_ids} - self.spoken[self.at]
        given = open_ones & {deed.by.id, *deed.by.role_ids}
        if not given and deed.administers:
            given = open_ones
        if deed.from_id is not None:
            given &= {deed.from_id}
        known = {*step.user_ids, *(id for pair in self.said[self.at] for id in pair)}
        if deed.by.id in barred or not given or deed.to_user_id in barred | known:
            return
        users, roles = {*step.user_ids} - given | {deed.to_user_id}, {*step.role_ids} - given
        self.steps[self.at] = Step(step.mode, tuple(users), tuple(roles))


# Few people of whom all have to approve, and most are somebody's deputy: they meet in all ways.
FREE = USERS[2:5]
of_all = st.builds(Step, st.just(Mode.ALL), some(FREE), some(ROLES, most=2)).filter(lambda step: step.asked_ids)
free = st.builds(Person, st.sampled_from(FREE), some(ROLES[:2]))
standing_in = st.builds(Person, st.sampled_from(FREE), some(ROLES[:2]), st.tuples(free) | st.just(())).filter(
    lambda person: all(each.id != person.id for each in person.deputy_of)
)
meetings = st.builds(
    Deed,
    st.sampled_from(["approve", "approve", "approve", "reassign"]),
    standing_in,
    st.lists(free, max_size=3, unique_by=lambda person: person.id).map(tuple),
    st.sampled_from(FREE),
    st.none(),
    st.booleans(),
)


@settings(max_examples=400)
@given(st.lists(of_all, min_size=1, max_size=1), st.lists(meetings, min_size=2, max_size=6))
def test_of_few_people_of_whom_all_decide_nobody_counts_twice(of: list[Step], tried: list[Deed]) -> None:
    check_as_the_oracle_says(of, tried)


@given(st.lists(steps, min_size=1, max_size=3), st.lists(deeds, max_size=14))
def test_whatever_is_tried_by_whom_it_moves_at_most_once_and_as_the_oracle_says(
    of: list[Step], tried: list[Deed]
) -> None:
    check_as_the_oracle_says(of, tried)


def check_as_the_oracle_says(of: list[Step], tried: list[Deed]) -> None:
    now, oracle, moves = approval(of), Oracle(of), 0
    for deed in tried:
        before, now = now, done(now, deed)
        oracle.see(deed)
        moves += before.state is State.PENDING and now.state is State.APPROVED
        assert now.state == oracle.state
        assert now.opinions[: len(before.opinions)] == before.opinions, "nothing that was said is taken away"
        assert now.reassignments[: len(before.reassignments)] == before.reassignments
        assert set(before.asked_ids) <= set(now.asked_ids), "who was asked goes on seeing it"
        if before.state is not State.PENDING:
            assert now == before
    assert moves == oracle.moves <= 1
    heard = [(each.user_id, each.for_user_id or each.user_id) for each in now.opinions]
    assert heard == [pair for step in oracle.said for pair in step]
    assert USERS[0] not in {id for pair in heard for id in pair}
    said = {(each.user_id, each.decision) for each in now.opinions}
    approving = {user for user, decision in said if decision is Decision.APPROVE}
    assert not {USERS[0], USERS[1]} & (approving | {each.user_id for each in now.reassignments})
    assert (Decision.REJECT in {decision for _, decision in said}) == (now.state is State.REJECTED)
    assert (now.end_time is None) == (now.state is State.PENDING)
    assert (now.withdrawal is None) == (now.state is not State.WITHDRAWN)
    assert bool(now.waiting_ids) <= (now.state is State.PENDING)


@settings(max_examples=400)
@given(st.lists(steps, min_size=1, max_size=3), st.lists(people, max_size=6, unique_by=lambda person: person.id))
def test_what_is_said_to_have_approvers_can_be_approved_by_them_where_any_does(
    of: list[Step], active: list[Person]
) -> None:
    start = approval(of)
    try:
        start.require_approvers(active)
        missing_in = 0
    except FailedPrecondition as error:
        missing_in = int(error.metadata["step"])
    now = start
    for each in [each for _ in of for each in active]:
        if now.state is State.PENDING:
            stuck = now.seen_to_have_approvers(active).approvers_missing
            assert stuck == (now.current_step == missing_in)
            now = done(now, Deed("approve", each, tuple(active)))
    assert (missing_in == 0) == (now.state is State.APPROVED)


A, B, C = (Person(id) for id in FREE)


def approved(before: Approval, *people: Person, active: tuple[Person, ...] = (A, B, C)) -> Approval:
    for by in people:
        before = before.approve(by, asked=active, comment=None, now=NOW)
    return before


def test_who_spoke_for_another_speaks_no_more_and_is_waited_for_no_more() -> None:
    role = ROLES[0]
    start = approval([Step(Mode.ALL, (A.id, C.id), (role,))])
    deputy = replace(B, deputy_of=(A,))
    # Meanwhile they came to have the role that is asked as well.
    after = approved(start, deputy)
    lately = replace(B, role_ids=(role,))
    with pytest.raises(PermissionDenied):
        approved(after, lately)
    assert approved(after, C, active=(A, lately, C)).state is State.APPROVED
    waited_for = approved(after, C, active=(A, Person(USERS[5], (role,)), C))
    assert waited_for.waiting_ids == [role]


def test_who_spoke_for_themselves_speaks_for_nobody_else_in_the_step() -> None:
    after = approved(approval([Step(Mode.ALL, (A.id, B.id))]), B)
    with pytest.raises(PermissionDenied):
        approved(after, replace(B, deputy_of=(A,)))


def test_who_was_heard_or_spoken_for_is_not_asked_again_in_place_of_others() -> None:
    role = ROLES[0]
    deputy = replace(B, deputy_of=(replace(A, role_ids=(role,)),))
    after = approved(approval([Step(Mode.ALL, (C.id,), (role,))]), deputy)
    for heard in (A, B):
        with pytest.raises(InvalidArgument):
            after.reassign(C, heard.id, from_id=None, administers=False, comment="why", now=NOW)


ranks = st.lists(st.sampled_from(USERS), max_size=4).map(tuple)


some_parties = st.lists(st.lists(st.sampled_from(Party), unique=True).map(tuple), min_size=1, max_size=3)


@given(st.sampled_from(Mode), some_parties, ranks, ranks, ranks)
def test_a_teams_leader_is_the_nearest_who_neither_submits_nor_owns_it(
    mode: Mode,
    parties: list[tuple[Party, ...]],
    users: tuple[UUID, ...],
    above: tuple[UUID, ...],
    above_owner: tuple[UUID, ...],
) -> None:
    of = [Step(mode, tuple(dict.fromkeys(users)), team_leaders_of=each) for each in parties]
    leaders = {Party.SUBMITTER: above, Party.OWNER: above_owner}
    free = {party: [id for id in ids if id not in (USERS[0], USERS[1])][:1] for party, ids in leaders.items()}
    if mode is Mode.ALL and not all(free[party] for each in parties for party in each):
        with pytest.raises(FailedPrecondition):
            approval(of).with_leaders(leaders)
        return
    for step, asking in zip(of, approval(of).with_leaders(leaders).steps, strict=True):
        expected = {*step.user_ids, *(id for party in step.team_leaders_of for id in free[party])}
        assert set(asking.user_ids) == expected
        assert len(asking.user_ids) == len(expected)


@given(st.lists(st.integers(0, 8760), min_size=1, max_size=3), st.lists(st.integers(0, 100), min_size=3, max_size=3))
def test_each_step_has_its_time_from_when_it_begins(hours: list[int], days: list[int]) -> None:
    boss = Person(USERS[2])
    now, moment = approval([Step(Mode.ANY, (boss.id,), due_hours=each) for each in hours]).begun(now=NOW), NOW
    for number, each in enumerate(hours):
        due = moment + timedelta(hours=each) if each else None
        assert (now.current_step, now.due_time, now.overdue) == (number + 1, due, False)
        later = moment + timedelta(days=days[number])
        late = now.found_overdue(now=later)
        assert late.overdue == (due is not None and due <= later)
        assert late.found_overdue(now=later + timedelta(days=1000)).overdue == (due is not None)
        now, moment = late.approve(boss, asked=[boss], comment=None, now=later), later
    assert now.found_overdue(now=NOW + timedelta(days=9999)) == now, "what has ended falls due no more"

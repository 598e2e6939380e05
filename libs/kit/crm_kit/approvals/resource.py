"""Approvals, declared. Who sees one depends on what it is about."""

from collections.abc import Iterable
from typing import Any

from crm.resource.v1 import approvals_pb2
from crm.resource.v1 import events_pb2 as events
from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    Text,
    Uuid,
    and_,
    any_,
    bindparam,
    case,
    cast,
    func,
    not_,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects.postgresql import ARRAY, array

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.model import Approval, Decision, State
from crm_kit.approvals.policies.model import Mode
from crm_kit.approvals.queries import is_able, is_deputy_today
from crm_kit.identity.access import EVERYTHING
from crm_kit.plumbing import access_deputies, access_users, approval_askings, approvals
from crm_kit.resource.reach import Reach, asked_of_each, beside_records, everywhere
from crm_kit.resource.writing import Resource

# Needs the bind parameter `collection`.
OF_COLLECTION = approvals.c.collection == bindparam("collection")
SUBMITTED_BY_ME = approvals.c.submitter_id == bindparam("me", type_=Uuid)
_ONE = approvals.alias("one")


def approvals_of(seen: Reach, permission: str) -> Resource[Approval, approvals_pb2.Approval]:
    """The approvals of records; `seen` are those of records that a scope reaches, `permission` is what reading takes.

    Besides, people see what they have submitted or are asked in, and what waits for somebody whose deputy they are.
    """
    return Resource(
        "approval",
        entity=Approval,
        table=approvals,
        message=approvals_pb2.Approval,
        created=events.ApprovalSubmitted,
        visible=Reach(
            approvals,
            lambda scope: or_(*_own(), seen.each(scope)),
            lambda scope: [*_own_ids(), *seen.ways(scope)],
            lambda scope: or_(*_own(), seen.of_many(scope)),
            open=everywhere if seen.open is everywhere else lambda scope: or_(*_own(), seen.open(scope)),
        ),
        computed={"approvers_missing": approvers_missing(permission), "your_decisions": your_decisions(permission)},
        unversioned={"approvers_missing", "your_decisions"},
        # Whether somebody may decide takes more than the approval: what they are asked as, and whose the record is.
        verbs={f"{verb}Approval": lambda *_: None for verb in ("Approve", "Reject", "Withdraw", "Reassign")},
    )


def approvals_by_collection(approvables: Iterable[Approvable]) -> dict[str, Resource[Approval, approvals_pb2.Approval]]:
    """The approvals of each collection in which something is approved."""
    resources = {each.resource.collection: each for each in approvables}
    return {name: approvals_of(each.seen, each.resource.permission) for name, each in resources.items()}


def approvers_missing(permission: str) -> ColumnElement[bool]:
    """Whether those whom it waits for cannot bring the step to an end; see `Approval.seen_to_have_approvers`."""
    users, asked = access_users.c, approval_askings.c
    waiting = and_(asked.tenant_id == approvals.c.tenant_id, asked.approval_id == approvals.c.id, asked.waiting)
    # Users are found along their key, and most of them are there: those with a role are looked for after that.
    ways = users.id == asked.asked_id, asked.asked_id == any_(users.role_ids)
    may_read = is_able(array([permission, EVERYTHING], type_=Text))
    others = users.id != approvals.c.submitter_id, users.id.is_distinct_from(approvals.c.owner_id)
    may_approve = and_(may_read, *others)
    # The submitter is asked whatever they may read, as in `people_asked`.
    barred = (users.id == approvals.c.submitter_id, users.active), (users.id == approvals.c.owner_id, may_read)

    def approved_by(way: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether there is somebody for one that it waits for."""
        people = select(users.id).join_from(approval_askings, access_users, (users.tenant_id == asked.tenant_id) & way)
        return people.where(waiting, may_approve).correlate(approvals).exists()

    def held_by(*who: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether there is somebody for this one that it waits for."""
        people = select(users.id).where(users.tenant_id == asked.tenant_id, *who)
        return people.correlate(approvals, approval_askings).exists()

    in_vain = select(asked.asked_id).where(
        waiting,
        or_(*(held_by(*who, or_(*ways)) for who in barred)),
        *(not_(held_by(way, may_approve)) for way in ways),
    )
    mode = func.jsonb_extract_path_text(approvals.c.steps, cast(approvals.c.current_step - 1, Text), "mode")
    stuck = and_(mode == Mode.ALL, in_vain.correlate(approvals).exists())
    nobody = and_(*(not_(approved_by(way)) for way in ways))
    return and_(approvals.c.state == State.PENDING, or_(nobody, stuck))


def of_records(table: Table, visible: Reach) -> Reach:
    """The approvals of those records of a table that a scope reaches."""
    return beside_records(approvals, table, visible)


def waiting_for_me(permission: str) -> ColumnElement[bool]:
    """What the caller can decide on now; see `Approval.decisions_of`."""
    # One list of ids: where either of two would do, PostgreSQL reads all approvals.
    waiting = union_all(*_ways_to_speak(permission)).subquery()
    ids = select(waiting.c.approval_id)
    return and_(approvals.c.id.in_(ids), approvals.c.submitter_id != bindparam("me", type_=Uuid))


def your_decisions(permission: str) -> ColumnElement[Any]:
    """How the caller can decide on an approval now; see `Approval.decisions_of`."""
    me = bindparam("me", type_=Uuid)

    def speaks(*absent: ColumnElement[bool]) -> ColumnElement[bool]:
        """Whether it waits for the caller, or for somebody in whose place they speak."""
        mine, theirs = _ways_to_speak(permission)
        theirs = theirs.where(_ONE.c.id == approvals.c.id, *absent).correlate(approvals)
        asked = mine.where(approval_askings.c.approval_id == approvals.c.id)
        return or_(asked_of_each(asked, approvals), theirs.exists())

    # Who owns the record has no deputy who approves.
    approves = speaks(access_users.c.id.is_distinct_from(approvals.c.owner_id))
    return case(
        (or_(approvals.c.state != State.PENDING, approvals.c.submitter_id == me), _array()),
        (and_(approvals.c.owner_id.is_distinct_from(me), approves), _array(Decision.APPROVE, Decision.REJECT)),
        (speaks(), _array(Decision.REJECT)),
        else_=_array(),
    )


def _array(*decisions: Decision) -> ColumnElement[Any]:
    return cast(array([each.value for each in decisions], type_=Text), ARRAY(Text))


def _ways_to_speak(permission: str) -> tuple[Select[Any], Select[Any]]:
    """The approvals that wait for the caller, and those that wait for somebody in whose place they may still speak."""
    one = _ONE.c
    heard = func.jsonb_build_object("step", one.current_step, "user_id", cast(bindparam("me"), Text))
    unheard = not_(one.opinions.contains(func.jsonb_build_array(heard)))
    absent = _asked_of_absent().where(unheard, is_able(array([permission, EVERYTHING], type_=Text)))
    return _asked_of_me().where(approval_askings.c.waiting), absent.with_only_columns(one.id.label("approval_id"))


def _own() -> list[ColumnElement[bool]]:
    asked = _asked_of_me().where(approval_askings.c.approval_id == approvals.c.id)
    absent = approvals.c.id.in_(_asked_of_absent())
    return [approvals.c.submitter_id == bindparam("me"), asked_of_each(asked, approvals), absent]


def _own_ids() -> list[Select[Any]]:
    asked = _asked_of_me().with_only_columns(approval_askings.c.approval_id.label("id"))
    return [_ids().where(approvals.c.submitter_id == bindparam("me")), asked, _asked_of_absent()]


def _asked_of_absent() -> Select[Any]:
    """The approvals that wait for somebody whose deputy the caller is today, and who did not submit them."""
    users, deputies, asked = access_users.c, access_deputies.c, approval_askings.c
    # Row by row: an index of askings serves what equals, and not what an array of another table has.
    theirs = func.unnest(func.array_append(users.role_ids, users.id)).table_valued("id", name="theirs").render_derived()
    return (
        select(_ONE.c.id)
        .select_from(access_deputies)
        .join(access_users, and_(users.tenant_id == deputies.tenant_id, users.id == deputies.user_id, users.active))
        .join(theirs, true())
        .join(approval_askings, and_(asked.tenant_id == users.tenant_id, asked.asked_id == theirs.c.id, asked.waiting))
        .join(_ONE, and_(_ONE.c.tenant_id == asked.tenant_id, _ONE.c.id == asked.approval_id))
        .where(
            is_deputy_today(bindparam("me", type_=Uuid)),
            or_(deputies.collection.is_(None), deputies.collection == _ONE.c.collection),
            users.id != _ONE.c.submitter_id,
        )
    )


def _ids() -> Select[Any]:
    return select(approvals.c.id).where(approvals.c.tenant_id == bindparam("tenant_id"))


def _asked_of_me() -> Select[Any]:
    """The approvals that ask the caller, or one of the caller's roles."""
    me, users, asked = bindparam("me", type_=Uuid), access_users.c, approval_askings.c
    mine = select(func.array_append(users.role_ids, me)).where(
        users.tenant_id == bindparam("tenant_id"), users.id == me
    )
    # All of it within the subquery: no index serves what PostgreSQL takes for leaky, as it does COALESCE.
    ids = any_(cast(mine.scalar_subquery(), ARRAY(Uuid)))
    return select(asked.approval_id).where(asked.tenant_id == bindparam("tenant_id"), asked.asked_id == ids)

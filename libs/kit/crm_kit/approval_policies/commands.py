"""Every write on approval policies. Each function is one transaction's work."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from google.protobuf.message import Message
from sqlalchemy import Select, Text, Uuid, any_, bindparam, func, not_, or_, select
from sqlalchemy.dialects.postgresql import ARRAY

from crm_kit.approvals.declaration import Approvable
from crm_kit.approvals.policies.book import book_of
from crm_kit.approvals.policies.model import ApprovalPolicy, all_asked
from crm_kit.approvals.policies.resource import POLICIES
from crm_kit.approvals.queries import is_able
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.directory.roles import existing_roles, require_roles
from crm_kit.errors import NotFound, invalid_field
from crm_kit.identity.access import EVERYTHING, Scope
from crm_kit.ids import new_id
from crm_kit.money import check_minor_unit
from crm_kit.plumbing import access_users
from crm_kit.working_time.calendars import WorkingCalendars


async def create_policy(
    work: UnitOfWork, calendars: WorkingCalendars, approvable: Approvable, values: dict[str, Any]
) -> ApprovalPolicy:
    """Put a policy of a verb into use."""
    collection, permission = approvable.resource.collection, approvable.resource.permission
    policy = ApprovalPolicy(
        id=new_id(), collection=collection, create_time=work.now, update_time=work.now, **values
    ).checked()
    check_discounts(policy, has_discount=approvable.has_discount)
    await know_calendar(work, calendars, policy)
    await check_policy(work, policy, permission=permission)
    forget(work)
    return POLICIES.create(work, policy)


async def update_policy(
    work: UnitOfWork,
    calendars: WorkingCalendars,
    approvable: Approvable,
    before: ApprovalPolicy,
    values: dict[str, Any],
) -> ApprovalPolicy:
    """Change some properties of a policy; nothing is written when nothing changes."""
    after = before.update(values)
    check_discounts(after, has_discount=approvable.has_discount)
    await know_calendar(work, calendars, after)
    await check_policy(work, after, before, permission=approvable.resource.permission)
    return save_policy(work, before, after, events.ApprovalPolicyUpdated)


async def know_calendar(work: UnitOfWork, calendars: WorkingCalendars, policy: ApprovalPolicy) -> None:
    """Have the tenant's calendar be known here where a step goes by it: not all who submit may ask for it."""
    if any(step.goes_by_calendar for row in policy.rows for step in row.steps):
        await calendars.require(work)


def save_policy(
    work: UnitOfWork, before: ApprovalPolicy, after: ApprovalPolicy, event: type[Message]
) -> ApprovalPolicy:
    """Gather a changed policy."""
    forget(work)
    return POLICIES.save(work, before, after, event)


def forget(work: UnitOfWork) -> None:
    work.after_commit.append(lambda: book_of(work.database).forget(work.tenant_id))


async def get_policy(reader: Reader, collection: str, id: str, *, etag: str = "") -> ApprovalPolicy:
    """The policy with this id; NotFound when it is one of another collection."""
    policy = await POLICIES.get(reader, UUID(id), etag=etag, scope=Scope.ALL)
    if policy.collection != collection:
        raise NotFound("the approval policy does not exist", reason=POLICIES.not_found)
    return policy


async def check_policy(
    work: UnitOfWork, policy: ApprovalPolicy, before: ApprovalPolicy | None = None, *, permission: str
) -> None:
    """InvalidArgument where it names what there is not, or asks somebody who could not answer.

    That is an amount that its currency has not, a user who is not active, a role that does not exist; or a user who may
    not read what it is about, and a role of which nobody may. Users and roles that the policy had before may stay.
    """
    old_users, old_roles = ids_of(before) if before else (set(), set())
    _, role_ids = ids_of(policy)
    asked = set(all_asked(step for row in policy.rows for step in row.steps)) - old_users - old_roles
    blind = {row["id"] for row in await work.all(blind_among(), ids=list(asked), reading=[permission, EVERYTHING])}
    found = await existing_roles(work, role_ids) | old_roles
    for at, row in enumerate(policy.rows):
        path = f"approval_policy.rows[{at}]"
        if row.up_to is not None:
            check_minor_unit(row.up_to, field=f"{path}.up_to")
        require_roles(row.role_ids, found, field=f"{path}.role_ids")
        for number, step in enumerate(row.steps):
            place = f"{path}.steps[{number}]"
            require_roles(step.role_ids, found, field=f"{place}.role_ids")
            await require_users(work, step.user_ids, old_ids=old_users, field=f"{place}.user_ids[{{}}]")
            for name, ids in (("user_ids", step.user_ids), ("role_ids", step.role_ids)):
                require_readers(ids, blind, field=f"{place}.{name}", permission=permission)


def check_discounts(policy: ApprovalPolicy, *, has_discount: bool) -> None:
    """InvalidArgument for a bound of a discount where the verb has none: such a row would never apply."""
    for at, row in enumerate(policy.rows):
        if row.up_to_discount_percent is not None and not has_discount:
            detail = f"{policy.verb} of {policy.collection} has no discount, so that this row would never apply"
            field = f"approval_policy.rows[{at}].up_to_discount_percent"
            raise invalid_field(field, "no_discount", detail, metadata={"verb": policy.verb})


def require_readers(ids: tuple[UUID, ...], blind: Collection[UUID], *, field: str, permission: str) -> None:
    for index, id in enumerate(ids):
        if id in blind:
            detail, values = f"may not decide: the permission {permission} is needed", {"permission": permission}
            place, reason = f"{field}[{index}]", "ASSIGNMENT_NOT_ALLOWED"
            raise invalid_field(place, "permitted", detail, reason=reason, metadata=values)


def ids_of(policy: ApprovalPolicy) -> tuple[set[UUID], set[UUID]]:
    """The users and the roles that a policy names."""
    steps = [step for row in policy.rows for step in row.steps]
    roles = [*(row.role_ids for row in policy.rows), *(step.role_ids for step in steps)]
    return {id for step in steps for id in step.user_ids}, {id for ids in roles for id in ids}


@statement
def blind_among() -> Select[Any]:
    """The users and roles for which active people would decide of whom none may read."""
    users, ids = access_users.c, bindparam("ids", type_=ARRAY(Uuid))
    asked = func.unnest(ids).column_valued("asked_id")
    people = select(users.id).where(
        users.tenant_id == bindparam("tenant_id"), or_(users.id == asked, asked == any_(users.role_ids)), users.active
    )
    able = people.where(is_able(bindparam("reading", type_=ARRAY(Text))))
    return select(asked.label("id")).where(people.exists(), not_(able.exists()))

"""Who may give people their part in approvals: a role that a policy names is a right, whatever the role grants."""

from collections.abc import Collection
from uuid import UUID

from crm_kit.errors import denied
from crm_kit.identity.access import Access, Scope

from crm_customer.directory.roles.rights import widest_scope
from crm_customer.directory.users.model import User

WRITES_POLICIES = "approval_policies.write"


def may_write_policies(access: Access) -> bool:
    """Whether the caller may change what has to be approved, so that no part in it gives them more."""
    return widest_scope(access, WRITES_POLICIES) == Scope.ALL


def check_own_roles(before: User, after: User) -> None:
    """Raise PermissionDenied when callers, whatever they may do, give themselves a role."""
    if not set(after.role_ids) <= set(before.role_ids):
        raise denied("own_roles", "nobody gives themselves a role; somebody else who manages users may")


def check_policy_part(before: User | None, after: User, named: Collection[UUID], *, is_own: bool) -> None:
    """Raise PermissionDenied for a change that only who may write policies makes; `before` is None for somebody new.

    `named` are the roles and users that policies in use name. A role that one names is neither given nor taken away,
    since some rows ask of who has a role what they do not ask of others. Nobody takes over, by a login or a password,
    who is named or has such a role, or lets them in again.
    """
    for id in roles_moved(before, after):
        if id in named:
            detail = f"an approval policy names the role {id}: {WRITES_POLICIES} is needed with the scope ALL"
            raise denied("policy_role", detail, role_id=id)
    if before is None or is_own or not is_let_in(before, after):
        return
    if any(id in named for id in (after.id, *after.role_ids)):
        detail = (
            f"approval policies name this user, or a role of theirs: {WRITES_POLICIES} is needed with the scope ALL"
        )
        raise denied("policy_user", detail)


def roles_moved(before: User | None, after: User) -> set[UUID]:
    """The roles that a change gives to a user, or takes away."""
    return set(before.role_ids if before else ()) ^ set(after.role_ids)


def is_let_in(before: User, after: User) -> bool:
    """Whether somebody comes to act as this user who did not before."""
    return after.signs_in_otherwise(before) or (after.active and not before.active)

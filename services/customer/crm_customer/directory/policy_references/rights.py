"""Who may give people their part in approvals: that is a right, whatever their roles grant.

Also whoever takes over somebody by a login or a password, or lets them in again, comes by their part.
"""

from collections.abc import Iterable
from uuid import UUID

from crm_kit.errors import denied
from crm_kit.identity.access import Access, Scope

from crm_customer.directory.policy_references.queries import Part, PolicyReferences
from crm_customer.directory.roles.rights import widest_scope

WRITES_POLICIES = "approval_policies.write"


def may_write_policies(access: Access) -> bool:
    """Whether the caller may change what has to be approved, so that no part in it gives them more."""
    return widest_scope(access, WRITES_POLICIES) == Scope.ALL


def check_roles_moved(role_ids: Iterable[UUID], references: PolicyReferences) -> None:
    """Raise PermissionDenied for a role that a policy names, which is given to somebody or taken away.

    Taken away too, since some rows ask of who has a role what they do not ask of others.
    """
    for id in role_ids:
        if id in references.ids:
            detail = f"an approval policy names the role {id}: {WRITES_POLICIES} is needed with the scope ALL"
            raise denied("policy_role", detail, role_id=id)


def check_takes_no_part(part: Part, references: PolicyReferences) -> None:
    """Raise PermissionDenied for somebody whom policies ask, as themselves or in the place of others."""
    if part.ids & references.ids or (part.leads and references.asks_leaders):
        detail = "approval policies ask this user, or go by a role of theirs"
        raise denied("policy_user", f"{detail}: {WRITES_POLICIES} is needed with the scope ALL")


def check_says_who_leads(access: Access, references: PolicyReferences) -> None:
    """Raise PermissionDenied for who says who leads somebody while a policy asks leaders, and may not write policies.

    By naming the leader of a team, or by moving people or teams to where others lead.
    """
    if references.asks_leaders and not may_write_policies(access):
        detail = f"an approval policy asks the leaders of teams: {WRITES_POLICIES} is needed with the scope ALL"
        raise denied("policy_leader", detail)

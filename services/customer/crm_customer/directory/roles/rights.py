"""Who may give which rights, nobody more than they have, and who may decide who is let in.

What is compared is whose records a grant reaches, not how its scope is called: TEAM of the team at the top reaches
more than TEAM of one below it. How else the caller might come by such rights does not matter: roles given to others are
borrowed by their passwords.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from crm_kit.errors import PermissionDenied, denied
from crm_kit.field_rights import RoleFields
from crm_kit.identity.access import Access, Actor, Scope

from crm_customer.directory.roles.model import EVERYTHING, Grant, Role


@dataclass(frozen=True, slots=True)
class Holders:
    """Those in whose hands grants are, by what they reach.

    `below`: the teams that they are in, with all below them. `owning`: the teams that what they own lies in, which are
    all that they have ever been in (None: none); empty for who owns nothing but what is the caller's.
    """

    below: frozenset[UUID]
    owning: frozenset[UUID | None] = frozenset()


def check_holds(access: Access, grants: Iterable[Grant]) -> None:
    """Raise PermissionDenied unless every one of these grants is among the caller's own, by name and scope."""
    for each in grants:
        if widest_scope(access, each.permission) < Scope[each.scope]:
            raise beyond(each)


def check_reaches(actor: Actor, grants: Iterable[Grant], holders: Holders) -> None:
    """Raise PermissionDenied unless the caller reaches all that these grants reach in these hands."""
    for each in grants:
        if not covers(actor, each, holders):
            raise beyond(each)


def check_shows(access: Access, role: Role) -> None:
    """Raise PermissionDenied when the role shows its holders a field that is hidden from the caller."""
    shown = RoleFields({each.permission for each in role.grants}, role.hidden_fields)
    for collection, fields in access.hidden.items():
        for field in sorted(fields):
            if shown.shows(collection, field):
                path = f"{collection}.{field}"
                raise denied(
                    "shows_hidden", f"the role {role.display_name} shows {path}, which is hidden from you", field=path
                )


def covers(actor: Actor, grant: Grant, holders: Holders) -> bool:
    """Whether the caller has the permission for all records that the grant reaches in these hands."""
    mine, theirs = widest_scope(actor.access, grant.permission), Scope[grant.scope]
    if mine < theirs:
        return False
    if mine is Scope.ALL:
        return True
    # What belongs to no team is reached by nobody's TEAM.
    reached = frozenset(actor.access.team_ids) if mine is Scope.TEAM else frozenset[UUID]()
    covered = holders.below <= reached or theirs is Scope.OWN
    return covered and holders.owning <= reached


def widest_scope(access: Access, permission: str) -> int:
    """The widest scope in which the caller has the permission; 0 when in none."""
    return max(access.grants.get(permission, 0), access.grants.get(EVERYTHING, 0))


def may_do_everything(access: Access) -> bool:
    """Whether the caller may do everything in the tenant, so that nothing reaches more."""
    return access.grants.get(EVERYTHING) is Scope.ALL


def check_administers(access: Access) -> None:
    """Raise PermissionDenied unless the caller may do everything in the tenant."""
    if not may_do_everything(access):
        raise denied("everything", "this takes everything in the tenant: `*` with the scope ALL")


def beyond(grant: Grant) -> PermissionDenied:
    """The refusal of a grant that reaches more than the caller does."""
    detail = f"{grant.permission} for {grant.scope} records is more than you may do yourself"
    return denied("beyond", detail, permission=grant.permission, scope=grant.scope)

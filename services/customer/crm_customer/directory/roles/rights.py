"""Who may give which rights, nobody more than they have, and who may decide who is let in."""

from collections.abc import Iterable

from crm_kit.errors import PermissionDenied
from crm_kit.identity.access import Access, Scope

from crm_customer.directory.roles.model import EVERYTHING, Grant


def check_holds(access: Access, grants: Iterable[Grant]) -> None:
    """Raise PermissionDenied unless every one of these grants is among the caller's own."""
    everything = access.grants.get(EVERYTHING, 0)
    for each in grants:
        if max(access.grants.get(each.permission, 0), everything) < Scope[each.scope]:
            raise PermissionDenied(f"{each.permission} for {each.scope} records is more than you may do yourself")


def check_administers(access: Access) -> None:
    """Raise PermissionDenied unless the caller may do everything in the tenant."""
    if access.grants.get(EVERYTHING) is not Scope.ALL:
        raise PermissionDenied("this takes everything in the tenant: `*` with the scope ALL")

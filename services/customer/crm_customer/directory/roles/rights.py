"""Who may give which rights: nobody more than they have."""

from collections.abc import Mapping

from crm_kit.errors import PermissionDenied
from crm_kit.identity.access import Access, Scope

from crm_customer.directory.roles.model import EVERYTHING


def check_holds(access: Access, grants: Mapping[str, str]) -> None:
    """Raise PermissionDenied unless every one of these grants is among the caller's own."""
    everything = access.grants.get(EVERYTHING, 0)
    for permission, scope in grants.items():
        if max(access.grants.get(permission, 0), everything) < Scope[scope]:
            raise PermissionDenied(f"{permission} for {scope} records is more than you may do yourself")


def check_whole_tenant(scope: Scope) -> None:
    """Raise PermissionDenied unless the call's permission reaches all of the tenant: what it changes concerns all."""
    if scope is not Scope.ALL:
        raise PermissionDenied("this concerns the whole tenant: the permission is needed with the scope ALL")

"""Who may change what concerns the whole tenant."""

from crm_kit.errors import PermissionDenied
from crm_kit.identity.access import Scope


def check_whole_tenant(scope: Scope) -> None:
    """Raise PermissionDenied unless the call's permission reaches all of the tenant: what it changes concerns all."""
    if scope is not Scope.ALL:
        raise PermissionDenied("this concerns the whole tenant: the permission is needed with the scope ALL")

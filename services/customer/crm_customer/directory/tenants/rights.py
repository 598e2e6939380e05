"""Who may have fields of masked records shown to everybody: who sees them of all records, and so gives nothing more."""

from collections.abc import Collection

from crm_kit.errors import denied
from crm_kit.field_rights import hideable
from crm_kit.identity.access import Access, Scope


def check_unmasks(access: Access, before: Collection[str], after: Collection[str]) -> None:
    """Raise PermissionDenied for a field, as `leads.email`, that is shown from now on and not to the caller."""
    for path in sorted({*after} - {*before}):
        collection, _, field = path.partition(".")
        permission = hideable()[collection].permission
        if not access.may(permission) or access.scope(permission) is not Scope.ALL:
            detail = f"{permission} for ALL records is more than you may do yourself"
            raise denied("beyond", detail, permission=permission, scope=Scope.ALL.name)
        if field in access.hidden_of(collection):
            raise denied("hidden_field", f"{path} is hidden from you", field=path)

"""Whose rights an endpoint hears by: of all records of a collection, or of none.

So who is told of accounts, and of what is at them, reads restricted ones, too.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from crm_kit.accounts import FOLLOWING
from crm_kit.errors import PermissionDenied, denied
from crm_kit.field_rights import CUSTOM
from crm_kit.identity.access import READ_RESTRICTED, Access, Scope
from crm_kit.resource.owners import resource_of
from crm_kit.thin_events.model import CUSTOM_FIELDS, EventType

from crm_customer.integrations.webhook_endpoints.model import WebhookEndpoint, is_told


def require_heard_by(access: Access, endpoint: WebhookEndpoint, types: Iterable[EventType]) -> None:
    """Raise PermissionDenied unless somebody may read all records of each collection that the endpoint hears of."""
    for each in types:
        if is_told(each) and endpoint.hears(each):
            for permission in needed(each.permission):
                if not has_all(access, permission):
                    raise unheard(each, permission)


def reads_all(access: Access, permission: str) -> bool:
    """Whether somebody has a permission for all records, those at restricted accounts among them."""
    return all(has_all(access, each) for each in needed(permission))


def needed(permission: str) -> list[str]:
    """What reading all records that a permission is for takes."""
    at_accounts = resource_of(permission) in {"accounts", *FOLLOWING}
    return [permission, READ_RESTRICTED] if at_accounts else [permission]


def has_all(access: Access, permission: str) -> bool:
    return access.may(permission) and access.scope(permission) is Scope.ALL


def hidden_from(access: Access, type: EventType) -> frozenset[str]:
    """The fields of a record that somebody may not see of every one, though they may read all."""
    withheld = frozenset(name for name, permission in type.withheld if not reads_all(access, permission))
    return withheld | access.unlisted_of(type.collection)


def is_hidden(access: Access, type: EventType, told: Mapping[str, Any]) -> bool:
    """Whether what is told of is hidden from somebody as a whole: a custom field that they do not see of records."""
    return type.part == CUSTOM_FIELDS and f"{CUSTOM}.{told['key']}" in access.hidden_of(type.collection)


def unheard(type: EventType, permission: str) -> PermissionDenied:
    detail = (
        f"to be told of {type.collection}, the permission {permission} is needed with the scope ALL: an endpoint "
        "hears of all records or of none"
    )
    return denied("unheard", detail, collection=type.collection, permission=permission)

"""What the references of custom fields may be to: the resources that a service has, and what it knows besides."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

from crm_kit.custom_fields.definitions import Require
from crm_kit.database.work import UnitOfWork
from crm_kit.directory.access import require_users
from crm_kit.errors import PermissionDenied, invalid_field
from crm_kit.resource.writing import Resource

AnyResource = Resource[Any, Any]


def references_of(resources: Iterable[AnyResource], others: Mapping[str, Require]) -> dict[str, Require]:
    """By collection: active users, the service's own records as far as the caller sees them, and the `others`."""
    return {**{each.collection: require_record(each) for each in resources}, "users": require_user, **others}


async def require_user(work: UnitOfWork, id: UUID, *, field: str) -> None:
    """InvalidArgument unless it is an active user."""
    await require_users(work, [id], field=field)


def require_record(resource: AnyResource) -> Require:
    """InvalidArgument unless the caller may see the record: what they may not see does not exist for them."""

    async def require(work: UnitOfWork, id: UUID, *, field: str) -> None:
        try:
            scope = work.actor.access.scope(resource.permission)
            found = await resource.get_many(work, [id], scope=scope)
        except PermissionDenied:
            found = {}
        if id not in found:
            raise invalid_field(field, "reference", "does not exist", reason="REFERENCE_NOT_FOUND")

    return require

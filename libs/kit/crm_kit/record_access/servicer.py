"""RecordAccessService: why somebody can do something with a record, or cannot."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from crm.resource.v1 import record_access_pb2 as pb
from crm.resource.v1 import resources_pb2

from crm_kit.database.connections import Record
from crm_kit.database.work import Reader
from crm_kit.directory.access import Directory
from crm_kit.errors import NotFound, invalid_field
from crm_kit.identity.access import Scope, reaches
from crm_kit.record_access.explaining import Operation, RecordAccess, explain
from crm_kit.record_access.grants import RoleGrant, widest_of
from crm_kit.record_access.queries import user_with_roles
from crm_kit.resource.actions import Approving
from crm_kit.resource.writing import Resource

AnyResource = Resource[Any, Any]
# What tells of others' rights anyway.
READS_USERS, READS_ROLES = "users.read", "roles.read"


class RecordAccessServicer:
    # The pipeline gives each reader the scope of the collection's own permission.
    contract = pb.DESCRIPTOR.services_by_name["RecordAccessService"]

    def __init__(self, resources: Iterable[AnyResource], directory: Directory, approving: Approving) -> None:
        self._resources = {each.collection: each for each in resources}
        self._directory = directory
        self._approving = approving

    async def ExplainRecordAccess(self, request: pb.ExplainRecordAccessRequest, reader: Reader) -> pb.RecordAccess:
        resource = self._asked(request)
        user_id = UUID(request.user_id) if request.user_id else reader.actor.user_id
        rows = await rows_of_user(reader, user_id)
        record = await resource.get(reader, UUID(request.id))
        told = pb.RecordAccess(id=str(record.id), user_id=str(user_id), active=rows[0]["active"])
        told.owner = getattr(record, "owner_id", None) == user_id
        if rows[0]["active"]:
            actor = await self._directory.user(reader.tenant_id, user_id)
            roles = [(row["role_id"], row["grants"]) for row in rows if row["role_id"] is not None]
            access = await explain(resource, record, actor, roles, reader, self._approving)
            told.MergeFrom(access_to_pb(access))
        return told

    def permission_of(self, request: Any) -> str:
        """What a request needs: the permission to read the collection that it names."""
        return self._asked(request).permission

    def _asked(self, request: Any) -> AnyResource:
        resource = self._resources.get(request.collection)
        if resource is None:
            raise NotFound(f"there is no collection {request.collection!r} here", reason="COLLECTION_NOT_FOUND")
        return resource


async def rows_of_user(reader: Reader, user_id: UUID) -> list[Record]:
    """The user with their roles. Of others it takes the permissions to read them and their roles."""
    access = reader.actor.access
    scope = None
    if user_id != reader.actor.user_id:
        access.scope(READS_ROLES)
        scope = access.scope(READS_USERS)
    rows = await reader.all(user_with_roles(), user_id=user_id)
    if not rows or (scope is not None and not reaches(scope, reader.actor, user_id, rows[0]["team_id"])):
        raise invalid_field("user_id", "reference", "is no user that you know", reason="REFERENCE_NOT_FOUND")
    return rows


def access_to_pb(access: RecordAccess) -> pb.RecordAccess:
    return pb.RecordAccess(
        needed_scope=scope_to_pb(access.needed),
        operations=map(operation_to_pb, access.operations),
        hidden_fields=sorted(access.hidden),
        by_membership=access.by_membership,
        restricted=access.restricted,
    )


def operation_to_pb(operation: Operation) -> pb.RecordAccess.Operation:
    action, widest = operation.action, widest_of(operation.grants)
    return pb.RecordAccess.Operation(
        rpc=action.verb.rpc,
        verb=action.verb.name,
        permission=action.verb.permission,
        allowed=not action.reason,
        reason=action.reason,
        detail=action.detail,
        metadata=action.metadata,
        approval=resources_pb2.RecordActions.Approval.Value(f"APPROVAL_{action.approval}"),
        scope=scope_to_pb(widest),
        grants=map(grant_to_pb, operation.grants),
    )


def grant_to_pb(grant: RoleGrant) -> pb.RecordAccess.RoleGrant:
    return pb.RecordAccess.RoleGrant(
        role_id=str(grant.role_id), permission=grant.permission, scope=scope_to_pb(grant.scope)
    )


def scope_to_pb(scope: Scope | None) -> pb.RecordAccess.Scope.ValueType:
    return pb.RecordAccess.SCOPE_UNSPECIFIED if scope is None else pb.RecordAccess.Scope.Value(f"SCOPE_{scope.name}")

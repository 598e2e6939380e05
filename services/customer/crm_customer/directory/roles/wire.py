"""Roles between protobuf and entity."""

from collections.abc import Iterable

from crm.customer.v1 import events_pb2
from crm.customer.v1 import roles_pb2 as pb
from crm_kit.etags import etag_of
from crm_kit.wire import EnumNames, Fields, same, timestamp

from crm_customer.directory.roles.model import Role, grants_of

SCOPES = EnumNames(pb.Grant.Scope, "SCOPE_", str)


def grants_from(values: Iterable[pb.Grant]) -> dict[str, str]:
    return grants_of((each.permission, SCOPES.entity(each.scope)) for each in values)


CHANGEABLE = Fields(display_name=same, grants=grants_from)


def grants_to_pb(grants: Iterable[tuple[str, str]]) -> list[pb.Grant]:
    """In the order of their names."""
    return [pb.Grant(permission=permission, scope=SCOPES.wire(scope)) for permission, scope in sorted(grants)]


def role_to_pb(role: Role) -> pb.Role:
    return pb.Role(
        id=str(role.id),
        display_name=role.display_name,
        grants=grants_to_pb(role.grants.items()),
        built_in=role.built_in,
        etag=etag_of(role.version),
        create_time=timestamp(role.create_time),
        update_time=timestamp(role.update_time),
    )


def role_changed(role: Role) -> events_pb2.RoleChanged:
    return events_pb2.RoleChanged(role=role_to_pb(role))

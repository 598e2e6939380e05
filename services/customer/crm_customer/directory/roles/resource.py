"""Roles, declared. Everybody of a tenant may see all of them."""

from crm.customer.v1 import events_pb2 as events
from crm.customer.v1 import roles_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_customer.directory.roles.model import Role
from crm_customer.directory.roles.tables import roles

ROLES = Resource(
    "role",
    entity=Role,
    table=roles,
    message=pb.Role,
    created=events.RoleCreated,
    updated=events.RoleUpdated,
)

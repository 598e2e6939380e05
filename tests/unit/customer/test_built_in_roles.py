"""The roles that the platform brings speak of permissions that the contract knows."""

from importlib.resources import files

import pytest
from crm.options.v1 import options_pb2
from crm_customer.directory.roles.built_in import ADMINISTRATOR, BUILT_IN
from google.protobuf.descriptor_pb2 import FileDescriptorSet

IMAGE = FileDescriptorSet.FromString(files("crm_protos").joinpath("image.binpb").read_bytes())
PERMISSIONS = {
    method.options.Extensions[options_pb2.permission]
    for file in IMAGE.file
    for service in file.service
    for method in service.method
    if "." in method.options.Extensions[options_pb2.permission]
}
# Permissions that a command asks for beside that of its rpc; the rpc's comment names them.
PERMISSIONS |= {"calls.listen", "costs.read"}
PERMISSIONS |= {"opportunities.override", "outbound_messages.any_address", "reports.share"}
# Programs that hand messages or files over have a role of their own, which a tenant makes with its channel or feed.
OF_PROGRAMS = {"calls.receive", "feeds.deliver", "inbound_messages.receive"}
# Whom agents may write to besides customers, and what other systems write, a tenant says.
OF_THE_TENANT = {"outbound_messages.any_address", "feeds.write"}
# What only an administrator may do in a new tenant.
ADMINISTRATION = {
    *(
        "tenant",
        "users",
        "teams",
        "roles",
        "identity_providers",
        "calendars",
        "channels",
        "service_levels",
        "custom_fields",
        "approval_policies",
        "automation_rules",
        "quality_rules",
        "webhooks",
    ),
}
# Where a tenant's events go is nobody else's business.
READ_BY_ADMINISTRATORS = {"webhooks.read"}


@pytest.mark.parametrize("name", sorted(set(BUILT_IN) - {ADMINISTRATOR}))
def test_every_permission_that_a_role_grants_is_one_of_the_contract(name: str) -> None:
    assert set(BUILT_IN[name]) - PERMISSIONS == set()


def test_every_permission_beside_administration_is_in_some_role() -> None:
    granted = {permission for grants in BUILT_IN.values() for permission in grants}
    left = {each for each in PERMISSIONS - granted if each.endswith(".read")} - READ_BY_ADMINISTRATORS
    left |= {permission for permission in PERMISSIONS - granted if permission.partition(".")[0] not in ADMINISTRATION}
    assert left == OF_PROGRAMS | OF_THE_TENANT


def test_who_writes_also_reads_as_far() -> None:
    reach = {"OWN": 1, "TEAM": 2, "ALL": 3}
    for grants in BUILT_IN.values():
        for permission, scope in grants.items():
            resource, _, verb = permission.partition(".")
            if verb == "write":
                assert reach[grants[f"{resource}.read"]] >= reach[scope], permission


def test_scopes_are_those_of_the_contract() -> None:
    assert {scope for grants in BUILT_IN.values() for scope in grants.values()} <= {"OWN", "TEAM", "ALL"}

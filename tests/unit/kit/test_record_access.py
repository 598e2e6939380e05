"""Which roles grant a permission, and how far."""

from uuid import UUID

from crm_kit.identity.access import Scope
from crm_kit.record_access.grants import RoleGrant, grants_of, widest_of
from hypothesis import given
from hypothesis import strategies as st

PERMISSIONS = ("accounts.read", "accounts.write", "*")
ROLES = st.lists(
    st.tuples(st.uuids(), st.dictionaries(st.sampled_from(PERMISSIONS), st.sampled_from([*Scope.__members__]))),
    max_size=6,
    unique_by=lambda role: role[0],
)


@given(ROLES)
def test_a_permission_is_granted_by_each_role_that_has_it_or_all_and_by_no_other(
    roles: list[tuple[UUID, dict[str, str]]],
) -> None:
    found = grants_of("accounts.read", roles)
    expected = {
        (id, permission, scope)
        for id, grants in roles
        for permission, scope in grants.items()
        if permission != "accounts.write"
    }
    assert {(each.role_id, each.permission, each.scope.name) for each in found} == expected
    assert len(found) == len(expected)
    scopes = [each.scope for each in found]
    assert scopes == sorted(scopes, reverse=True)
    assert widest_of(found) == (scopes[0] if scopes else None)


def test_a_narrow_permission_beside_all_permissions_is_told_behind_them() -> None:
    role = UUID(int=7)
    grants = {"*": "ALL", "accounts.read": "OWN"}
    assert grants_of("accounts.read", [(role, grants)]) == [
        RoleGrant(role, "*", Scope.ALL),
        RoleGrant(role, "accounts.read", Scope.OWN),
    ]

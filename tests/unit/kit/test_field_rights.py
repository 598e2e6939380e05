"""What several roles hide together: what one of them does, and none that grants reading the collection shows."""

from crm_kit.field_rights import RoleFields, hidden_by, hideable, is_hidden
from hypothesis import given
from hypothesis import strategies as st

FIELDS = ("accounts.phone_numbers", "accounts.custom.bank", "contacts.emails", "accounts.id", "nothing.at_all")
PERMISSIONS = ("accounts.read", "contacts.read", "accounts.write", "*")
ROLES = st.lists(
    st.builds(RoleFields, st.sets(st.sampled_from(PERMISSIONS)), st.sets(st.sampled_from(FIELDS))), max_size=4
)


@given(ROLES)
def test_a_field_is_hidden_when_it_is_named_and_no_role_shows_it(roles: list[RoleFields]) -> None:
    hidden = {f"{collection}.{field}" for collection, fields in hidden_by(roles).items() for field in fields}
    expected = set()
    for path in FIELDS[:3]:
        reading = {f"{path.split('.')[0]}.read", "*"}
        named = any(path in role.hidden for role in roles)
        shown = [role for role in roles if not reading.isdisjoint(role.grants) and path not in role.hidden]
        if named and not shown:
            expected.add(path)
    assert hidden == expected


@given(ROLES, ROLES)
def test_another_role_never_hides_what_reading_roles_show(roles: list[RoleFields], more: list[RoleFields]) -> None:
    reads_all = RoleFields(["*"], ())
    assert hidden_by([*roles, *more, reads_all]) == {}


def test_no_field_can_be_hidden_that_records_are_known_by_or_seen_by() -> None:
    for collection, each in hideable().items():
        assert each.fields, collection
        assert each.fields.isdisjoint({"id", "etag", "display_name", "owner_id", "owner_team_id", "create_time"})
        assert not any(name.endswith("_name") and name.replace("_name", "_id") in each.fields for name in each.fields)


def test_a_path_into_a_hidden_field_is_hidden_and_one_of_a_like_name_is_not() -> None:
    hidden = frozenset({"amount", "custom.bank"})
    assert [path for path in ("amount", "amount.currency_code", "custom.bank") if not is_hidden(path, hidden)] == []
    assert [path for path in ("amounts", "custom", "custom.banker") if is_hidden(path, hidden)] == []

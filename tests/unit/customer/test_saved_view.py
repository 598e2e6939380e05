"""What a saved view may ask for, and what it says of what is gone: each the other's opposite."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from crm_customer.workspace.saved_views.asked import CHECKS, check_asked, problems_of
from crm_customer.workspace.saved_views.model import Kind, SavedView, State, Visibility
from crm_kit.errors import CrmError, FailedPrecondition, InvalidArgument, PermissionDenied
from crm_kit.listed_collections import listed_collections
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2027, 3, 19, 12, tzinfo=UTC)
NAMES = sorted(
    {name for each in listed_collections().values() for name in (*each.columns, *each.orders)}
    | {"custom.contract_no", "custom.Bad", "nothing", "custom."}
)


def view(**values: Any) -> SavedView:
    fields: dict[str, Any] = {
        "id": UUID(int=1),
        "display_name": "mine",
        "collection": "accounts",
        "owner_id": UUID(int=2),
        "create_time": NOON,
        "update_time": NOON,
    }
    return SavedView(**fields | values)


@st.composite
def asking(draw: st.DrawFn) -> SavedView:
    """A view of any collection that asks for what may be there or not."""
    names = st.sampled_from(NAMES)
    return view(
        collection=draw(st.sampled_from(sorted(listed_collections()))),
        filter=draw(st.one_of(st.just(""), names.map("{} = null".format), names.map("{} : *".format), st.text())),
        order_by=draw(st.one_of(st.just(""), names, names.map("{} desc".format), st.text(max_size=20))),
        columns=tuple(draw(st.lists(names, max_size=4))),
        group_by=draw(st.one_of(st.none(), names)),
    )


@given(asking())
def test_a_view_has_a_problem_wherever_saving_it_would_be_refused_and_nowhere_else(asked: SavedView) -> None:
    refused = []
    for field in CHECKS:
        try:
            check_asked(asked, [field])
        except InvalidArgument:
            refused.append(field)
    assert [each.field for each in problems_of(asked)] == refused


@given(asking())
def test_columns_and_groups_are_those_of_the_contract_or_a_tenants_own(asked: SavedView) -> None:
    """An oracle of its own: fields by their names in the contract, one level deep."""
    known = listed_collections()[asked.collection]
    custom = {"custom.contract_no"} if known.has_custom else set()
    problems = {each.field for each in problems_of(asked)}
    assert ("columns" in problems) == (not set(asked.columns) <= known.columns | custom)
    assert ("group_by" in problems) == (asked.group_by is not None and asked.group_by not in known.groups | custom)


def test_a_board_has_something_to_stand_in_columns_by() -> None:
    with pytest.raises(InvalidArgument):
        view(kind=Kind.BOARD).checked()
    assert view(kind=Kind.BOARD, group_by="industry").checked()


@pytest.mark.parametrize("visibility", Visibility)
@pytest.mark.parametrize("before", [None, *Visibility])
@pytest.mark.parametrize("administers", [True, False])
def test_what_is_or_comes_to_be_everybodys_takes_who_administers_views(
    visibility: Visibility, before: Visibility | None, administers: bool
) -> None:
    was = None if before is None else view(visibility=before)
    is_everybodys = Visibility.TENANT in (visibility, before)
    try:
        view(visibility=visibility).require_shared_by(was, administers=administers)
    except PermissionDenied:
        assert is_everybodys and not administers
    else:
        assert administers or not is_everybodys


def test_the_default_of_a_role_is_seen_by_everybody() -> None:
    roles = (UUID(int=3),)
    for visibility in Visibility:
        shared = view(default_for_role_ids=roles, visibility=visibility)
        if visibility is Visibility.TENANT:
            assert shared.checked() == shared
        else:
            with pytest.raises(InvalidArgument):
                shared.checked()


def test_what_is_put_away_is_nobodys_default_and_does_not_change() -> None:
    away = view(default_for_role_ids=(UUID(int=3),), visibility=Visibility.TENANT).archive()
    assert (away.state, away.default_for_role_ids) == (State.ARCHIVED, ())
    for change in (away.archive, lambda: away.update({"pinned": True}), view().restore):
        with pytest.raises(FailedPrecondition):
            change()
    assert away.restore().state is State.ACTIVE


def test_of_a_collection_that_is_gone_a_view_says_just_that() -> None:
    gone = view(collection="nothing", columns=("colour",))
    assert [each.field for each in problems_of(gone)] == ["collection"]
    with pytest.raises(CrmError):
        check_asked(gone, CHECKS)

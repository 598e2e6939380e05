"""Deals follow their account to the same owner in whatever order its changes of owner are heard of."""

from collections.abc import Sequence
from uuid import UUID

from crm_sales.opportunities.handovers import Handover, last_of
from hypothesis import given
from hypothesis import strategies as st

ACCOUNT = UUID(int=1)


def chain(owners: Sequence[int]) -> list[Handover]:
    """The handovers of an account that has had these owners."""
    ids = [UUID(int=each) for each in owners]
    return [Handover(ACCOUNT, version, ids[version - 1], ids[version], None) for version in range(1, len(ids))]


def given_in(order: Sequence[Handover], deals: dict[str, UUID]) -> dict[str, UUID]:
    """Whose the deals are when the handovers are heard of in this order."""
    heard: list[Handover] = []
    for handover in order:
        heard.append(handover)
        to = last_of(handover, heard).owner_id
        deals = {name: to if owner == handover.former_owner_id else owner for name, owner in deals.items()}
    return deals


OWNERS = st.lists(st.integers(1, 5), min_size=2, max_size=7)


@given(OWNERS, st.data())
def test_the_order_in_which_handovers_are_heard_of_makes_no_difference(owners: list[int], data: st.DataObject) -> None:
    handovers = [each for each in chain(owners) if each.former_owner_id != each.owner_id]
    deals = {f"deal {at}": UUID(int=at) for at in range(1, 6)}
    expected = deals
    for each in handovers:
        expected = {name: each.owner_id if of == each.former_owner_id else of for name, of in expected.items()}
    assert given_in(data.draw(st.permutations(handovers)), deals) == expected


@given(OWNERS, st.data())
def test_a_handover_that_is_heard_of_twice_changes_nothing_more(owners: list[int], data: st.DataObject) -> None:
    handovers = [each for each in chain(owners) if each.former_owner_id != each.owner_id]
    deals = {f"deal {at}": UUID(int=at) for at in range(1, 6)}
    twice = data.draw(st.permutations(handovers * 2))
    assert given_in(twice, deals) == given_in(handovers, deals)

"""Whom an address means."""

from itertools import product
from uuid import UUID

import pytest
from crm_service_desk.addresses.model import Holder, Sender, as_compared, sender_of
from hypothesis import given
from hypothesis import strategies as st

ACCOUNTS = [UUID(int=number) for number in range(1, 4)]
CONTACTS = [UUID(int=number) for number in range(11, 14)]
of_accounts = st.sampled_from(ACCOUNTS).map(lambda account_id: Holder(None, (account_id,)))
of_contacts = st.builds(
    lambda contact_id, account_ids: Holder(contact_id, tuple(account_ids)),
    st.sampled_from(CONTACTS),
    st.permutations(ACCOUNTS).flatmap(lambda ids: st.integers(0, 3).map(lambda count: ids[:count])),
)
holders = st.lists(of_accounts | of_contacts, max_size=4, unique_by=lambda each: each.contact_id or each.account_ids)


def stories(found: list[Holder]) -> set[tuple[UUID | None, UUID]]:
    """Whoever may have written: a person, or nobody in particular, of an account; all who have the address fit it."""
    people: set[UUID | None] = {each.contact_id for each in found if each.contact_id} or {None}
    return {
        (person, account)
        for person, account in product(people, ACCOUNTS)
        if all(account in each.account_ids for each in found)
    }


@given(holders)
def test_an_account_is_named_only_where_everybody_with_the_address_is_of_it(found: list[Holder]) -> None:
    sender = sender_of(found)
    if sender.account_id is not None:
        assert sender.account_id in {account for _, account in stories(found)}


@given(holders)
def test_a_contact_is_named_only_where_no_other_has_the_address(found: list[Holder]) -> None:
    sender = sender_of(found)
    if sender.contact_id is not None:
        assert {each.contact_id for each in found if each.contact_id} == {sender.contact_id}


@given(holders)
def test_what_is_certain_is_said(found: list[Holder]) -> None:
    told = stories(found)
    if len(told) == 1:
        assert sender_of(found) == Sender(*told.pop())
    elif len({account for _, account in told}) == 1:
        assert sender_of(found) == Sender(account_id=told.pop()[1])


@given(holders)
def test_an_address_that_somebody_has_is_known_or_ambiguous_and_never_both(found: list[Holder]) -> None:
    sender = sender_of(found)
    assert (sender.is_known or sender.ambiguous) == bool(found)
    assert not (sender.is_known and sender.ambiguous)


@given(holders)
def test_the_order_in_which_they_are_found_does_not_matter(found: list[Holder]) -> None:
    assert sender_of(found) == sender_of(found[::-1])


def test_a_contact_of_several_accounts_writes_for_the_main_one_unless_the_address_is_of_another() -> None:
    contact = Holder(CONTACTS[0], (ACCOUNTS[2], ACCOUNTS[0]))
    assert sender_of([contact]) == Sender(CONTACTS[0], ACCOUNTS[2])
    assert sender_of([contact, Holder(None, (ACCOUNTS[0],))]) == Sender(CONTACTS[0], ACCOUNTS[0])


@given(st.text(max_size=40))
def test_an_address_is_compared_with_itself_alike(address: str) -> None:
    once = as_compared(address, region="CN")
    assert as_compared(once, region="CN") == once or "@" not in once


@pytest.mark.parametrize(
    "address",
    ["138 0013 8000", "１３８００１３８０００", "+86 (138) 0013-8000", "13800138000;ext=5", "13800138000 转 5"],
)
def test_a_telephone_number_is_the_same_however_it_is_written(address: str) -> None:
    assert as_compared(address, region="CN") == "+8613800138000"


@pytest.mark.parametrize(
    "address", ["visitor-13800138000", "张三13800138000", "wx +8613800138000", "1-800-FLOWERS", "a;1"]
)
def test_a_name_with_a_number_in_it_is_a_name(address: str) -> None:
    assert as_compared(address, region="CN") == address.lower()

from collections import Counter
from uuid import UUID, uuid4

import pytest
from crm_customer.records.search.candidates import (
    ACCOUNT_SEARCH,
    BUCKET_ENDS,
    CONTACT_SEARCH,
    START,
    Place,
    SearchTable,
    owner_token,
    steps_of,
    stored_tokens,
    team_token,
)
from crm_customer.records.search.terms import RecordTexts, index_tokens, query_terms
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.customer.search_examples import HUAXIN, SMITH, company_names, may_be_found

TENANT, OTHER_TENANT = uuid4(), uuid4()


def steps(
    tenant: UUID, text: str, visible: frozenset[str] = frozenset(), *, put_away: bool = False
) -> list[tuple[set[int], list[set[int]]]]:
    """What the statement asks, step by step: all of these, and one of each of those."""
    found = steps_of(tenant, query_terms(text), visible=visible, put_away=put_away)
    columns = [found.required, *(column for column in found.any_of if column is not None)]
    assert {len(column) for column in columns} == {len(found.without)}
    read = [[{int(number) for number in literal.strip("{}").split(",") if number} for literal in c] for c in columns]
    return [(read[0][step], [column[step] for column in read[1:]]) for step in range(len(read[0]))]


def hits(stored: list[int], asked: list[tuple[set[int], list[set[int]]]]) -> int:
    return sum(required <= set(stored) and all(group & set(stored) for group in groups) for required, groups in asked)


@given(
    st.uuids(version=4), st.sampled_from([HUAXIN, SMITH]), st.sampled_from(["华信", "huaxin", "smith", "hxdl", "8000"])
)
def test_a_statement_finds_what_the_tokens_find(account_id: UUID, texts: RecordTexts, text: str) -> None:
    stored = stored_tokens(TENANT, account_id, index_tokens(texts))
    assert bool(hits(stored, steps(TENANT, text))) == may_be_found(query_terms(text), texts)


@given(st.text(max_size=20))
def test_no_step_asks_for_nothing(text: str) -> None:
    """That would be every account."""
    assert all(required or groups for required, groups in steps(TENANT, text))
    assert not any(set() in groups for _, groups in steps(TENANT, text))


@given(company_names, st.uuids(version=4))
def test_the_whole_name_finds_an_account_in_the_first_steps(name: str, account_id: UUID) -> None:
    stored = stored_tokens(TENANT, account_id, index_tokens(RecordTexts(names=(name,))))
    assert hits(stored, steps(TENANT, name)[: len(BUCKET_ENDS)])


@given(st.uuids(version=4))
def test_another_tenants_accounts_are_not_asked_for(account_id: UUID) -> None:
    stored = stored_tokens(OTHER_TENANT, account_id, index_tokens(HUAXIN))
    assert not hits(stored, steps(TENANT, "华信"))


def test_each_bucket_is_four_times_as_large_as_the_one_before() -> None:
    buckets = Counter(stored_tokens(TENANT, UUID(int=number), ["c华信"])[0] for number in range(16384))
    assert sorted(buckets.values()) == [1, 3, 12, 48, 192, 768, 3072, 12288]


def test_only_what_the_caller_may_see_is_asked_for() -> None:
    mine, theirs, account_id = uuid4(), uuid4(), uuid4()
    tokens = index_tokens(HUAXIN) | {owner_token(mine), team_token(theirs)}
    stored = stored_tokens(TENANT, account_id, tokens)
    for text in ("华信", "华信电力", "hxdl", "huaxindianli"):
        assert hits(stored, steps(TENANT, text, frozenset([owner_token(mine)])))
        assert hits(stored, steps(TENANT, text, frozenset([owner_token(theirs), team_token(theirs)])))
        assert not hits(stored, steps(TENANT, text, frozenset([owner_token(theirs)])))


def test_stored_tokens_are_32_bit_numbers_each_of_them_once() -> None:
    stored = stored_tokens(TENANT, uuid4(), index_tokens(HUAXIN))
    assert len(set(stored)) == len(stored)
    assert -(2**31) <= min(stored) <= max(stored) < 2**31


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=())), unique=True))
def test_tokens_are_stored_together_as_each_of_them_alone(tokens: list[str]) -> None:
    account_id = uuid4()
    alone = {number for token in tokens for number in stored_tokens(TENANT, account_id, [token])}
    assert set(stored_tokens(TENANT, account_id, tokens)) == alone


@pytest.mark.parametrize("text", ["", "!?"])
def test_a_query_of_nothing_has_no_steps(text: str) -> None:
    found = steps_of(TENANT, query_terms(text))
    assert (found.required, found.any_of, found.without) == ([], (None, None, None), [])


@pytest.mark.parametrize("table", [ACCOUNT_SEARCH, CONTACT_SEARCH])
def test_the_function_checks_the_tenant_in_every_branch(table: SearchTable) -> None:
    function = table.create_function
    assert function.count("RETURN QUERY") == function.count("a.tenant_id = current_setting") == 4


@given(st.uuids(version=4))
def test_what_is_put_away_is_found_only_when_it_is_asked_for(account_id: UUID) -> None:
    stored = stored_tokens(TENANT, account_id, index_tokens(HUAXIN), put_away=True)
    assert not hits(stored, steps(TENANT, "华信"))
    assert hits(stored, steps(TENANT, "华信", put_away=True))
    living = stored_tokens(TENANT, account_id, index_tokens(HUAXIN))
    assert hits(living, steps(TENANT, "华信", put_away=True))


def test_a_search_goes_on_in_the_step_and_behind_the_id_where_it_stopped() -> None:
    found = steps_of(TENANT, query_terms("华信"))
    size = len(found.required)
    first, last = uuid4(), uuid4()
    part = found.arguments(Place(2, first), Place(5, last))
    assert part["required"] == found.required[2:6]
    assert part["without"] == found.without[2:6]
    after, until = part["after"], part["until"]
    assert after is not None
    assert until is not None
    assert (after[0], until[-1]) == (first, last)
    assert {*after[1:], *until[:-1]} == {UUID(int=0), UUID(int=2**128 - 1)}
    whole = found.arguments(START)
    assert [len(column) for column in whole.values() if column is not None] == [size] * 4

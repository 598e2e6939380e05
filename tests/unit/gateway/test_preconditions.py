import pytest
from crm_gateway.preconditions import entity_tag, etag_required, is_none_match
from crm_gateway.problems import ProblemError


def test_if_match_gives_the_etag_without_its_quotes() -> None:
    assert etag_required(b' "abc-7" ') == "abc-7"
    assert etag_required(b"*") is None


@pytest.mark.parametrize(
    ("header", "status"), [(b"abc", 400), (b'"a", "b"', 400), (b"", 400), (b'"a', 400), (b'W/"a"', 412)]
)
def test_an_if_match_that_is_no_single_strong_etag_is_refused(header: bytes, status: int) -> None:
    with pytest.raises(ProblemError) as refused:
        etag_required(header)
    assert refused.value.problem.status == status


@pytest.mark.parametrize(
    ("header", "matches"),
    [(b'"7"', True), (b'W/"7"', True), (b'"6", "7"', True), (b"*", True), (b'"6"', False), (b"7", False), (b"", False)],
)
def test_if_none_match_compares_weakly_with_each(header: bytes, matches: bool) -> None:
    assert is_none_match(header, "7") is matches


def test_an_etag_that_cannot_be_sent_is_left_out() -> None:
    assert entity_tag("7") == b'"7"'
    assert entity_tag("") is None
    assert entity_tag('a"b') is None
    assert entity_tag("数") is None

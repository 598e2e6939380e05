import pytest
from crm_gateway.preconditions import entity_tag, etag_required, known_tag, shown_tag
from crm_gateway.problems import ProblemError


def test_if_match_gives_the_etag_without_its_quotes() -> None:
    assert etag_required(b' "abc-7" ') == "abc-7"
    assert etag_required(b"*") is None


def test_if_match_takes_the_etag_of_what_was_shown_for_the_version_it_showed() -> None:
    shown = shown_tag("v7", b"{}")
    assert etag_required(f'"{shown}"'.encode()) == etag_required(f'"{shown}-gzip"'.encode()) == "v7"
    assert shown_tag("v7", b'{"a":1}') != shown
    assert shown_tag("", b"{}") == ""


@pytest.mark.parametrize(
    ("header", "status"), [(b"abc", 400), (b'"a", "b"', 400), (b"", 400), (b'"a', 400), (b'W/"a"', 412)]
)
def test_an_if_match_that_is_no_single_strong_etag_is_refused(header: bytes, status: int) -> None:
    with pytest.raises(ProblemError) as refused:
        etag_required(header)
    assert refused.value.problem.status == status


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (b'"7"', "7"),
        (b'W/"7"', "7"),
        (b'"6", "7"', "7"),
        (b'"6", "7-gzip"', "7-gzip"),
        (b"*", "7"),
        (b'"6"', None),
        (b"7", None),
        (b"", None),
    ],
)
def test_if_none_match_compares_weakly_with_each(header: bytes, known: str | None) -> None:
    assert known_tag(header, "7") == known


def test_an_etag_that_cannot_be_sent_is_left_out() -> None:
    assert entity_tag("7") == b'"7"'
    assert entity_tag("") is None
    assert entity_tag('a"b') is None
    assert entity_tag("数") is None

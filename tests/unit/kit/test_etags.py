import pytest
from crm_kit.errors import EtagMismatch
from crm_kit.etags import check_etag, etag_of, version_of
from hypothesis import given
from hypothesis import strategies as st


@given(st.integers(0, 2**31))
def test_an_etag_stands_for_its_version(version: int) -> None:
    assert version_of(etag_of(version)) == version


@given(st.integers(0, 2**31), st.integers(0, 2**31))
def test_versions_have_different_etags(one: int, other: int) -> None:
    assert (etag_of(one) == etag_of(other)) == (one == other)


@given(st.text())
def test_text_is_an_etag_only_in_the_one_spelling_we_make(text: str) -> None:
    version = version_of(text)
    assert version is None or etag_of(version) == text


@pytest.mark.parametrize("text", ["", "v", "7", "v07", "v-1", '"v7"', "W/v7", "v7 ", "v７", "V7", "v7\n"])
def test_what_we_did_not_make_has_no_version(text: str) -> None:
    assert version_of(text) is None


def test_a_negative_version_has_no_etag() -> None:
    with pytest.raises(ValueError, match="-1"):
        etag_of(-1)


def test_the_right_etag_or_none_lets_the_change_through() -> None:
    check_etag("", 7)
    check_etag(etag_of(7), 7)


@pytest.mark.parametrize("sent", [etag_of(6), etag_of(8), "anything", "*"])
def test_a_stale_or_strange_etag_is_a_mismatch(sent: str) -> None:
    with pytest.raises(EtagMismatch) as raised:
        check_etag(sent, 7)
    assert (raised.value.reason, raised.value.code) == ("ETAG_MISMATCH", "ABORTED")

"""Ranges, headers of files, and what the tus protocol has in its own."""

from base64 import b64encode
from email.message import Message
from urllib.parse import unquote

import pytest
from crm_gateway.files.ranges import Unsatisfiable, range_of
from crm_gateway.files.showing import SHOWN_INLINE, disposition, headers_of, told_type
from crm_gateway.files.tus import metadata_of
from crm_gateway.problems import ProblemError
from hypothesis import given
from hypothesis import strategies as st

SIZES = st.integers(0, 50)


def wanted(first: int | None, last: int | None, size: int) -> list[int]:
    """The bytes that RFC 9110 means, counted one by one."""
    if first is None:
        return list(range(size))[-last:] if last else []
    return [at for at in range(size) if at >= first and (last is None or at <= last)]


@given(st.none() | st.integers(0, 60), st.none() | st.integers(0, 60), SIZES)
def test_a_range_is_the_bytes_that_are_meant(first: int | None, last: int | None, size: int) -> None:
    header = f"bytes={'' if first is None else first}-{'' if last is None else last}"
    if (first is None and last is None) or (first is not None and last is not None and last < first):
        assert range_of(header, size) is None
        return
    meant = wanted(first, last, size)
    if not meant:
        with pytest.raises(Unsatisfiable):
            range_of(header, size)
        return
    assert range_of(header, size) == (meant[0], meant[-1] + 1)


@given(st.text(max_size=40), SIZES)
def test_what_is_no_range_is_passed_over(header: str, size: int) -> None:
    if not header.strip().lower().startswith("bytes"):
        assert range_of(header, size) is None


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60))
def test_a_name_comes_through_a_header_whatever_it_has(name: str) -> None:
    told = disposition(name, inline=False)
    assert told.isascii()
    assert told.isprintable()
    message = Message()
    message["content-disposition"] = told
    _, _, parameter = told.partition("filename*=")
    assert message.get_content_disposition() == "attachment"
    assert unquote(parameter.removeprefix("UTF-8''")) == name


@pytest.mark.parametrize(
    "media",
    [
        "text/html",
        "application/xhtml+xml",
        "image/svg+xml",
        "text/xml",
        "application/xml",
        "text/javascript",
        "application/x-shockwave-flash",
        "application/mathml+xml",
    ],
)
def test_what_browsers_run_is_told_to_be_nothing_of_the_kind(media: str) -> None:
    assert told_type(media) == "application/octet-stream"
    assert media not in SHOWN_INLINE
    assert headers_of("a", media, '"1"')["content-disposition"].startswith("attachment")


@given(st.dictionaries(st.text(alphabet="abcxyz_", min_size=1, max_size=9), st.text(max_size=20), max_size=5))
def test_metadata_of_the_protocol_is_read_as_it_was_written(told: dict[str, str]) -> None:
    header = ",".join(f"{key} {b64encode(value.encode()).decode()}".rstrip() for key, value in told.items())
    assert metadata_of(header) == told


@pytest.mark.parametrize("header", ["filename ?", "filename YQ", "filename /w=="])
def test_metadata_that_is_no_base64_of_text_is_refused(header: str) -> None:
    with pytest.raises(ProblemError):
        metadata_of(header)

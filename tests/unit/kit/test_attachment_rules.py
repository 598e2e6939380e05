"""What may be attached, by name and content, and where an upload goes on."""

import contextlib
import io
import random
import struct
import unicodedata
import zlib
from datetime import timedelta
from typing import Any

import pytest
from crm_kit.attachments import kinds
from crm_kit.attachments.links import LASTS, Link, Links
from crm_kit.attachments.model import Upload, checked_name
from crm_kit.attachments.previews import made_smaller
from crm_kit.clock import system_now
from crm_kit.errors import FailedPrecondition, InvalidArgument
from crm_kit.ids import new_id
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

NOW = system_now()


def upload(size: int) -> Upload:
    names = {"collection": "accounts", "name": "a.txt", "description": "", "sha256": None}
    ids = {"id": new_id(), "record_id": new_id(), "creator_id": new_id()}
    times = {"expire_time": NOW + timedelta(days=1), "create_time": NOW, "update_time": NOW}
    values: dict[str, object] = {**names, **ids, **times, "size_bytes": size}
    return Upload(**values)  # type: ignore[arg-type]


@given(st.text(max_size=300))
def test_a_name_that_is_kept_can_be_saved_anywhere(name: str) -> None:
    try:
        kept = checked_name(name)
    except InvalidArgument:
        return
    assert kept == kept.strip() == unicodedata.normalize("NFC", kept)
    assert kept not in ("", ".", "..")
    assert len(kept.encode()) <= 255
    assert not set(kept) & set("/\\\0\r\n\x7f\u202e\u2066")


@given(st.text(alphabet="abcäöü字 .-()'\"%", min_size=1, max_size=40))
def test_names_of_letters_and_signs_are_kept(name: str) -> None:
    if name.strip() not in ("", ".", ".."):
        assert checked_name(name) == unicodedata.normalize("NFC", name).strip()


@given(st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=9))
def test_an_upload_goes_on_where_it_is_and_is_complete_with_its_last_byte(parts: list[bytes]) -> None:
    one, received = upload(sum(map(len, parts))), 0
    for part in parts:
        assert not one.complete
        for wrong in {received - 1, received + 1, one.size_bytes + 9} - {received}:
            with pytest.raises(FailedPrecondition):
                one.append(wrong, len(part), now=NOW)
        with pytest.raises(InvalidArgument):
            one.append(received, one.size_bytes - received + 1, now=NOW)
        one, received = one.append(received, len(part), now=NOW), received + len(part)
        assert one.received_bytes == received
    assert one.complete


PROGRAMS = (
    b"MZ\x90\x00\x03\x00",
    b"\x7fELF\x02\x01",
    b"#!/bin/sh\n",
    b"\xef\xbb\xbf#!/usr/bin/perl\n",
    b"\xcf\xfa\xed\xfe\x07\x00",
    b"\xca\xfe\xba\xbe\x00\x00",
    b"L\x00\x00\x00\x01\x14\x02\x00",
    b"\x00asm\x01\x00",
    b"dex\n035\x00",
)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("name", ["a.txt", "a.pdf", "a.png", "a", "a.docx"])
def test_a_program_is_refused_under_every_name(program: bytes, name: str) -> None:
    with pytest.raises(InvalidArgument):
        kinds.check_content(name, program + bytes(100))


def test_a_text_that_begins_like_a_program_is_none() -> None:
    kinds.check_content("plan.txt", b"MZ is the abbreviation of a town in this list, and of others\n" * 3)


@given(
    st.sampled_from(sorted(kinds.RUNNING)), st.text(alphabet="ab.", max_size=5), st.sampled_from(["", ".", " ", ". ."])
)
def test_what_runs_is_refused_however_its_name_is_written(ending: str, before: str, behind: str) -> None:
    for written in (ending, ending.upper(), ending.title()):
        with pytest.raises(InvalidArgument):
            kinds.check_name(f"{before}x.{written}{behind}")


@given(st.binary(max_size=200))
def test_what_people_open_is_what_it_is_called_or_refused(head: bytes) -> None:
    signatures = {
        "pdf": (b"%PDF",),
        "png": (b"\x89PNG",),
        "gif": (b"GIF8",),
        "jpg": (b"\xff\xd8\xff",),
        "zip": (b"PK",),
    }
    for ending, beginnings in signatures.items():
        if not head.startswith(beginnings):
            with pytest.raises(InvalidArgument):
                kinds.check_content(f"a.{ending}", head)


TYPES = (
    ("a.pdf", b"%PDF-1.7\n", "application/pdf"),
    ("A.PNG", b"\x89PNG\r\n\x1a\n", "image/png"),
    ("pasted", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "image/png"),
    ("a.txt", b"hello", "text/plain"),
    ("a.html", b"<html>", "text/html"),
    ("a.tar.gz", b"\x1f\x8b\x08\x00", "application/gzip"),
    ("a.docx", b"PK\x03\x04", kinds.PROVEN["docx"]),
    ("a.unheardof", b"\x01\x02", "application/octet-stream"),
    ("README", b"read me", "application/octet-stream"),
)


@pytest.mark.parametrize(("name", "head", "media"), TYPES)
def test_a_file_has_the_type_of_its_content_and_name(name: str, head: bytes, media: str) -> None:
    kinds.check_content(name, head)
    assert kinds.type_of(name, head) == media


def test_a_link_is_of_what_it_was_made_for_and_over_in_time() -> None:
    links, link, path = Links(b"k" * 32), Link(new_id(), new_id(), NOW + LASTS), ("accounts", "1", "2")
    sent = links.made(link, path)
    assert links.read(sent, path, now=NOW) == link
    for key, of, now in (
        (b"k" * 32, ("accounts", "1", "3"), NOW),
        (b"k" * 32, path, NOW + LASTS),
        (b"x" * 32, path, NOW),
    ):
        with pytest.raises(InvalidArgument):
            Links(key).read(sent, of, now=now)


@given(st.text(max_size=200))
def test_what_nobody_signed_is_no_link(sent: str) -> None:
    with pytest.raises(InvalidArgument):
        Links(b"k" * 32).read(sent, ("accounts", "1", "2"), now=NOW)


@given(st.binary(max_size=300))
def test_what_is_no_image_has_no_preview(content: bytes) -> None:
    for beginning in (b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\x10\x00\x00\x00WEBPVP8 "):
        with pytest.raises(FailedPrecondition):
            made_smaller(beginning + content, 256)


def jpeg(**how: Any) -> bytes:
    """A picture of 64 by 48 pixels."""
    written = io.BytesIO()
    Image.new("RGB", (64, 48), "red").save(written, "JPEG", **how)
    return written.getvalue()


def as_large(picture: bytes, side: int) -> bytes:
    """The JPEG, which says that it is as large."""
    size, large = struct.pack(">HH", 48, 64), struct.pack(">HH", side, side)
    assert picture.count(size) == 1
    return picture.replace(size, large)


def test_a_jpeg_may_have_more_pixels_than_others_where_it_is_read_small() -> None:
    assert made_smaller(jpeg(), 256)
    assert made_smaller(as_large(jpeg(), 14_000), 256)
    with pytest.raises(FailedPrecondition, match="too many pixels"):
        made_smaller(as_large(jpeg(), 15_000), 256)


@pytest.mark.filterwarnings("error")
def test_a_jpeg_that_is_unpacked_as_a_whole_may_have_no_more_pixels_than_others() -> None:
    progressive, whole = jpeg(progressive=True), jpeg()
    frame, scan = whole.index(b"\xff\xc0"), whole.index(b"\xff\xda")
    # One component stands in the first scan, and three are in the frame.
    apart = whole[: scan + 2] + b"\x00\x08\x01\x01\x00\x00\x3f\x00" + whole[scan + 14 :]
    padded = whole[:frame] + b"\xff" + whole[frame:]
    assert made_smaller(progressive, 256)
    for each in (progressive, apart, padded):
        with pytest.raises(FailedPrecondition, match="too many pixels"):
            made_smaller(as_large(each, 5_000), 256)


def test_a_picture_whose_tags_are_of_other_types_has_no_preview_and_costs_nothing() -> None:
    tags = Image.Exif()
    tags[0x0112], tags[0x011A] = 6, 72.0
    written = io.BytesIO()
    Image.new("RGB", (8, 8)).save(written, "PNG", exif=tags)
    sound, dice = written.getvalue(), random.Random(3)
    begin = sound.index(b"eXIf") + 4
    length = int.from_bytes(sound[begin - 8 : begin - 4], "big")
    for _ in range(300):
        spoilt = bytearray(sound[begin : begin + length])
        spoilt[dice.randrange(length)] = dice.randrange(256)
        checked = struct.pack(">I", zlib.crc32(b"eXIf" + spoilt))
        with contextlib.suppress(FailedPrecondition):
            assert made_smaller(sound[:begin] + spoilt + checked + sound[begin + length + 4 :], 256)

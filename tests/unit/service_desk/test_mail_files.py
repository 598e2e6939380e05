"""What becomes of the files of a mail, however it comes to pieces; the standard library is the oracle."""

import base64
import quopri
import tracemalloc
from collections.abc import Iterable, Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP, default

import pytest
from crm_service_desk.mail.decoding import MAX_LINE, Base64, QuotedPrintable
from crm_service_desk.mail.file_names import cleaned, file_name
from crm_service_desk.mail.parsing import parse_mail
from crm_service_desk.mail.streaming import (
    MAX_FILES,
    MAX_LETTER_BYTES,
    MAX_MAIL_BYTES,
    MAX_PARTS,
    FileBegins,
    FileBytes,
    FileEnds,
    MailStream,
)
from hypothesis import given, settings
from hypothesis import strategies as st

Found = tuple[str | None, bytes, bool]


def files_in(pieces: Iterable[bytes]) -> tuple[list[Found], MailStream]:
    """Names, contents, and whether they were cut off."""
    stream, found = MailStream(), list[Found]()
    steps = [step for piece in pieces for step in stream.feed(piece)]
    for step in [*steps, *stream.end()]:
        match step:
            case FileBegins(name):
                found.append((name, b"", False))
            case FileBytes(content):
                name, before, _ = found[-1]
                found[-1] = name, before + content, False
            case FileEnds(cut_off):
                found[-1] = *found[-1][:2], cut_off
    return found, stream


def cut(raw: bytes, sizes: list[int]) -> Iterator[bytes]:
    """In pieces of these sizes, again and again."""
    at = turn = 0
    while at < len(raw):
        size = sizes[turn % len(sizes)]
        yield raw[at : at + size]
        at, turn = at + size, turn + 1


CONTENTS = st.one_of(
    st.binary(max_size=400),
    st.lists(st.sampled_from([b"\r\n", b"\n", b"--", b"-", b"=", b" ", b"a", b"--b--"]), max_size=40).map(b"".join),
)


@given(
    contents=st.lists(CONTENTS, max_size=4),
    encodings=st.lists(st.sampled_from(["base64", "quoted-printable"]), min_size=4, max_size=4),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=5),
    text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=80),
)
@settings(max_examples=150)
def test_files_are_those_that_the_standard_library_finds_however_the_mail_comes_to_pieces(
    contents: list[bytes], encodings: list[str], sizes: list[int], text: str
) -> None:
    written = EmailMessage(policy=SMTP)
    written["From"], written["Message-ID"] = "chen@huaxin.example", "<1@huaxin.example>"
    written.set_content(text)
    for number, content in enumerate(contents):
        written.add_attachment(content, "application", "x-data", filename=f"报价 {number}.dat", cte=encodings[number])
    raw = written.as_bytes()
    found, stream = files_in(cut(raw, sizes))
    read = message_from_bytes(raw, policy=default)
    expected = [(each.get_filename(), each.get_payload(decode=True), False) for each in read.iter_attachments()]
    assert found == expected
    assert parse_mail(bytes(stream.letter)) == parse_mail(raw)


@given(st.binary(max_size=500), st.lists(st.integers(1, 50), min_size=1, max_size=4))
def test_whatever_comes_pieces_make_no_difference(raw: bytes, sizes: list[int]) -> None:
    raw = b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/x-data\n\n" + raw + b"\n--b--\n"
    whole, pieces = files_in([raw]), files_in(cut(raw, sizes))
    assert (whole[0], whole[1].letter, whole[1].digest) == (pieces[0], pieces[1].letter, pieces[1].digest)


@given(st.binary(max_size=300), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_what_is_written_in_base64_or_printably_comes_back(content: bytes, sizes: list[int]) -> None:
    for decoder, written in (
        (Base64(), base64.encodebytes(content)),
        (QuotedPrintable(), quopri.encodestring(content)),
    ):
        assert b"".join([*map(decoder.feed, cut(written, sizes)), decoder.end()]) == content, written


def test_broken_base64_gives_what_can_be_known_of_it() -> None:
    for written, content in ((b"YWJj!ZGVm", b"abcdef"), (b"YWJjZA", b"abcd"), (b"YWJjZ", b"abc"), (b"YQ==YWJj", b"a")):
        decoder = Base64()
        assert b"".join([*map(decoder.feed, cut(written, [3])), decoder.end()]) == content, written


def test_a_printable_line_without_end_is_read_in_parts() -> None:
    decoder = QuotedPrintable()
    read = decoder.feed(b"=E4" * MAX_LINE)
    assert read + decoder.end() == b"\xe4" * MAX_LINE
    assert len(read) > MAX_LINE // 2


PARTS = b"""\
From: chen@huaxin.example
Content-Type: multipart/mixed; boundary="out"

preamble
--out
Content-Type: multipart/alternative; boundary=in

--in
Content-Type: text/plain

See the pictures.
--in
Content-Type: text/html

<p>See</p>
--in
Content-Type: text/calendar; method=REQUEST

BEGIN:VCALENDAR
--in--
--out
Content-Type: image/png
Content-ID: <logo>
Content-Transfer-Encoding: base64

aW1hZ2U=
--out
Content-Type: message/rfc822

Subject: forwarded
Content-Type: multipart/mixed; boundary=inner

--inner

what it said
--inner--
--out
Content-Type: text/plain
Content-Disposition: attachment; filename="../../etc/notes.txt"

a note
--out--
epilogue
"""


def test_pictures_in_the_text_invitations_and_forwarded_mails_are_files_too() -> None:
    found, stream = files_in([PARTS])
    assert [each[:2] for each in found] == [
        ("file-1.ics", b"BEGIN:VCALENDAR"),
        ("file-2.png", b"image"),
        (
            "file-3.eml",
            b"Subject: forwarded\nContent-Type: multipart/mixed; boundary=inner\n\n--inner\n\nwhat it said\n--inner--",
        ),
        ("notes.txt", b"a note"),
    ]
    assert parse_mail(bytes(stream.letter)).text == "See the pictures."


def test_what_a_server_reports_on_is_no_file() -> None:
    head = b"Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n"
    status = b"--b\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx\n\nAction: failed\n\n"
    found, stream = files_in([head + status + b"--b--\n"])
    assert found == []
    assert parse_mail(bytes(stream.letter)).report is not None


def test_a_mail_that_is_a_file_itself_is_one_and_says_nothing() -> None:
    head = b"From: scanner@huaxin.example\nContent-Type: application/pdf; name=scan.pdf\n\n"
    found, stream = files_in([head + b"%PDF-1.7\n"])
    assert [each[:2] for each in found] == [("scan.pdf", b"%PDF-1.7\n")]
    assert parse_mail(bytes(stream.letter)).text is None


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("C:\\Users\\chen\\报价.xlsx", "报价.xlsx"),
        ("a\u202efdp.exe", "afdp.exe"),
        ("one\r\n two\u3000.txt", "one   two .txt"),
        ("..", ""),
        ("\x00", ""),
        ("长" * 200 + ".pdf", "长" * 83 + ".pdf"),
    ],
)
def test_a_name_is_kept_as_far_as_a_file_can_be_called_so(written: str, name: str) -> None:
    assert cleaned(written) == name


def test_names_are_read_however_they_are_written() -> None:
    for field in (
        'Content-Disposition: attachment; filename="=?utf-8?B?5oql5Lu3LnBkZg==?="',
        "Content-Disposition: attachment; filename*=utf-8''%E6%8A%A5%E4%BB%B7.pdf",
        "Content-Disposition: attachment; filename*0*=utf-8''%E6%8A%A5; filename*1*=%E4%BB%B7.pdf",
        'Content-Type: application/pdf; name="=?gbk?B?sai82y5wZGY=?="',
    ):
        found, _ = files_in([f"{field}\n\nx".encode()])
        assert [each[0] for each in found] == ["报价.pdf"], field
    assert file_name(EmailMessage(), 7) == "file-7.txt"


def test_of_hundreds_of_files_those_that_are_too_many_are_one_that_says_so() -> None:
    part = b"--b\nContent-Type: application/x-data\n\nx\n"
    found, _ = files_in([b"Content-Type: multipart/mixed; boundary=b\n\n" + part * (MAX_FILES + 5) + b"--b--"])
    assert len(found) == MAX_FILES + 1
    assert [each[0] for each in found].index(None) == MAX_FILES


def test_a_large_mail_is_never_in_memory_and_one_without_end_is_cut_off() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nSee.\n--b\nContent-Type: application/x-data\n"
    line = base64.b64encode(b"x" * 57) + b"\n"
    piece = line * 9_000

    def pieces() -> Iterator[bytes]:
        yield head + b"Content-Transfer-Encoding: base64\n\n"
        for _ in range(MAX_MAIL_BYTES // len(piece) + 1):
            yield piece

    stream, size, ends = MailStream(), 0, list[FileEnds]()
    tracemalloc.start()
    for each in pieces():
        size += sum(len(step.content) for step in stream.feed(each) if isinstance(step, FileBytes))
    ends = [step for step in stream.end() if isinstance(step, FileEnds)]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert ends == [FileEnds(cut_off=True)]
    assert size == pytest.approx(MAX_MAIL_BYTES * 57 / 77, rel=0.001)
    assert len(stream.letter) < MAX_LETTER_BYTES
    assert peak < 8 * len(piece)


def test_a_mail_that_is_made_to_keep_us_busy_is_not_taken_apart_to_its_end() -> None:
    head = b"Content-Type: multipart/mixed; boundary=b\n\n--b\n\nhello\n"
    for part in (b"--b\n\nx\n", b"--b\nContent-Type:a/b\n\nx\n", b"--b\n" + b"A: b\n" * 50_000 + b"\nx\n"):
        found, stream = files_in([head, part * (700_000 // len(part) + 1), part * (700_000 // len(part) + 1), b"--b--"])
        assert [each[0] for each in found].count(None) == 1, part[:20]
        assert len(found) <= MAX_FILES + 1
        assert stream.letter.count(b"\n--b\n") <= MAX_PARTS
        assert (parse_mail(bytes(stream.letter)).text or "").startswith("hello")


def test_lines_that_look_like_boundaries_are_bytes_of_their_file_and_no_steps_of_their_own() -> None:
    stream = MailStream()
    stream.feed(b"Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: application/x-data\n\n")
    for line in (b"--x\n", b"--bx\n", b"--b " + b" " * 900 + b"x\n", b"\n--\n"):
        steps = stream.feed(line * 10_000)
        assert [type(each) for each in steps] == [FileBytes], line[:20]

"""What is read of a mail, whatever is broken in it."""

from datetime import UTC, datetime
from email.message import EmailMessage
from functools import partial

import pytest
from crm_service_desk.mail.charsets import CONTROLS, as_text
from crm_service_desk.mail.html import text_of
from crm_service_desk.mail.parsing import (
    CUT,
    MAX_ADDRESS,
    MAX_ID,
    MAX_NAME,
    MAX_RECIPIENTS,
    MAX_REFERENCES,
    MAX_SUBJECT,
    MAX_TEXT,
    Mail,
    parse_mail,
)
from hypothesis import given
from hypothesis import strategies as st

from tests.steps import quickest

HELLO = "今天早上起停电，请尽快派人。"
KOREAN = "오늘 아침부터 정전입니다. 빨리 와 주세요."
TRADITIONAL = "今天早上起停電，請盡快派人。"


def mail(head: str = "", body: bytes = b"hello") -> Mail:
    return parse_mail(f"From: chen@huaxin.example\n{head}\n".encode() + body)


def typed(charset: str, text: str) -> str | None:
    return mail(f"Content-Type: text/plain; charset={charset}\n", text.encode(codec(charset))).text


def codec(charset: str) -> str:
    return {"ks_c_5601-1987": "cp949"}.get(charset, charset)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("utf-8", HELLO),
        ("gb2312", HELLO),
        ("gbk", HELLO),
        ("gb18030", HELLO + "𠮷"),
        ("big5", TRADITIONAL),
        ("euc-kr", KOREAN),
        ("ks_c_5601-1987", KOREAN),
        ("iso-2022-jp", "こんにちは"),
        ("iso-8859-1", "Grüße"),
        ("utf-16", HELLO),
    ],
)
def test_a_text_is_read_by_its_charset(charset: str, text: str) -> None:
    assert typed(charset, text) == text


@pytest.mark.parametrize("charset", ["", "x-unknown", "us-ascii", "utf-8", "base64", "rot13"])
def test_a_text_whose_charset_is_wrong_or_none_is_read_by_a_likely_one(charset: str) -> None:
    head = f"Content-Type: text/plain; charset={charset}\n" if charset else ""
    assert mail(head, HELLO.encode("gb18030")).text == HELLO


def test_a_subject_is_read_encoded_split_within_a_character_and_as_bare_bytes() -> None:
    data = "停电".encode()
    from base64 import b64encode

    halves = [b64encode(each).decode() for each in (data[:4], data[4:])]
    split = "\n ".join(f"=?utf-8?B?{each}?=" for each in halves)
    assert mail(f"Subject: {split}\n").subject == "停电"
    bare = b"From: a@b.example\nSubject: " + "停电".encode("gbk") + b"\n\n"
    assert parse_mail(bare).subject == "停电"
    assert mail("Subject: =?utf-8?B?broken\n").subject == "=?utf-8?B?broken"


def test_the_plain_text_is_taken_before_the_page_and_files_are_passed_over() -> None:
    written = EmailMessage()
    written["From"] = "陈晨 <chen@huaxin.example>"
    written.set_content(HELLO)
    written.add_alternative(f"<p>{HELLO}!</p>", subtype="html")
    written.add_attachment("a file", filename="notes.txt")
    read = parse_mail(written.as_bytes())
    assert (read.text, read.from_name, read.from_address) == (HELLO, "陈晨", "chen@huaxin.example")


def test_of_a_page_alone_what_it_shows_is_taken() -> None:
    page = "<html><head><style>p {}</style><title>t</title></head><body><p>停电<br>七号楼</p><script>x</script></body>"
    head = "Content-Type: text/html; charset=utf-8\n"
    assert mail(head, page.encode()).text == "停电\n七号楼"
    assert mail(head, b"<style>p {}</style>").text is None


def test_a_plain_text_that_shows_nothing_gives_way_to_the_page() -> None:
    written = EmailMessage()
    written.set_content(" \n\u200b")
    written.add_alternative("<b>here</b>", subtype="html")
    assert parse_mail(written.as_bytes()).text == "here"


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: auto-replied",
        "auto-submitted: Auto-Generated; x=y",
        "Precedence: bulk",
        "X-Auto-Response-Suppress: DR, OOF",
        "X-Autoreply: yes",
        "Return-Path: <>",
        "Content-Type: multipart/report; boundary=x",
    ],
)
def test_what_a_program_wrote_is_recognised(head: str) -> None:
    assert mail(f"{head}\n").automatic


@pytest.mark.parametrize(
    "head",
    [
        "Auto-Submitted: no",
        "Precedence: first-class",
        "X-Auto-Response-Suppress: DR, RN, NRN",
        "Return-Path: <a@b.c>",
        "",
    ],
)
def test_what_a_person_wrote_is_not_taken_for_a_programs(head: str) -> None:
    assert not mail(f"{head}\n" if head else "").automatic


def test_what_it_answers_is_told_with_the_latest_last() -> None:
    read = mail("References: <1@x>\n <2@x>\nIn-Reply-To: your mail <1@x> of today\n")
    assert read.thread_references == ("<2@x>", "<1@x>")
    assert mail("In-Reply-To: <>\nReferences: < >\n").thread_references == ()


@pytest.mark.parametrize("written", ["<7@x>", "7@x", " <7@x> (comment)", "\n <7@x>"])
def test_an_id_is_the_same_however_it_is_written(written: str) -> None:
    assert mail(f"Message-ID: {written}\n").source_id == "<7@x>"


@pytest.mark.parametrize("written", ["", "<>", f"<{'7' * 600}@x>", "a b c"])
def test_what_is_no_id_is_replaced_by_what_the_bytes_add_up_to(written: str) -> None:
    assert mail(f"Message-ID: {written}\n").source_id.startswith("sha256:")


def test_a_date_is_read_and_what_is_none_is_not_known() -> None:
    assert mail("Date: Fri, 27 Nov 2026 09:00:00 +0800\n").sent_time == datetime(2026, 11, 27, 1, tzinfo=UTC)
    for date in ("yesterday", "", "Fri, 27 Nov 1926 09:00:00 +0000", "Fri, 99 Nov 2026 09:00:00 +9999"):
        assert mail(f"Date: {date}\n").sent_time is None, date


def test_a_long_text_is_cut_where_everybody_sees_it() -> None:
    read = mail("", b"a" * 30_000)
    assert read.text is not None
    assert (len(read.text), read.text.endswith(CUT)) == (MAX_TEXT, True)


def test_parts_without_end_and_nested_without_end_are_read_in_bounded_time() -> None:
    many = b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 60_000
    deep = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (each, each) for each in range(2_000))
    pages = b"Content-Type: text/html\n\n" + b"<" * 600_000
    for raw in (many, deep, pages):
        assert quickest(partial(parse_mail, b"From: a@b.example\n" + raw), 10) < 10


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Type: text/html", b"<a "),
        ("Content-Type: text/html", b"<a b='"),
        ("Content-Type: text/html", b"<!--"),
        ("Content-Type: text/html", b"</"),
        ("Content-Type: text/html", b"<?"),
        ("Content-Type: text/html", b"<script>"),
        ('Content-Type: text/plain; a="' + ";" * 100_000, b""),
        ("Subject: " + "=?a?q?x" * 20_000, b""),
        ("To: " + "<" * 100_000, b""),
        ("".join(f"Content-Type: multipart/mixed; boundary=b{n}\n\n--b{n}\n" for n in range(200)), b"x\n"),
    ],
    ids=["tags", "values", "comments", "ends", "instructions", "scripts", "parameters", "words", "addresses", "depth"],
)
def test_what_is_written_to_take_for_ever_is_read_at_once(head: str, body: bytes) -> None:
    text = body * (100_000 // max(1, len(body)))
    assert_within_bounds(mail(f"{head}\n", text))
    assert quickest(lambda: mail(f"{head}\n", text), 3) < 3


@pytest.mark.parametrize(
    "head",
    [
        "From: " + "(" * 5_000,
        "To: " + "a:" * 5_000,
        "Subject: =?idna?Q?a..b=FF?=",
        "Content-Type: text/plain; charset=undefined",
        "Content-Type: text/plain; charset=idna",
        "Content-Type: text/plain; charset*0=a; charset*=b; charset*1*=c",
        f"Content-Type: text/plain; charset*{'9' * 900}=b",
        "Content-Type: text/plain; name*=a\0b''x",
        "Content-Type: multipart/mixed; boundary*=undefined''x%ff",
        "Content-Disposition: inline; filename*=idna''a..b%ff",
        "Content-Disposition: inline; filename*x=a; filename*0=b; filename=c",
        "Content-Type: =?utf-8?q?text/plain=3B?= charset=\xff",
        "Content-Transfer-Encoding: =?utf-8?q?quoted?= \xff",
    ],
)
def test_a_header_that_the_library_gives_up_on_keeps_no_mail_out(head: str) -> None:
    read = mail(f"Message-ID: <7@x>\n{head}\n", b"hel\xfflo")
    assert_within_bounds(read)
    assert read.source_id == "<7@x>"


def test_a_page_is_read_as_a_browser_shows_it() -> None:
    page = '<p title="a > b">1 < 2 &amp; 3<!-- no > --></p><scr<b>ipt</b>'
    page += "<SCRIPT>if (a<b) </p></SCRIPT ><p>don't &#99999999999;"
    assert text_of(page) == "1 < 2 & 3\nipt\ndon't \ufffd"
    assert text_of("shown <p " + "a=b ") == "shown"
    assert text_of("<head><title>t</title><body>shown") == "shown"


def test_a_name_of_a_file_in_any_charset_makes_a_file_of_its_part() -> None:
    head = "Content-Type: text/plain\nContent-Disposition: inline; filename*=gb18030''%CD%A3.txt\n"
    assert mail(head).text is None


@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_whatever_bytes_come_they_are_read_within_the_bounds_of_the_contract(raw: bytes) -> None:
    assert_within_bounds(parse_mail(raw))


HEADS = st.sampled_from(
    ["From", "To", "Cc", "Subject", "Message-ID", "References", "Date", "Content-Type", "Content-Transfer-Encoding"]
)
VALUES = st.text(max_size=60) | st.sampled_from(
    [
        "=?x?Q?=FF?=",
        "=?utf-8?B?!!?=",
        "multipart/mixed",
        "text/html; charset=\x00",
        "base64",
        "<a@b>",
        "a@b, <c",
        "text",
    ]
)


@given(st.lists(st.tuples(HEADS, VALUES), max_size=8), st.binary(max_size=200))
def test_whatever_its_header_says_it_is_read_within_the_bounds_of_the_contract(
    fields: list[tuple[str, str]], body: bytes
) -> None:
    head = "".join(f"{name}: {value}\n" for name, value in fields).encode("utf-8", "surrogatepass")
    assert_within_bounds(parse_mail(head + b"\n" + body))


def assert_within_bounds(read: Mail) -> None:
    texts = {
        MAX_ID: [read.source_id, *read.thread_references],
        MAX_ADDRESS: [read.from_address, *read.to_addresses],
        MAX_NAME: [read.from_name or ""],
        MAX_SUBJECT: [read.subject or ""],
        MAX_TEXT: [read.text or ""],
    }
    for most, each in ((most, each) for most, found in texts.items() for each in found):
        assert len(each) <= most
        assert not CONTROLS.search(each)
    assert read.source_id and read.from_address.strip() == read.from_address
    assert len(read.to_addresses) <= MAX_RECIPIENTS
    assert len(read.thread_references) <= MAX_REFERENCES


@given(st.text(max_size=200))
def test_a_page_never_shows_more_than_it_has(text: str) -> None:
    shown = text_of(text.replace("<", "").replace("&", ""))
    assert shown.split() == text.replace("<", "").replace("&", "").split()


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=50))
def test_what_was_written_in_utf_8_is_read_so(text: str) -> None:
    assert as_text(text.encode()) == text.replace("\ufeff", "")


TEXT, PAGE, PICTURE = (
    b"Content-Type: text/plain\n\n%s",
    b"Content-Type: text/html\n\n<p>%s</p>",
    b"Content-Type: image/png\n\nx",
)


def parts(kind: bytes, *within: bytes) -> bytes:
    """A part of that kind with these in it."""
    boundary = b"b-" + kind
    lines = b"".join(b"--" + boundary + b"\n" + each + b"\n" for each in within)
    return b"Content-Type: multipart/%s; boundary=%s\n\n%s--%s--\n" % (kind, boundary, lines, boundary)


BOTH = parts(b"alternative", TEXT % b"plain", PAGE % b"page")


@pytest.mark.parametrize(
    ("part", "text"),
    [
        (parts(b"mixed", TEXT % b"one", PICTURE, TEXT % b"two"), "one\n\ntwo"),
        (parts(b"mixed", PAGE % b"one", PICTURE, PAGE % b"two"), "one\n\ntwo"),
        (parts(b"mixed", PAGE % b"what they want", TEXT % b"a footer"), "what they want\n\na footer"),
        (parts(b"mixed", BOTH, TEXT % b"a footer"), "plain\n\na footer"),
        (parts(b"alternative", PAGE % b"page", TEXT % b"plain"), "plain"),
        (parts(b"alternative", TEXT % b" ", parts(b"related", PAGE % b"page", PICTURE)), "page"),
        (parts(b"mixed", TEXT % b"see below", b"Content-Type: message/rfc822\n\n" + TEXT % b"forwarded"), "see below"),
        (parts(b"mixed", PICTURE, b"Content-Type: message/rfc822\n\n" + BOTH), "plain"),
        (parts(b"mixed", PICTURE, b"Content-Type: text/plain; name=a.txt\n\nfile"), None),
    ],
)
def test_what_stands_between_pictures_is_read_and_nothing_twice(part: bytes, text: str | None) -> None:
    assert parse_mail(b"From: a@kunde.example\n" + part).text == text

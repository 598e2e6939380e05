"""Mails of ours as they travel, read again as others read them."""

from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import SMTP
from typing import Any

from crm_service_desk.mail.composing import Draft, File, compose
from crm_service_desk.mail.parsing import parse_mail
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
LONG = "<" + "a" * 300 + "@kunde.example>"


def draft(**values: Any) -> Draft:
    given_values: dict[str, Any] = {
        "message_id": "<01920f3c-8d2a-7c41-9b1e-5a2f6c7d8e90@huaxin.example>",
        "from_name": "客服邮箱",
        "from_address": "service@huaxin.example",
        "to_addresses": ("chen@kunde.example",),
        "cc_addresses": (),
        "subject": "停电 [C-2026-000001]",
        "text": "您好",
        "references": (),
        "time": NOW,
    }
    return Draft(**given_values | values)


def test_ids_stand_in_the_header_as_they_are_however_long() -> None:
    ids = ("<1@kunde.example>", LONG, "<" + "b" * 200 + "@kunde.example>")
    raw = b"".join(compose(draft(references=(*ids, "sha256:00", "<no id>", "<ü@x.example>"))))
    head = raw.partition(b"\r\n\r\n")[0].decode("ascii")
    assert "=?" not in head.partition("Message-ID:")[2]
    assert parse_mail(raw).thread_references == ids
    assert f"In-Reply-To: {ids[-1]}\r\n" in raw.decode()


TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], include_characters="\n\t"), min_size=1, max_size=300)


@given(TEXTS, TEXTS, TEXTS)
def test_nothing_that_anybody_writes_adds_a_line_to_the_header(name: str, subject: str, text: str) -> None:
    raw = b"".join(compose(draft(from_name=name, subject=subject, text=text)))
    mail = message_from_bytes(raw, policy=SMTP)
    fields = ["From", "To", "Subject", "Date", "MIME-Version", "Message-ID"]
    assert [each for each in mail if not each.startswith("Content-")] == fields
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 998


@given(st.lists(st.binary(min_size=1, max_size=2000), min_size=1, max_size=3), TEXTS)
def test_files_come_out_byte_for_byte(contents: list[bytes], name: str) -> None:
    files = [File(f"x{name}", "application/octet-stream", content) for content in contents]
    mail: Any = message_from_bytes(b"".join(compose(draft(), files)), policy=SMTP)
    _, *parts = mail.iter_parts()
    assert [part.get_payload(decode=True) for part in parts] == contents
    assert {part.get_content_disposition() for part in parts} == {"attachment"}


def test_a_large_file_is_written_in_pieces_of_whole_lines() -> None:
    content = bytes(range(256)) * 8192
    pieces = compose(draft(), [File("a.bin", "application/octet-stream", content)])
    assert max(map(len, pieces)) < 400_000
    assert all(each.endswith(b"\r\n") for each in pieces)
    mail: Any = message_from_bytes(b"".join(pieces), policy=SMTP)
    assert list(mail.iter_parts())[1].get_payload(decode=True) == content


def test_a_mail_that_goes_with_it_as_a_file_comes_out_as_that_file() -> None:
    content = b"From: chen@kunde.example\r\nSubject: x\r\n\r\nHello"
    for media_type in ("message/rfc822", "multipart/related"):
        mail: Any = message_from_bytes(b"".join(compose(draft(), [File("x.eml", media_type, content)])), policy=SMTP)
        _, part = mail.iter_parts()
        assert (part.get_filename(), part.get_payload(decode=True)) == ("x.eml", content)

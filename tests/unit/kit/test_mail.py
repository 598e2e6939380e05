"""What a mail may be, how it looks on its way, when it is tried again, and when it is given up."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from uuid import UUID

import pytest
from aiosmtplib.email import parse_address
from crm_kit.errors import InvalidArgument
from crm_kit.ids import new_id
from crm_kit.mail.delivery import outcome_of
from crm_kit.mail.message import compose
from crm_kit.mail.model import (
    GIVE_UP_AFTER,
    LONGEST_WAIT,
    MAX_ATTACHMENT_BYTES,
    MAX_RECIPIENTS,
    Attachment,
    Mail,
    Outcome,
    Progress,
    State,
)
from crm_kit.mail.server import Protection, mail_server
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2027, 3, 19, 12, tzinfo=UTC)
SENDER = "关系 CRM <crm@example.org>"
ADDRESSES = ["a@x.example", "b@x.example", "c@x.example"]


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.SMTP)
    assert isinstance(message, EmailMessage)
    return message


def composed(mail: Mail, id: UUID | None = None) -> bytes:
    server = mail_server("smtp://localhost", SENDER)
    return compose(
        id or new_id(),
        sender=server.sender,
        recipients=mail.recipients,
        subject=mail.subject,
        text=mail.text,
        attachments=mail.attachments,
        time=START,
    )


def test_a_mail_in_chinese_with_a_file_arrives_as_it_was_written() -> None:
    file = Attachment("报表 三月.csv", "text/csv", "客户,金额\n华信,1".encode())
    data = composed(Mail(("wang@华信.example",), "待审批:信用额度", "您好\n.\n再见", (file,)).checked())
    assert data.isascii()
    message = parsed(data)
    assert message["subject"] == "待审批:信用额度"
    assert str(message["from"]) == SENDER
    assert message["to"].addresses[0].addr_spec == "wang@xn--vuq56f.example"
    body = message.get_body()
    assert body is not None
    assert body.get_content().splitlines() == ["您好", ".", "再见"]
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_payload(decode=True)) == (file.file_name, file.content)


def test_the_message_is_the_same_at_every_attempt() -> None:
    """By its Message-ID a mail that arrives twice is known for the same."""
    mail, id = Mail(("a@x.example",), "One", "text"), new_id()
    first, again = parsed(composed(mail, id)), parsed(composed(mail, id))
    assert first["message-id"] == again["message-id"] == f"<{id}@example.org>"
    assert first["date"] == again["date"]


@pytest.mark.parametrize("character", ["\n", "\r", "\r\n", "\x00", "\x85", "\u2028", "\x0b"])
def test_nothing_written_into_a_subject_or_file_name_becomes_a_header(character: str) -> None:
    injected = f"Hello{character}Bcc: all@x.example"
    with pytest.raises(InvalidArgument) as refused:
        Mail(("a@x.example",), injected, "text").checked()
    assert [each.field for each in refused.value.violations] == ["subject"]
    with pytest.raises(InvalidArgument) as refused:
        Mail(("a@x.example",), "Hello", "text", (Attachment(injected, "text/csv", b""),)).checked()
    assert [each.field for each in refused.value.violations] == ["attachments[0].file_name"]


@given(st.text("=?.!#$%&'*+/^_`{|}~-azq8", min_size=1, max_size=64))
def test_of_whatever_is_taken_for_an_address_there_is_a_message(local_part: str) -> None:
    try:
        mail = Mail((f"{local_part}@x.example",), "Hello", "text").checked()
    except InvalidArgument:
        return
    parse_address(mail.recipients[0])
    assert [each.addr_spec for each in parsed(composed(mail))["to"].addresses] == list(mail.recipients)


@pytest.mark.parametrize("media_type", ["", "csv", "text/", "text/csv; a=b", "message/rfc822", "multipart/mixed"])
def test_what_is_no_kind_of_file_is_named(media_type: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Mail(("a@x.example",), "Hello", "text", (Attachment("a", media_type, b""),)).checked()
    assert [each.field for each in refused.value.violations] == ["attachments[0].media_type"]


@given(st.text(max_size=200), st.text(max_size=300))
def test_whatever_is_sent_has_the_headers_that_it_should_have(subject: str, text: str) -> None:
    mail = Mail(("a@x.example",), subject, text)
    try:
        mail = mail.checked()
    except InvalidArgument:
        return
    message = parsed(composed(mail))
    names = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "Content-Type",
        "Content-Transfer-Encoding",
    ]
    assert sorted(message.keys()) == sorted([*names, "MIME-Version"])


@pytest.mark.parametrize(
    "address",
    ["", "a", "a@", "@x.example", "a@x", "a b@x.example", "a@x.example\n", "a@x.example,b@x.example", "<a@x.example>",
     "a@-x.example", "a@x..example", "王@x.example", "a..b@x.example", '"a b"@x.example', f"{'a' * 65}@x.example",
     "a@x.example>\r\nRCPT TO:<b@x.example", "=?utf-8?q?a?=@x.example", "=?utf-8?q?=0ABcc:=20b?=@x.example",
     "a@" + ".".join(["a" * 63] * 4)],
)  # fmt: skip
def test_what_is_no_address_is_named(address: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Mail(("good@x.example", address), "Hello", "text").checked()
    assert [each.field for each in refused.value.violations] == ["recipients[1]"]


def test_a_mail_has_some_recipients_each_once_and_not_too_many() -> None:
    assert Mail(("a@x.example", "a@x.example"), "Hello", "").checked().recipients == ("a@x.example",)
    for recipients in ((), tuple(f"u{number}@x.example" for number in range(MAX_RECIPIENTS + 1))):
        with pytest.raises(InvalidArgument):
            Mail(recipients, "Hello", "").checked()


def test_attachments_are_bounded_together() -> None:
    half = Attachment("a.bin", "application/octet-stream", bytes(MAX_ATTACHMENT_BYTES // 2))
    assert Mail(("a@x.example",), "Hello", "", (half, half)).checked()
    with pytest.raises(InvalidArgument) as refused:
        Mail(("a@x.example",), "Hello", "", (half, half, half)).checked()
    assert [each.field for each in refused.value.violations] == ["attachments"]


# --- progress ---


def waiting(attempts: int = 1, recipients: tuple[str, ...] = tuple(ADDRESSES)) -> Progress:
    return Progress(new_id(), recipients, attempts, START, START)


@given(st.lists(st.sampled_from(["taken", "later", "never"]), min_size=3, max_size=3), st.floats(0, 1))
def test_each_recipient_is_reached_once_or_named(replies: list[str], jitter: float) -> None:
    said = dict(zip(ADDRESSES, replies, strict=True))
    outcome = Outcome(
        later={each: "450 busy" for each, reply in said.items() if reply == "later"},
        never={each: "550 unknown" for each, reply in said.items() if reply == "never"},
    )
    after = waiting().after(outcome, now=START, jitter=jitter)
    assert list(after.recipients) == [each for each, reply in said.items() if reply == "later"]
    assert list(after.refused) == [each for each, reply in said.items() if reply == "never"]
    if "later" in replies:
        assert after.state is State.WAITING
    else:
        assert after.state is (State.FAILED if "never" in replies else State.SENT)


def test_a_mail_that_is_never_taken_is_tried_for_three_days_with_growing_waits() -> None:
    mail, now, waits = waiting(attempts=0), START, []
    while mail.state is State.WAITING:
        mail = Progress(mail.id, mail.recipients, mail.attempts + 1, START, now, mail.refused)
        mail = mail.after(Outcome(later=dict.fromkeys(ADDRESSES, "451 later")), now=now, jitter=0.5)
        waits.append(mail.next_attempt_time - now)
        now = mail.next_attempt_time
    waits.pop()
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(minutes=1), LONGEST_WAIT)
    assert GIVE_UP_AFTER <= now - START < GIVE_UP_AFTER + LONGEST_WAIT
    assert (mail.state, mail.refused, mail.reason) == (State.FAILED, tuple(ADDRESSES), "451 later")


def test_an_attempt_that_never_came_to_it_counts_for_nothing() -> None:
    assert waiting(attempts=3).put_back(START).attempts == 2


@pytest.mark.parametrize(
    ("code", "of_sender", "final"),
    [(421, False, False), (450, False, False), (552, False, True), (550, False, True), (554, False, True),
     (530, False, False), (535, False, False), (550, True, False), (552, True, True)],
)  # fmt: skip
def test_only_what_the_server_has_against_the_mail_itself_is_final(code: int, of_sender: bool, final: bool) -> None:
    outcome = outcome_of({"a@x.example": (code, "said")}, of_sender=of_sender)
    expected: Mapping[str, str] = {"a@x.example": f"{code} said"}
    assert (outcome.never, outcome.later) == ((expected, {}) if final else ({}, expected))


# --- settings ---


@pytest.mark.parametrize(
    ("url", "protection", "port", "user"),
    [("smtp://relay", Protection.NONE, 25, None), ("smtp://127.0.0.1:2525", Protection.NONE, 2525, None),
     ("starttls://crm:p%40ss@mail.example.org", Protection.STARTTLS, 587, "crm"),
     ("smtps://crm%40example.org:p@mail.example.org:4650", Protection.TLS, 4650, "crm@example.org")],
)  # fmt: skip
def test_a_server_is_read_from_its_url(url: str, protection: Protection, port: int, user: str | None) -> None:
    server = mail_server(url, SENDER)
    assert (server.protection, server.port, server.user) == (protection, port, user)
    assert "p@ss" not in repr(server)


@pytest.mark.parametrize(
    ("url", "sender", "named"),
    [("http://mail", SENDER, "smtp_url"), ("smtp://", SENDER, "smtp_url"), ("smtp://u:p@mail", SENDER, "smtp_url"),
     ("smtps://mail:99999", SENDER, "smtp_url"), ("smtps://mail/inbox", SENDER, "smtp_url"),
     ("smtps://mail", "", "mail_from"), ("smtps://mail", "nobody", "mail_from")],
)  # fmt: skip
def test_a_server_that_makes_no_sense_is_named_by_its_setting(url: str, sender: str, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}: "):
        mail_server(url, sender)

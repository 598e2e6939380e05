"""Hands a message in at the mail server, and says what the server said to it."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from aiosmtplib import (
    SMTP,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPSenderRefused,
)

from crm_kit.errors import Unavailable
from crm_kit.mail.model import Outcome, is_final
from crm_kit.mail.server import MailServer, Protection

COMMAND_SECONDS = 30.0
MAIL_SECONDS = 240.0
MAX_REPLY = 500


async def deliver(server: MailServer, recipients: Sequence[str], message: bytes) -> Outcome:
    """Hand in a message. Unavailable when the server cannot be spoken to at all, whatever is handed in."""
    client = SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user,
        password=server.password,
        use_tls=server.protection is Protection.TLS,
        start_tls=server.protection is Protection.STARTTLS,
        timeout=COMMAND_SECONDS,
    )
    try:
        try:
            await client.connect()
        except (SMTPException, OSError) as error:
            raise Unavailable(f"the mail server does not serve: {type(error).__name__}") from error
        async with asyncio.timeout(MAIL_SECONDS):
            outcome = await _hand_in(client, server.sender.addr_spec, recipients, message)
        # However long it takes to say good-bye, the mail is handed in.
        with contextlib.suppress(SMTPException, OSError):
            await client.quit()
    except TimeoutError:
        return Outcome(later=dict.fromkeys(recipients, "the server took too long"))
    else:
        return outcome
    finally:
        client.close()


async def _hand_in(client: SMTP, sender: str, recipients: Sequence[str], message: bytes) -> Outcome:
    try:
        refused, _ = await client.sendmail(sender, recipients, message)
        replies = {address: (each.code, each.message) for address, each in refused.items()}
    except SMTPRecipientsRefused as error:
        replies = {each.recipient: (each.code, each.message) for each in error.recipients}
    except SMTPHeloError as error:
        # Said to whoever calls, before there was a mail: it is no word on this one.
        raise Unavailable(f"the mail server refuses to talk: {error.code}") from error
    except SMTPSenderRefused as error:
        return outcome_of(dict.fromkeys(recipients, (error.code, error.message)), of_sender=True)
    except SMTPResponseException as error:
        replies = dict.fromkeys(recipients, (error.code, error.message))
    except (SMTPException, OSError) as error:
        return Outcome(later=dict.fromkeys(recipients, f"the connection broke: {type(error).__name__}"))
    return outcome_of(replies)


def outcome_of(replies: Mapping[str, tuple[int, str]], *, of_sender: bool = False) -> Outcome:
    """The server's refusals, told apart by whether they are its last word."""
    said = {address: f"{code} {readable(text)}" for address, (code, text) in replies.items()}
    never = {each: said[each] for each, (code, _) in replies.items() if is_final(code, of_sender=of_sender)}
    return Outcome(later={each: reply for each, reply in said.items() if each not in never}, never=never)


def readable(reply: str) -> str:
    """A reply as a line that can be kept, whatever encoding the server writes in: what is not UTF-8 is escaped."""
    text = reply.encode(errors="surrogateescape").decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else " " for each in text)[:MAX_REPLY]

"""A mail as it travels: headers and body of RFC 5322, in ASCII, the same at every attempt."""

from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from uuid import UUID

from crm_kit.mail.model import Attachment

# Every server takes what is ASCII.
POLICY = SMTP.clone(cte_type="7bit")


def compose(
    id: UUID,
    *,
    sender: Address,
    recipients: Sequence[str],
    subject: str,
    text: str,
    attachments: Sequence[Attachment],
    time: datetime,
) -> bytes:
    """The whole message. By its Message-ID, made of the id, one that arrives twice is known for the same."""
    message = EmailMessage(policy=POLICY)
    message["From"] = sender
    message["To"] = [Address(addr_spec=each) for each in recipients]
    message["Subject"] = subject
    message["Date"] = time
    message["Message-ID"] = f"<{id}@{sender.domain}>"
    # Nobody who is away answers it, and no list takes it for a person's.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(text)
    for each in attachments:
        main_type, _, sub_type = each.media_type.partition("/")
        message.add_attachment(each.content, maintype=main_type, subtype=sub_type, filename=each.file_name)
    return message.as_bytes()

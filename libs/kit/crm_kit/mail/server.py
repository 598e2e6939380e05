"""The installation's mail server, as its settings say."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

from crm_kit.errors import CrmError
from crm_kit.mail.model import address_of


class Protection(enum.StrEnum):
    """How the way to the server is protected: the scheme of its URL."""

    NONE = "smtp"
    STARTTLS = "starttls"
    TLS = "smtps"


PORTS: Mapping[Protection, int] = {Protection.NONE: 25, Protection.STARTTLS: 587, Protection.TLS: 465}


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in, and as whom."""

    host: str
    port: int
    protection: Protection
    sender: Address
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)


def mail_server(url: str, sender: str) -> MailServer:
    """The server of the settings `smtp_url` and `mail_from`; ValueError that begins with the one that is wrong."""
    parts = urlsplit(url)
    try:
        protection, port = Protection(parts.scheme), parts.port
    except ValueError:
        raise ValueError(f"smtp_url: must begin with one of {', '.join(f'{each}://' for each in Protection)}") from None
    if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("smtp_url: must be like starttls://user:password@host:587")
    if parts.username and protection is Protection.NONE:
        raise ValueError("smtp_url: a password goes over starttls:// or smtps:// alone")
    return MailServer(
        host=parts.hostname,
        port=port or PORTS[protection],
        protection=protection,
        sender=sender_of(sender),
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
    )


def sender_of(text: str) -> Address:
    """The address in a text like `Guanxi <crm@example.org>`; ValueError for what is none."""
    name, address = parseaddr(text)
    try:
        return Address(display_name=name, addr_spec=address_of(address, field="mail_from"))
    except (CrmError, ValueError) as error:
        raise ValueError("mail_from: must be like Guanxi <crm@example.org>") from error

"""The servers of a mailbox: from which it is fetched, and by which it sends."""

import asyncio
import ssl

from crm_kit.outbound_http.urls import is_loopback

from crm_service_desk.mailboxes.imap import Server
from crm_service_desk.mailboxes.model import SMTP_PORTS, Mailbox, SmtpSecurity
from crm_service_desk.mailboxes.smtp import SmtpServer


async def fetching_server(mailbox: Mailbox, *, loopback: bool) -> Server:
    """Where mail is fetched from; without TLS only on this very machine, in development (`loopback`)."""
    trusted = await _trust(mailbox.host, loopback=loopback)
    return Server(mailbox.host, mailbox.port, mailbox.login, mailbox.folder, trusted)


async def sending_server(mailbox: Mailbox, *, loopback: bool) -> SmtpServer:
    """Where mail is handed in, of a mailbox that has such a server."""
    assert mailbox.smtp_host is not None
    return SmtpServer(
        host=mailbox.smtp_host,
        port=mailbox.smtp_port or SMTP_PORTS[mailbox.smtp_security],
        login=mailbox.smtp_login or mailbox.login,
        trust=await _trust(mailbox.smtp_host, loopback=loopback),
        starttls=mailbox.smtp_security is SmtpSecurity.STARTTLS,
    )


async def _trust(host: str, *, loopback: bool) -> ssl.SSLContext | None:
    return None if loopback and is_loopback(host) else await asyncio.to_thread(_authorities)


def _authorities() -> ssl.SSLContext:
    # Loading them takes a moment, and so does what they come with.
    from crm_kit.outbound_http.exchanges import trust

    return trust()

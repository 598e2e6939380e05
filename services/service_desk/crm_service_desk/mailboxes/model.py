"""A mailbox: from which folder of which mail server mail is fetched for a channel, and how that goes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from crm_kit.errors import invalid_field, wrong_state
from crm_kit.outbound_http.urls import FIRST_FREE_PORT, is_host, is_loopback

IMAPS_PORT = 993
SMTPS_PORT, SUBMISSION_PORT = 465, 587
INBOX = "INBOX"
EVERY = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
# Servers lock out who comes again and again with a wrong password.
MAX_WAIT_REFUSED = timedelta(hours=6)
# A server that is away for less is nobody's concern.
TOLD_AFTER = timedelta(hours=1)
# A password is for the server and the login for which it was set.
OF_FETCHING = ("host", "port", "login")
OF_PASSWORD = (*OF_FETCHING, "smtp_host", "smtp_port", "smtp_security", "smtp_login")


class MailboxState(StrEnum):
    """Whether it is in use."""

    ACTIVE = "ACTIVE"
    ARCHIVED = "ARCHIVED"


class Failure(StrEnum):
    """Why nothing can be fetched."""

    NAME_NOT_FOUND = "NAME_NOT_FOUND"
    ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"
    NOT_CONNECTED = "NOT_CONNECTED"
    NOT_TRUSTED = "NOT_TRUSTED"
    TIMED_OUT = "TIMED_OUT"
    BROKEN_OFF = "BROKEN_OFF"
    LOGIN_REFUSED = "LOGIN_REFUSED"
    FOLDER_MISSING = "FOLDER_MISSING"
    KEY_CHANGED = "KEY_CHANGED"


class SmtpSecurity(StrEnum):
    """How the way to the server by which it sends is protected."""

    TLS = "TLS"
    STARTTLS = "STARTTLS"


SMTP_PORTS: Mapping[SmtpSecurity, int] = {
    SmtpSecurity.TLS: SMTPS_PORT,
    SmtpSecurity.STARTTLS: SUBMISSION_PORT,
}

# What stays so until a person mends it.
LASTING = frozenset(
    {
        Failure.ADDRESS_NOT_ALLOWED,
        Failure.NOT_TRUSTED,
        Failure.LOGIN_REFUSED,
        Failure.FOLDER_MISSING,
        Failure.KEY_CHANGED,
    }
)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Fields as in the contract.

    Methods return the changed one; a wrong state raises FailedPrecondition.
    """

    id: UUID
    channel_id: UUID
    host: str
    login: str
    create_time: datetime
    update_time: datetime
    version: int = 1
    state: MailboxState = MailboxState.ACTIVE
    port: int = IMAPS_PORT
    folder: str = INBOX
    password_time: datetime | None = None
    failure: Failure | None = None
    failing_since_time: datetime | None = None
    smtp_host: str | None = None
    smtp_port: int | None = None
    smtp_security: SmtpSecurity = SmtpSecurity.TLS
    smtp_login: str | None = None
    sending_failure: Failure | None = None
    sending_failing_since_time: datetime | None = None

    @property
    def is_fetched(self) -> bool:
        """Whether mail is fetched from it."""
        return self.state is MailboxState.ACTIVE and self.password_time is not None

    @property
    def sends(self) -> bool:
        """Whether mail is sent by it."""
        return self.is_fetched and self.smtp_host is not None

    def checked(self, *, loopback: bool) -> "Mailbox":
        """The mailbox itself; InvalidArgument for a server that may not be called.

        `loopback`: whether it may be on this very machine, as in development.
        """
        _check_host("host", self.host, loopback=loopback)
        if self.port != IMAPS_PORT and self.port < FIRST_FREE_PORT:
            raise invalid_field("mailbox.port", "mailbox_port", "must be 993, or one from 1024 on")
        if self.smtp_host is not None:
            _check_host("smtp_host", self.smtp_host, loopback=loopback)
        if self.smtp_port not in (None, SMTPS_PORT, SUBMISSION_PORT) and self.smtp_port < FIRST_FREE_PORT:
            raise invalid_field("mailbox.smtp_port", "mailbox_smtp_port", "must be 465, 587, or one from 1024 on")
        return self

    def update(self, values: Mapping[str, Any]) -> "Mailbox":
        """With new values of some fields; without its password where that was meant for another server or login."""
        self._require(MailboxState.ACTIVE, "changed")
        changed = replace(self, **values)
        return changed if changed.is_as_before(self) else replace(changed, password_time=None)

    def is_as_before(self, before: "Mailbox") -> bool:
        """Whether its password is for the same servers and logins."""
        return all(getattr(self, name) == getattr(before, name) for name in OF_PASSWORD)

    def fetches_as(self, before: "Mailbox") -> bool:
        """Whether mail is fetched from the same folder."""
        return all(getattr(self, name) == getattr(before, name) for name in (*OF_FETCHING, "folder"))

    def with_password(self, *, now: datetime) -> "Mailbox":
        """With a password that was set now."""
        self._require(MailboxState.ACTIVE, "given a password")
        # Whether it can be fetched is seen at once, and whether it can send with the next answer.
        return replace(self, password_time=now, sending_failure=None, sending_failing_since_time=None)

    def without_failures(self) -> "Mailbox":
        """With nothing wrong, since nothing is tried any more."""
        fetching = replace(self, failure=None, failing_since_time=None)
        return replace(fetching, sending_failure=None, sending_failing_since_time=None)

    def archive(self) -> "Mailbox":
        """Put it away, without its password."""
        self._require(MailboxState.ACTIVE, "archived")
        return replace(self, state=MailboxState.ARCHIVED, password_time=None)

    def restore(self) -> "Mailbox":
        """Bring it back."""
        self._require(MailboxState.ARCHIVED, "restored")
        return replace(self, state=MailboxState.ACTIVE)

    def _require(self, state: MailboxState, done: str) -> None:
        if self.state is not state:
            raise wrong_state("mailbox", self.state, done, legal=[state])


def _check_host(name: str, host: str, *, loopback: bool) -> None:
    if not is_host(host) or (is_loopback(host) and not loopback):
        detail = "must be a name, or a public address as it usually is written"
        raise invalid_field(f"mailbox.{name}", "mailbox_host", detail)


def wait_after(failure: Failure | None, count: int) -> timedelta:
    """How long until it is fetched again; `count` failures came one after the other, this one among them."""
    if failure is None:
        return EVERY
    most = MAX_WAIT_REFUSED if failure is Failure.LOGIN_REFUSED else MAX_WAIT
    return min(EVERY * (1 << min(count, 16)), most)


def is_to_be_told(failure: Failure | None, since: datetime, now: datetime) -> bool:
    """Whether those who look after a mailbox are told that it fails: of what stays so, and of what lasts."""
    return failure is not None and (failure in LASTING or now - since >= TOLD_AFTER)

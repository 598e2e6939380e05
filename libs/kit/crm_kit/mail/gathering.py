"""Gathers mail within a unit of work: it is sent if, and only if, what it tells of became true."""

from uuid import UUID
from weakref import WeakSet

from crm_kit.clock import system_now
from crm_kit.database.connections import Database
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import FailedPrecondition
from crm_kit.ids import new_id
from crm_kit.mail.model import Mail, State
from crm_kit.plumbing import outgoing_mails

_WITH_SERVER: WeakSet[Database] = WeakSet()


def set_up_mail(database: Database) -> None:
    """The service of this database has a mail server: what is gathered will be sent."""
    _WITH_SERVER.add(database)


def has_mail(reader: Reader) -> bool:
    """Whether the installation can send mail."""
    return reader.database in _WITH_SERVER


def require_mail(reader: Reader) -> None:
    """FailedPrecondition MAIL_NOT_SET_UP, for who asks for mail that would never come."""
    if not has_mail(reader):
        raise FailedPrecondition("this installation has no mail server", reason="MAIL_NOT_SET_UP")


def send_mail(work: UnitOfWork, mail: Mail) -> UUID | None:
    """Gather a mail; its id, or None where the installation has no mail server and nothing is gathered.

    InvalidArgument for what cannot be sent, whether there is a server or not.
    """
    mail = mail.checked()
    if not has_mail(work):
        return None
    now, id = system_now(), new_id()
    work.insert(
        outgoing_mails,
        {
            "id": id,
            "recipients": mail.recipients,
            "addressed_to": mail.recipients,
            "refused": (),
            "subject": mail.subject,
            "text": mail.text,
            "file_names": [each.file_name for each in mail.attachments],
            "media_types": [each.media_type for each in mail.attachments],
            "contents": [each.content for each in mail.attachments],
            "state": State.WAITING,
            "attempts": 0,
            "next_attempt_time": now,
            "gather_time": now,
        },
    )
    return id

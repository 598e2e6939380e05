"""Mailboxes, declared. They serve everybody, so every scope sees them all."""

from crm.service_desk.v1 import events_pb2 as events
from crm.service_desk.v1 import mailboxes_pb2 as pb
from crm_kit.resource.writing import Resource

from crm_service_desk.mailboxes.model import Mailbox, MailboxState
from crm_service_desk.mailboxes.tables import mailboxes

MAILBOXES = Resource(
    "mailbox",
    entity=Mailbox,
    table=mailboxes,
    message=pb.Mailbox,
    created=events.MailboxCreated,
    updated=events.MailboxUpdated,
    unversioned={"failure", "failing_since_time", "sending_failure", "sending_failing_since_time"},
    hidden={"state": {MailboxState.ARCHIVED}},
    verbs={
        "ArchiveMailbox": lambda mailbox, _: mailbox.archive(),
        "RestoreMailbox": lambda mailbox, _: mailbox.restore(),
        "SetMailboxPassword": lambda mailbox, attempt: mailbox.with_password(now=attempt.now),
    },
)

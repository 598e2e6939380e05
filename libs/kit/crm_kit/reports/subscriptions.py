"""What becomes of a subscription each time: somebody has the answer, or is told why not, or has it no more."""

import contextlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.resource.v1 import events_pb2 as events
from sqlalchemy import Select, bindparam, select

from crm_kit.database.statements import statement
from crm_kit.database.work import Reader, UnitOfWork
from crm_kit.errors import InvalidArgument
from crm_kit.mail.gathering import send_mail
from crm_kit.mail.model import Mail
from crm_kit.notice_texts import OUTCOME
from crm_kit.notices import Kind, raise_notice
from crm_kit.plumbing import access_tenants, access_users, report_timers, reports
from crm_kit.reports.mails import Recipient, language_for
from crm_kit.reports.model import Report, Subscription
from crm_kit.reports.resource import REPORTS

COLLECTION = "reports"
READY = Kind.NOTICE_KIND_REPORT_READY


@dataclass(frozen=True, slots=True)
class Sent:
    """The answer, as a mail."""

    mail: Mail


@dataclass(frozen=True, slots=True)
class Refused:
    """Why there is no answer, such as that it takes too long."""

    detail: str


def keep_sent(work: UnitOfWork, report: Report, user_id: UUID, made: Sent | Refused) -> None:
    """Gather the mail, where there is a server for it and the login is an address, and the notice."""
    if isinstance(made, Refused):
        _tell(work, report, [user_id], "FAILED", text=made.detail)
        return
    # Not every login is an address: the answer is in the app.
    with contextlib.suppress(InvalidArgument):
        send_mail(work, made.mail)
    _tell(work, report, [user_id], "")


def end_for(work: UnitOfWork, report: Report, subscription: Subscription, user_id: UUID) -> None:
    """Gather that it is sent to somebody no longer, and that they and the owner are told."""
    assert subscription.id is not None
    after = report.without_recipient(subscription.id, user_id)
    if subscription.id not in after.sent:
        work.delete(report_timers, subscription_id=subscription.id)
    REPORTS.save(work, report, after, events.ReportUpdated)
    _tell(work, report, [user_id, report.owner_id], "ENDED")


def _tell(work: UnitOfWork, report: Report, user_ids: list[UUID], outcome: str, *, text: str = "") -> None:
    values = {"collection": report.collection, OUTCOME: outcome}
    raise_notice(
        work, READY, user_ids, record=(COLLECTION, report.id), name=report.display_name, text=text, values=values
    )


async def find_report(reader: Reader, id: UUID) -> Report | None:
    """A report, whoever may see it."""
    row = await reader.one(report_by_id(), id=id)
    return REPORTS.entity_from(row) if row else None


async def recipient(reader: Reader, user_id: UUID, language: str) -> Recipient:
    """To whom it goes, in which language; the tenant's country decides where none is chosen."""
    row = await reader.one(user_with_region(), id=user_id)
    assert row is not None, "an active user is known here"
    return Recipient(row["login"], language_for(language, row["default_region"]))


@statement
def report_by_id() -> Select[Any]:
    return select(*REPORTS.columns).where(
        reports.c.tenant_id == bindparam("tenant_id"), reports.c.id == bindparam("id")
    )


@statement
def user_with_region() -> Select[Any]:
    users, tenants = access_users.c, access_tenants.c
    return (
        select(users.login, tenants.default_region)
        .join(access_tenants, tenants.tenant_id == users.tenant_id)
        .where(users.tenant_id == bindparam("tenant_id"), users.id == bindparam("id"))
    )

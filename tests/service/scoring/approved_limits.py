"""Credit limits that are approved before they hold: who takes part, what they ask for, and what is told of it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from crm.scoring.v1 import credit_pb2 as pb
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.identity.access import Scope
from crm_kit.plumbing import outbox
from sqlalchemy import select

from tests.service.running import Running, User
from tests.service.scoring.business import money

READER = {"credit.read": Scope.ALL}


@dataclass(frozen=True)
class People:
    """Who asks, and who decides; the account is somebody else's."""

    rep: User
    boss: User
    other: User


def asked(account_id: UUID, amount: object, *, etag: str = "", currency_code: str = "CNY") -> pb.SetCreditLimitRequest:
    return pb.SetCreditLimitRequest(
        account_id=str(account_id), amount=money(amount, currency_code), reason="more business", etag=etag
    )


async def told(scoring: Running, user: User, name: str) -> list[Any]:
    """The events of this name, and who did it."""
    query = select(outbox.c.event).where(outbox.c.subject.endswith(f".{name}.{user.tenant_id}"))
    rows = await scoring.service.database.all(user.tenant_id, compile_statement(query), {})
    return [event_of(row["event"]) for row in rows]

"""The notices that a service has raised."""

from uuid import UUID

from crm.resource.v1.events_pb2 import NoticeRaised
from crm.type.v1.notice_kind_pb2 import NoticeKind
from crm_kit.database.statements import compile_statement
from crm_kit.events.outbox import event_of
from crm_kit.plumbing import outbox
from sqlalchemy import select

from tests.service.running import Running, User


async def raised(service: Running, tenant_id: UUID) -> list[NoticeRaised]:
    """All of a tenant, the oldest first."""
    query = select(outbox.c.event).where(outbox.c.tenant_id == tenant_id, outbox.c.subject.contains(".NoticeRaised."))
    rows = await service.service.database.all(tenant_id, compile_statement(query.order_by(outbox.c.id)), {})
    return [NoticeRaised.FromString(event_of(row["event"]).payload.value) for row in rows]


async def told(service: Running, user: User) -> list[str]:
    """The kinds of those that tell somebody, the oldest first."""
    return [
        NoticeKind.Name(each.kind).removeprefix("NOTICE_KIND_")
        for each in await raised(service, user.tenant_id)
        if str(user.id) in each.user_ids
    ]

"""Which events have had their effect here: what the inbox is asked."""

from typing import Any

from sqlalchemy import Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY, insert

from crm_kit.database.statements import statement
from crm_kit.plumbing import inbox


@statement
def receive() -> Any:
    """Note that events have their effect with this transaction; those that had it before are not answered."""
    event_id = func.unnest(bindparam("event_ids", type_=ARRAY(Uuid))).column_valued("event_id")
    consumer = bindparam("consumer", type_=Text)
    fresh = insert(inbox).from_select(
        ["tenant_id", "event_id", "consumer"], select(bindparam("tenant_id", type_=Uuid), event_id, consumer)
    )
    return fresh.on_conflict_do_nothing().returning(inbox.c.event_id)


@statement
def seen() -> Any:
    return select(inbox.c.event_id).where(
        inbox.c.tenant_id == bindparam("tenant_id"),
        inbox.c.event_id == bindparam("event_id"),
        inbox.c.consumer == bindparam("consumer"),
    )

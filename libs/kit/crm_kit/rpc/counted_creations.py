"""Where creations are counted: the key of each in its tenant, in the transaction that creates."""

from typing import Any

from sqlalchemy import Integer, Select, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import AlreadyExists, Conflict
from crm_kit.plumbing import creations
from crm_kit.rpc.creations import Creation


async def count_creation(work: UnitOfWork, creation: Creation) -> None:
    """Gather that there is one more under the key; AlreadyExists CREATED_MEANWHILE with the `number` of them.

    Conflict when another one is created before the unit commits.
    """
    row = await work.one(created(), key=creation.key)
    if row is not None and row["number"] != creation.number:
        raise AlreadyExists(
            "others created it meanwhile", reason="CREATED_MEANWHILE", metadata={"number": str(row["number"])}
        )
    work.execute(create_another(), unmet=meanwhile, key=creation.key, number=creation.number)


def meanwhile() -> Conflict:
    """Another attempt finds out how many there are."""
    return Conflict("others created it at the same time; try again")


@statement
def created() -> Select[Any]:
    key = creations.c.key == bindparam("key", type_=Text)
    return select(creations.c.number).where(creations.c.tenant_id == bindparam("tenant_id", type_=Uuid), key)


@statement
def create_another() -> Any:
    number = bindparam("number", type_=Integer)
    fresh = insert(creations).values(
        tenant_id=bindparam("tenant_id", type_=Uuid), key=bindparam("key", type_=Text), number=number + 1
    )
    return fresh.on_conflict_do_update(
        index_elements=[creations.c.tenant_id, creations.c.key],
        set_={"number": fresh.excluded.number, "create_time": func.now()},
        where=creations.c.number == number,
    ).returning(creations.c.number)

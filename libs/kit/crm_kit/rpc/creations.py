"""Creating only what nobody else has created since one looked for it, however long ago that was.

A caller that finds no record of a kind creates one, and another caller does the same at the same time. A lease keeps
them apart for as long as both run; who was stopped in between acts after it has lapsed. So a call that creates says
under which key, and how many the caller knows to have been created under it: it is refused when there are more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Integer, Select, Text, Uuid, bindparam, func, select
from sqlalchemy.dialects.postgresql import insert

from crm_kit.database.statements import statement
from crm_kit.database.work import UnitOfWork
from crm_kit.errors import AlreadyExists, Conflict, InvalidArgument
from crm_kit.plumbing import creations

KEY, NUMBER = "creation-key", "creation-number"
"""The metadata of a call that creates."""
MAX_KEY_LENGTH = 255
MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Creation:
    """What is created: its key in the tenant, and how many were created under it as far as the caller knows.

    The key is forgotten two days after the last one.
    """

    key: str
    number: int = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What a call says of it."""
        return {KEY: self.key, NUMBER: str(self.number)}

    async def gather(self, work: UnitOfWork) -> None:
        """Gather that there is one more under the key; AlreadyExists CREATED_MEANWHILE with the `number` of them.

        Conflict when another one is created before the unit commits.
        """
        row = await work.one(created(), key=self.key)
        if row is not None and row["number"] != self.number:
            raise AlreadyExists(
                "others created it meanwhile", reason="CREATED_MEANWHILE", metadata={"number": str(row["number"])}
            )
        work.execute(create_another(), unmet=meanwhile, key=self.key, number=self.number)


def creation_of(metadata: Mapping[str, str]) -> Creation | None:
    """What a call says that it creates, if anything."""
    key, number = metadata.get(KEY, ""), metadata.get(NUMBER, "0")
    if not key:
        return None
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidArgument(f"{KEY}: must have at most {MAX_KEY_LENGTH} visible characters")
    if len(number) > MAX_DIGITS or not (number.isascii() and number.isdecimal()):
        raise InvalidArgument(f"{NUMBER}: must be a number of at most {MAX_DIGITS} digits")
    return Creation(key, int(number))


def number_in(error: AlreadyExists) -> int:
    """How many there are when one was refused."""
    return int(error.metadata["number"])


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

"""Notices that services raise: that people are to be told something, as each of them has chosen.

What becomes of one is the customer service's (`crm_customer/workspace/notifications`). Whoever raises it says whom it
concerns and what the sentence of its kind names; nobody is asked how, or whether, they want to know.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from uuid import UUID

from crm.resource.v1.events_pb2 import NoticeRaised
from crm.type.v1 import notice_kind_pb2

from crm_kit.database.work import UnitOfWork
from crm_kit.events.outbox import emit
from crm_kit.ids import new_id
from crm_kit.labels import Label
from crm_kit.notice_texts import WHAT

Kind = notice_kind_pb2.NoticeKind
Record = tuple[str, UUID]
"""A record's collection and its id."""

MAX_USERS = 1000
MAX_VALUE = 200
MAX_NAME = 200
MAX_TEXT = 2000


def raise_notice(
    work: UnitOfWork,
    kind: "Kind.ValueType",
    user_ids: Iterable[UUID],
    *,
    record: Record,
    name: str = "",
    text: str = "",
    values: Mapping[str, str] | None = None,
    also_actor: bool = False,
    count: int = 0,
) -> None:
    """Gather that these people are told; it becomes true with the unit of work.

    Each is told once, and who is at work not at all unless `also_actor`: they know. Those who are not active are left
    out where the notifications are made, by the directory as it is then. `name` is what the record is called; it and
    `text`, which somebody wrote, are cut where they are too long. `values` are what the kind's sentence names
    (`notice_texts.py`): `what` it is about, and its `outcome`. `count` is given where it tells of several at once.
    """
    collection, record_id = record
    told = [each for each in dict.fromkeys(user_ids) if also_actor or each != work.actor.user_id]
    for part in _parts(told):
        id = new_id()
        notice = NoticeRaised(
            user_ids=map(str, part),
            kind=kind,
            collection=collection,
            record_id=str(record_id),
            record_name=name[:MAX_NAME],
            text=text[:MAX_TEXT],
            values={key: value[:MAX_VALUE] for key, value in (values or {}).items()},
            count=count,
        )
        # Of no record's versions: each is its own, and none waits for another.
        emit(work, notice, aggregate_type="notice", id=id, version=1)


def what(label: Label) -> dict[str, str]:
    """The values of a notice that say what it is about, by what people call that in each language."""
    return {WHAT["en"]: label.en, WHAT["zh"]: label.zh}


def _parts(ids: Sequence[UUID]) -> Iterator[Sequence[UUID]]:
    for start in range(0, len(ids), MAX_USERS):
        yield ids[start : start + MAX_USERS]

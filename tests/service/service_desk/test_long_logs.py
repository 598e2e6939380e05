"""Cases that much has happened on."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from crm.service_desk.v1 import cases_pb2 as pb
from crm_kit.database.connections import Connection
from crm_kit.database.statements import compile_statement
from crm_service_desk.cases.log import MAX_LINES
from crm_service_desk.cases.tables import case_events, cases
from sqlalchemy import bindparam, func, insert, literal, select, update

from tests.service.running import refused
from tests.service.service_desk.desk import Desk, state
from tests.steps import watched

TEXT = "我们今天来修理。" * 1000


async def log_more(desk: Desk, case: pb.Case, kinds: Sequence[str], *, until: int) -> None:
    """Let these happen on a case in turn, each with a long text, until its log has so many lines."""
    last = len(await desk.log(case))
    numbers = func.generate_series(last + 1, until).column_valued("number")
    names = ["case_id", "position", "kind", "occur_time", "record_time", "text", "tenant_id"]
    kind = func.split_part(",".join(kinds), ",", numbers % len(kinds) + 1)
    ids = [bindparam(name, type_=cases.c.id.type) for name in ("case_id", "tenant_id")]
    row = select(ids[0], numbers, kind, func.now(), func.now(), literal(TEXT), ids[1])
    async with desk.running.unit_of_work(desk.user.tenant_id) as work:
        work.execute(compile_statement(insert(case_events).from_select(names, row)), case_id=UUID(case.id))
        counted = update(cases).where(cases.c.tenant_id == bindparam("tenant_id"), cases.c.id == bindparam("case_id"))
        work.execute(compile_statement(counted.values(event_count=until)), case_id=UUID(case.id))


async def test_a_full_log_says_so_and_the_case_can_still_be_resolved(desk: Desk) -> None:
    case = await desk.create(assignee_id=str(desk.user.id))
    await log_more(desk, case, ["INTERNAL_NOTE"], until=MAX_LINES - 1)
    await desk.do("AddNote", case, text="the last one")
    for verb in ("AddNote", "ReplyToCustomer", "RecordCustomerMessage", "WaitForCustomer"):
        with refused("FAILED_PRECONDITION", "ILLEGAL_STATE") as refusal:
            await desk.do(verb, case, text="we come")
        assert f"{MAX_LINES} lines" in refusal.detail
        assert (await desk.possible(case))[verb] == "ILLEGAL_STATE"
    case = await desk.do("ResolveCase", case, resolution="new fuse")
    assert state(await desk.do("CloseCase", case)) == "CLOSED"


async def test_what_was_said_on_a_case_is_not_read_to_count_its_clocks(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = await desk.create(assignee_id=str(desk.user.id))
    await log_more(desk, case, ["INTERNAL_NOTE", "CUSTOMER_MESSAGE", "PUBLIC_REPLY"], until=30)
    read: list[object] = []
    fetch = Connection.fetch

    async def noted(connection: Connection, *args: Any) -> Any:
        rows = await fetch(connection, *args)
        read.extend(value for row in rows for value in row.values())
        return rows

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "fetch", noted)
        await desk.do("AddNote", case, text="fuse F3")
        await desk.do("RecordCustomerMessage", case, text="when?")
        await desk.explain(case)
    assert case.id in map(str, read)
    assert TEXT not in read


@pytest.mark.parametrize("kinds", [["INTERNAL_NOTE"], ["CUSTOMER_MESSAGE", "PUBLIC_REPLY"]], ids=["notes", "answers"])
async def test_no_verb_holds_up_others_however_much_has_happened_on_the_case(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kinds: list[str]
) -> None:
    case = await desk.create(assignee_id=str(desk.user.id))
    await log_more(desk, case, kinds, until=MAX_LINES - 3)
    with watched(monkeypatch) as steps:
        await desk.do("AddNote", case, text="fuse F3")
        await desk.do("RecordCustomerMessage", case, text="when?")
        await desk.explain(case)
        await desk.do("ResolveCase", case, resolution="new fuse")
    assert steps.count > 10
    assert steps.too_long == []

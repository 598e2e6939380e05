"""What is shown to whom it rings: all of it as the reader may see it, and all of it from here."""

from typing import Any

from crm.service_desk.v1 import calls_pb2 as pb
from crm.service_desk.v1 import cases_pb2
from crm.type.v1 import value_tier_pb2
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from crm_kit.wire import id_from
from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.types import Text, Uuid

from crm_service_desk.accounts.queries import find_value_tier
from crm_service_desk.calls.resource import CALLS
from crm_service_desk.calls.tables import calls
from crm_service_desk.cases.model import CaseState
from crm_service_desk.cases.resource import CASES
from crm_service_desk.cases.tables import cases

OVER = (CaseState.RESOLVED, CaseState.CLOSED, CaseState.CANCELLED)
CASES_READ = "cases.read"
MAX_CASES, MAX_CALLS, MAX_COUNT = 10, 5, 100


@statement
def open_cases(scope: Scope) -> Select[Any]:
    """The newest open cases of an account that a scope reaches, each with how many there are up to a bound."""
    found = (
        CASES.rows(scope)
        .where(cases.c.account_id == bindparam("account_id"), cases.c.state.not_in(OVER))
        .order_by(cases.c.create_time.desc(), cases.c.id.desc())
        .limit(MAX_COUNT)
        .subquery()
    )
    shown = [found.c[name] for name in ("id", "number", "title", "state", "priority", "create_time")]
    return select(*shown, func.count().over().label("count")).order_by(found.c.create_time.desc()).limit(MAX_CASES)


@statement
def latest_calls(scope: Scope) -> Select[Any]:
    """The latest calls with an account, or else with a number, but for one."""
    number = bindparam("number", type_=Text)
    account_id = bindparam("account_id", type_=Uuid)
    return (
        CALLS.rows(scope)
        .where(
            or_(calls.c.account_id == account_id, account_id.is_(None) & (calls.c.customer_number == number)),
            calls.c.id != bindparam("call_id", type_=Uuid),
        )
        .order_by(calls.c.begin_time.desc(), calls.c.id.desc())
        .limit(MAX_CALLS)
    )


async def screen_of(reader: Reader, id: str) -> pb.CallScreen:
    """The screen of a call that the reader sees."""
    call = await CALLS.read(reader, id)
    account_id = id_from(call.account_id)
    screen = pb.CallScreen(call=call, account_id=call.account_id)
    number = call.customer_number or None
    if account_id is not None or number is not None:
        values = {"account_id": account_id, "number": number, "call_id": id_from(call.id)}
        rows = await reader.all(latest_calls(reader.scope), **values)
        screen.latest_calls.extend(CALLS.message_of_row(reader, row) for row in rows)
    if account_id is None:
        return screen
    tier = await find_value_tier(reader, account_id)
    screen.value_tier = value_tier_pb2.ValueTier.Value(f"VALUE_TIER_{tier}" if tier else "VALUE_TIER_UNSPECIFIED")
    access = reader.actor.access
    if access.may(CASES_READ):
        rows = await reader.all(open_cases(access.scope(CASES_READ)), account_id=account_id)
        screen.open_case_count = rows[0]["count"] if rows else 0
        screen.open_cases.extend(map(open_case_from, rows))
    return screen


def open_case_from(row: Any) -> pb.CallScreen.OpenCase:
    """A row of `open_cases` as it is shown."""
    return pb.CallScreen.OpenCase(
        id=str(row["id"]),
        number=row["number"],
        title=row["title"],
        state=cases_pb2.Case.State.Value(f"STATE_{row['state']}"),
        priority=cases_pb2.Case.Priority.Value(f"PRIORITY_{row['priority']}"),
        create_time=row["create_time"],
    )

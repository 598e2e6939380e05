"""What is shown to whom it rings: all of it as the reader may see it, and all of it from here."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from crm_kit.database.connections import Record
from crm_kit.database.statements import statement
from crm_kit.database.work import Reader
from crm_kit.identity.access import Scope
from sqlalchemy import Select, bindparam, func, or_, select
from sqlalchemy.types import Text, Uuid

from crm_service_desk.accounts.model import ValueTier
from crm_service_desk.accounts.queries import find_value_tier
from crm_service_desk.calls.model import Call
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


@dataclass(frozen=True, slots=True)
class Screen:
    """What belongs to a call, as rows: calls, open cases. `case_count` is None for who may read no cases."""

    latest: Sequence[Record] = ()
    cases: Sequence[Record] = ()
    case_count: int | None = None
    value_tier: ValueTier | None = None


async def screen_of(reader: Reader, call: Call) -> Screen:
    """The screen of a call that the reader sees."""
    latest: Sequence[Record] = ()
    if call.account_id is not None or call.customer_number is not None:
        values = {"account_id": call.account_id, "number": call.customer_number, "call_id": call.id}
        latest = await reader.all(latest_calls(reader.scope), **values)
    if call.account_id is None:
        return Screen(latest)
    tier, access = await find_value_tier(reader, call.account_id), reader.actor.access
    if not access.may(CASES_READ):
        return Screen(latest, value_tier=tier)
    rows = await reader.all(open_cases(access.scope(CASES_READ)), account_id=call.account_id)
    return Screen(latest, rows, rows[0]["count"] if rows else 0, tier)

"""What restricted accounts cost those who read deals: a look into an index that has nothing else in it."""

from datetime import date
from typing import Any
from uuid import UUID

import pytest
from crm.customer.v1 import accounts_pb2, events_pb2
from crm_kit.accounts import Account
from crm_kit.database.statements import compile_statement
from crm_kit.identity.access import Scope
from crm_kit.identity.membership import READING
from crm_kit.ids import new_id
from crm_kit.projections import record_by_id
from crm_sales.accounts.tables import accounts
from crm_sales.opportunities.resource import OPPORTUNITIES
from sqlalchemy import bindparam, select

from tests.service.kit.plans import indexes_in, plan_of
from tests.service.running import Running, User


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_list_of_deals_looks_for_restricted_accounts_alone(sales: Running, user: User, scope: Scope) -> None:
    deals, reach = OPPORTUNITIES.table, OPPORTUNITIES.visible
    statement = compile_statement(
        select(deals.c.id)
        .where(deals.c.tenant_id == bindparam("tenant_id"), reach(scope))
        .order_by(deals.c.create_time.desc(), deals.c.id.desc())
        .limit(50)
    )
    values: dict[str, Any] = {
        "tenant_id": user.tenant_id,
        "me": user.id,
        "team_ids": [new_id()],
        "memberships": READING,
    }
    values |= {"today": date(2027, 3, 1), "reads_restricted": False}
    plan = await plan_of(sales.service.database, user.tenant_id, statement, values)
    assert "accounts_restricted_index" in indexes_in(plan)


async def test_news_of_a_restricted_account_that_come_late_or_twice_change_nothing(sales: Running, user: User) -> None:
    id = new_id()

    async def hear(version: int, *, restricted: bool) -> None:
        told = (events_pb2.AccountRestricted if restricted else events_pb2.AccountUnrestricted)(
            account=accounts_pb2.Account(id=str(id), display_name="华信电力", restricted=restricted)
        )
        await sales.hear(told, tenant_id=user.tenant_id, aggregate_id=id, version=version)

    async def known() -> Account:
        async with sales.unit_of_work(user.tenant_id) as work:
            row = await work.one(record_by_id(accounts), id=UUID(str(id)))
            assert row is not None
            return Account(**row)

    seen = []
    for version, restricted in ((2, True), (1, False), (3, False), (2, True)):
        await hear(version, restricted=restricted)
        seen.append((await known()).restricted)
    assert seen == [True, True, False, False]

"""How many rows a list has: counted to 10,000, beyond that estimated, with the reader's scope and filter."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import asyncpg
import pytest
from crm_customer.records.accounts.resource import ACCOUNTS
from crm_kit.clock import system_now
from crm_kit.database.work import ReadSession
from crm_kit.errors import InvalidArgument
from crm_kit.identity.access import Access, Actor, Scope
from crm_kit.listing import MAX_EXACT_COUNT, Count
from crm_local.testing import Servers

from tests.service.running import Running, User

if TYPE_CHECKING:
    Connection = asyncpg.Connection[asyncpg.Record]

ROWS = 30_000
"""A third of them are in power, one more in steel, the others in no industry; a thousandth have an owner."""


@dataclass(frozen=True)
class Book:
    """A tenant with many accounts, and somebody who owns a few of them."""

    customer: Running
    user: User

    async def count(self, filter: str, scope: Scope = Scope.ALL) -> Count:
        actor = Actor(self.user.tenant_id, self.user.id, Access(active=True, grants={"*": scope}))
        reader = ReadSession(self.customer.service.database, actor, scope=scope, now=system_now())
        return await ACCOUNTS.listing.count(reader, filter)


@pytest.fixture
async def book(customer: Running, servers: Servers) -> AsyncIterator[Book]:
    user = await customer.user()
    connection = await asyncpg.connect(servers.superuser_url("crm_customer"))
    await fill(connection, user)
    yield Book(customer, user)
    await connection.execute("DELETE FROM accounts WHERE tenant_id = $1", user.tenant_id)
    await connection.close()


async def fill(connection: "Connection", user: User) -> None:
    await connection.execute(
        """
        INSERT INTO accounts (tenant_id, id, kind, display_name, display_name_key, status, roles, industry,
                              industry_key, employee_count, addresses, phone_numbers, emails, emails_key, owner_id,
                              external_ids, tags, consents, version, create_time, update_time)
        SELECT $1, gen_random_uuid(), 'ORGANIZATION', 'name ' || n, 'name ' || n, 'ACTIVE', '{}', industry, industry,
               1, '[]', '{}', '{}', '{}',
               CASE WHEN n % 1000 = 0 THEN $2::uuid END, '[]', '{}', '[]', 1, now(), now()
        FROM generate_series(1, $4) n,
             LATERAL (SELECT CASE WHEN n <= $3 THEN 'power' WHEN n = $3 + 1 THEN 'steel' END AS industry)
        """,
        user.tenant_id,
        user.id,
        MAX_EXACT_COUNT,
        ROWS,
    )
    await connection.execute("ANALYZE accounts")


async def test_a_list_is_counted_to_ten_thousand_and_estimated_beyond(book: Book) -> None:
    assert await book.count("industry = oil") == Count(0, exact=True)
    assert await book.count("industry = steel") == Count(1, exact=True)
    assert await book.count("industry = power") == Count(MAX_EXACT_COUNT, exact=True)
    beyond = await book.count("industry = power OR industry = steel")
    assert (beyond.exact, beyond.total >= MAX_EXACT_COUNT) == (False, True)


@pytest.mark.parametrize(
    ("filter", "truth"),
    [
        ("", ROWS),
        ("industry = null", ROWS - MAX_EXACT_COUNT - 1),
        ("industry != power", ROWS - MAX_EXACT_COUNT),
        ("NOT industry IN (power, steel)", ROWS - MAX_EXACT_COUNT - 1),
        ("create_time >= 2000-01-01T00:00:00Z AND employee_count < 10", ROWS),
    ],
)
async def test_an_estimate_is_near_the_truth_where_the_planner_knows_the_values(
    book: Book, filter: str, truth: int
) -> None:
    estimated = await book.count(filter)
    assert not estimated.exact
    assert truth / 2 < estimated.total < 2 * truth


async def test_an_estimate_is_never_below_what_was_counted(book: Book) -> None:
    # The planner presumes that hardly any text contains another.
    assert await book.count("display_name:name") == Count(MAX_EXACT_COUNT, exact=False)


async def test_only_what_the_reader_may_see_is_counted(book: Book) -> None:
    assert await book.count("", Scope.OWN) == Count(ROWS // 1000, exact=True)
    assert await book.count("owner_id = me") == Count(ROWS // 1000, exact=True)


async def test_a_filter_that_cannot_be_read_is_refused(book: Book) -> None:
    with pytest.raises(InvalidArgument, match="unknown field mood"):
        await book.count("mood = good")

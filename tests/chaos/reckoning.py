"""What is there against what was promised, looked up in the databases and not through what is under test."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
from crm_local.settings import SERVICES

from tests.chaos.target import Target
from tests.chaos.writing import Ledger

FOLLOWERS = tuple(name for name in SERVICES if name != "customer")
STEP_SECONDS = 0.25
# Nothing more follows from what was seeded when so long nothing has.
STILL_SECONDS = 5.0
# What was acknowledged, and where its rows are.
KEPT = {
    "account": ("customer", "accounts"),
    "interaction": ("customer", "interactions"),
    "opportunity": ("sales", "opportunities"),
    "payment": ("sales", "payments"),
    "case": ("service_desk", "cases"),
    "comment": ("customer", "comments"),
}


# By what it is of: how often each is there.
Present = Mapping[str, Mapping[Any, int]]


@dataclass
class Found:
    """Missing and doubled, by what it is of; `told` names the first of each. `before` was there at the start."""

    missing: Counter[str] = field(default_factory=Counter)
    doubled: Counter[str] = field(default_factory=Counter)
    checked: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    before: Present = field(default_factory=dict)
    there: dict[str, Mapping[Any, int]] = field(default_factory=dict)

    def compare(self, what: str, expected: Mapping[Any, int], there: Mapping[Any, int]) -> None:
        """Count how often each has come to be there that was to come so often."""
        self.there[what], before = there, self.before.get(what, {})
        self.checked[what] += sum(expected.values())
        for key in {*expected, *there, *before}:
            self._judge(f"{what} {key}", what, there.get(key, 0) - before.get(key, 0), expected.get(key, 0))

    def balance(self, what: str, expected: int, there: int) -> None:
        """The same of all that there is, whenever it came."""
        self.checked[what] += expected
        self._judge(what, what, there, expected)

    def _judge(self, name: str, what: str, there: int, expected: int) -> None:
        if there == expected:
            return
        (self.doubled if there > expected else self.missing)[what] += abs(there - expected)
        if len(self.told) < 40:
            self.told.append(f"{name}: {there} instead of {expected}")


class Books:
    """The databases of all services, read as superuser."""

    def __init__(self, connections: Mapping[str, asyncpg.Connection]) -> None:
        self._connections = connections

    async def counts(self, service: str, query: str) -> dict[Any, int]:
        """First column -> second."""
        return {row[0]: row[1] for row in await self._connections[service].fetch(query)}

    async def one(self, service: str, query: str) -> Any:
        return await self._connections[service].fetchval(query)


async def reckon(platform: Target, ledger: Ledger, *, seconds: float) -> tuple[Found, float]:
    """What is missing and doubled once the events have had their effect, and how long that took."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    connections = {name: await asyncpg.connect(platform.superuser_url(f"crm_{name}")) for name in SERVICES}
    try:
        books = Books(connections)
        while True:
            found = Found(before=ledger.before)
            await compare_all(books, ledger, found)
            if not found.missing or loop.time() - began > seconds:
                return found, loop.time() - began
            await asyncio.sleep(STEP_SECONDS)
    finally:
        for connection in connections.values():
            await connection.close()


async def present(platform: Target) -> Present:
    """What is there before anything is written: the demo tenant's, once its feed is imported and all know of it."""
    there: Present = {}
    while True:
        found, _ = await reckon(platform, Ledger(), seconds=0)
        if found.there == there:
            return there
        there = found.there
        await asyncio.sleep(STILL_SECONDS)


async def compare_all(books: Books, ledger: Ledger, found: Found) -> None:
    """Everything, once."""
    await compare_rows(books, ledger, found)
    await compare_versions(books, ledger, found)
    await compare_events(books, found)
    await compare_timeline(books, ledger, found)
    await compare_facts(books, ledger, found)
    if ledger.told_user_id:
        await compare_standing(books, ledger, found)


async def compare_rows(books: Books, ledger: Ledger, found: Found) -> None:
    """Every acknowledged row once, and none that nobody got an answer for."""
    promised = {
        "account": [account.id for account in ledger.accounts],
        "interaction": flat(account.interactions for account in ledger.accounts),
        "opportunity": flat(account.opportunities for account in ledger.accounts),
        "payment": flat(account.payments for account in ledger.accounts),
        "case": flat(account.cases for account in ledger.accounts),
        "comment": flat(account.comments for account in ledger.accounts),
    }
    for what, ids in promised.items():
        service, table = KEPT[what]
        there = await books.counts(service, f"SELECT id::text, 1 FROM {table}")
        found.compare(what, Counter(ids), there)
    markers = await books.counts("customer", "SELECT source, count(*) FROM accounts GROUP BY source")
    found.compare("key of an account", {account.marker: 1 for account in ledger.accounts}, markers)


async def compare_versions(books: Books, ledger: Ledger, found: Found) -> None:
    """Each acknowledged change once, where the account is kept and where it is only known."""
    expected = {account.id: 1 + account.changes for account in ledger.accounts}
    there = await books.counts("customer", "SELECT id::text, version FROM accounts")
    found.compare("change of an account", expected, there)
    industries = {(account.id, account.industry): 1 for account in ledger.accounts if account.industry}
    kept = await books.counts("customer", "SELECT (id::text, industry), 1 FROM accounts WHERE industry <> ''")
    found.compare("value of an update", industries, {tuple(key): count for key, count in kept.items()})
    changes = "SELECT resource_id::text, count(*) FROM changes WHERE resource_type = 'account' GROUP BY 1"
    found.compare("history of an account", expected, await books.counts("customer", changes))
    for service in FOLLOWERS:
        known = await books.counts(service, "SELECT id::text, version FROM accounts")
        found.compare(f"accounts known to {service}", expected, known)


async def compare_events(books: Books, found: Found) -> None:
    """All events are sent, and none is given up."""
    for service in SERVICES:
        unsent = await books.one(service, "SELECT count(*) FROM outbox WHERE publish_time IS NULL")
        sent = await books.one(service, "SELECT count(*) FROM outbox WHERE publish_time IS NOT NULL")
        given_up = await books.one(service, "SELECT count(*) FROM dead_letters")
        found.balance(f"events of {service}", sent + unsent, sent)
        found.balance(f"events given up by {service}", 0, given_up)


async def compare_timeline(books: Books, ledger: Ledger, found: Found) -> None:
    """Exactly one entry for each event that has one."""
    expected: Counter[Any] = Counter()
    for account in ledger.accounts:
        expected["ACCOUNT_CREATED", account.id] = 1
        for kind, ids in (
            ("OPPORTUNITY_CREATED", account.opportunities),
            ("PAYMENT_RECEIVED", account.payments),
            ("CASE_CREATED", account.cases),
        ):
            expected.update((kind, id) for id in ids)
    query = """
        SELECT (kind, reference_id::text), count(*) FROM timeline_entries
        WHERE kind IN ('ACCOUNT_CREATED', 'OPPORTUNITY_CREATED', 'PAYMENT_RECEIVED', 'CASE_CREATED') GROUP BY 1
    """
    there = {tuple(key): count for key, count in (await books.counts("customer", query)).items()}
    found.compare("timeline", expected, there)


async def compare_facts(books: Books, ledger: Ledger, found: Found) -> None:
    """What scoring has added up: money and complaints of each account."""
    for name, expected in (
        ("payments", {account.id: len(account.payments) for account in ledger.accounts if account.payments}),
        ("complaints", {account.id: len(account.cases) for account in ledger.accounts if account.cases}),
    ):
        query = f"SELECT account_id::text, sum({name}) FROM account_days GROUP BY 1 HAVING sum({name}) > 0"
        found.compare(f"{name} added up by scoring", expected, await books.counts("scoring", query))
    paid = {account.id: 7 * len(account.payments) for account in ledger.accounts if account.payments}
    query = "SELECT account_id::text, sum(paid) FROM account_days GROUP BY 1 HAVING sum(paid) > 0"
    found.compare("money added up by scoring", paid, await books.counts("scoring", query))


async def compare_standing(books: Books, ledger: Ledger, found: Found) -> None:
    """What follows from what an administrator has set up.

    Each rule once for each account, each limit set by its approval once, each message sent at least once.
    """
    once = {account.id: 1 for account in ledger.accounts}
    runs = "SELECT record_id::text, count(*) FROM automation_runs WHERE state = 'SUCCEEDED' GROUP BY 1"
    found.compare("run of a rule", once, await books.counts("customer", runs))
    tasks = "SELECT record_id::text, count(*) FROM tasks WHERE rule_id IS NOT NULL GROUP BY 1"
    found.compare("task of a rule", once, await books.counts("customer", tasks))
    notices = f"""
        SELECT record_id::text, sum(count) FROM notifications
        WHERE collection = 'accounts' AND user_id = '{ledger.told_user_id}' GROUP BY 1
    """
    found.compare("notice of a rule", once, await books.counts("customer", notices))
    approved = {each: 1 for account in ledger.accounts for each in account.approvals}
    states = "SELECT id::text, CASE state WHEN 'APPROVED' THEN 1 ELSE 0 END FROM approvals"
    found.compare("approval", approved, await books.counts("scoring", states))
    limited = {account.id: 1 for account in ledger.accounts if account.approvals}
    limits = "SELECT id::text, version FROM credit_limits"
    found.compare("limit set by an approval", limited, await books.counts("scoring", limits))
    if ledger.heard is not None:
        expected = {account.id: 1 + account.changes for account in ledger.accounts}
        found.compare("message of a webhook", expected, {record: len(ids) for record, ids in ledger.heard.items()})


def flat(lists: Iterable[Sequence[str]]) -> list[str]:
    """All in one list."""
    return [each for one in lists for each in one]

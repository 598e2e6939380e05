"""The customer service is killed at one step of a delivery after the other; each row of its file is in once."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from signal import SIGKILL
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import orjson
import pytest
from crm_local.testing import Platform, platform_for_tests

from tests.service.eventually import eventually

SERVICE = "customer"
ROWS = 1200
# By what a stopped step and whoever stops it know each other.
GATE = 4711
OPEN = f"""
CREATE FUNCTION at_gate() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_advisory_xact_lock_shared({GATE}); RETURN NEW; END $$
"""


@dataclass(frozen=True, slots=True)
class Step:
    """What the service is about to write when it is killed: a statement on a table, and which rows it is about.

    `reached`: PostgreSQL has the statement, and carries it out although nobody hears of it; otherwise its session ends
    with the service.
    """

    name: str
    statement: str
    when: str = "true"
    reached: bool = False


COUNTED, RUNS = "NEW.state = 'WAITING'", "NEW.state = 'RUNNING'"
# What has taken two processes down without getting on is not tried again: so these are of several deliveries.
STEPS: Sequence[Sequence[Step]] = (
    (
        Step("counting begins", "UPDATE ON uncounted_deliveries", reached=True),
        Step("its import is made", "INSERT ON imports", "NEW.feed_delivery_id IS NOT NULL"),
        Step("its import begins", "UPDATE ON imports", f"{RUNS} AND OLD.state = 'QUEUED'"),
    ),
    (
        Step("it is counted", "UPDATE ON feed_deliveries", COUNTED),
        Step("it runs", "UPDATE ON feed_deliveries", RUNS, reached=True),
        Step("its file is opened", "UPDATE ON imports", "NEW.rows_total > 0 AND OLD.rows_total IS NULL", reached=True),
    ),
    (
        Step("it is counted, and nobody hears of it", "UPDATE ON feed_deliveries", COUNTED, reached=True),
        Step("its first rows are written", "INSERT ON accounts", "NEW.display_name LIKE '断电%'"),
        Step("later rows are done", "UPDATE ON imports", "NEW.rows_read >= 500", reached=True),
        Step("its import ends", "UPDATE ON imports", "NEW.state = 'SUCCEEDED'"),
        Step("it ends", "UPDATE ON feed_deliveries", "NEW.state = 'SUCCEEDED'", reached=True),
    ),
)


@pytest.mark.platform
async def test_wherever_the_service_is_killed_each_row_of_a_delivery_is_in_once() -> None:
    async with platform_for_tests() as platform, Feeding.of(platform) as feeding:
        await feeding.quiet()
        feed = await feeding.post(
            "/v1/feeds", {"display_name": "断电演练", "external_source": "outage", "mode": "UPSERT"}
        )
        for number, steps in enumerate(STEPS):
            first = number * ROWS
            id = await feeding.bring(feed["id"], number, range(first, first + ROWS), steps)
            found = await feeding.ended(id)
            told = {name: found.get(name, 0) for name in ("created_count", "updated_count", "skipped_count")}
            assert (found["state"], found.get("failure_reason")) == ("SUCCEEDED", None)
            assert (told, found.get("failed_count", 0)) == (
                {"created_count": ROWS, "updated_count": 0, "skipped_count": 0},
                0,
            )
            assert await feeding.count("SELECT count(*) FROM imports WHERE feed_delivery_id = $1", id) == 1
        keys = "SELECT count(*) FROM account_external_ids WHERE source = 'outage'"
        accounts = "SELECT account_id FROM account_external_ids WHERE source = 'outage'"
        wanted = len(STEPS) * ROWS
        assert await feeding.count(keys) == wanted
        for what in (
            f"SELECT count(DISTINCT account_id) FROM ({accounts}) AS made",
            "SELECT count(*) FROM accounts WHERE display_name LIKE '断电%'",
            f"SELECT count(*) FROM changes WHERE resource_type = 'account' AND resource_id IN ({accounts})",
            f"SELECT count(*) FROM outbox WHERE subject LIKE '%.AccountCreated.%' AND aggregate_id IN ({accounts})",
        ):
            assert await feeding.count(what) == wanted, what


class Feeding:
    """Brings files to a platform, and kills its service at steps."""

    def __init__(self, platform: Platform, web: httpx.AsyncClient, database: asyncpg.Connection) -> None:
        self._platform = platform
        self._web = web
        self._database = database

    @classmethod
    @asynccontextmanager
    async def of(cls, platform: Platform) -> AsyncIterator["Feeding"]:
        """With a token, and a function by which steps are stopped."""
        database = await asyncpg.connect(platform.superuser_url(f"crm_{SERVICE}"))
        try:
            await database.execute(OPEN)
            async with httpx.AsyncClient(base_url=platform.rest_url, trust_env=False, timeout=30) as web:
                token = (await web.post("/v1/auth:token", json=platform.demo_login)).raise_for_status().json()
                web.headers["authorization"] = f"Bearer {token['access_token']}"
                yield cls(platform, web, database)
        finally:
            await database.close()

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        return await self._send(path, content=orjson.dumps(body), headers={"content-type": "application/json"})

    async def _send(self, path: str, **request: Any) -> dict[str, Any]:
        """Send until somebody answers, under one key."""
        request["headers"] = {"idempotency-key": uuid4().hex, **request.get("headers", {})}

        async def answered() -> httpx.Response | None:
            answer = await self._web.post(path, **request)
            return None if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE else answer

        answer = await eventually(answered)
        assert answer is not None
        assert answer.is_success, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def count(self, query: str, *values: object) -> int:
        return int(await self._database.fetchval(query, *values))

    async def quiet(self) -> None:
        """Wait until nothing of the demo's own deliveries is under way."""
        under_way = "SELECT (SELECT count(*) FROM import_jobs) + (SELECT count(*) FROM uncounted_deliveries)"
        still = f"{under_way} + (SELECT count(*) FROM feed_deliveries WHERE finish_time IS NULL)"

        async def nothing() -> bool:
            return await self.count(still) == 0

        await eventually(nothing)

    async def bring(self, feed_id: str, number: int, rows: range, steps: Sequence[Step]) -> str:
        """Send a file, and have the service killed at each of the steps; the delivery's id."""
        lines = ["客户编号,客户名称,余额", *(f"N-{at},断电 {at} 有限公司,{at}" for at in rows), ""]
        content = "\n".join(lines).encode()
        upload = await self._send("/v1/uploads?file_name=outage.csv", content=content)
        sent = {
            "delivery_id": f"outage-{number}",
            "data_date": f"2026-03-0{number + 1}",
            "upload_id": upload["id"],
            "expected_rows": len(rows),
            "expected_sums": [{"column": "余额", "sum": str(sum(rows))}],
        }
        made = ""
        for step in steps:
            # The next one that starts takes longer to come than this takes.
            await self._arm(step)
            made = made or (await self.post(f"/v1/feeds/{feed_id}/deliveries", sent))["id"]
            await eventually(self._is_stopped)
            await self._kill(step)
        await self._platform.ready(SERVICE)
        # Whoever has no answer sends it again.
        assert (await self.post(f"/v1/feeds/{feed_id}/deliveries", sent))["id"] == made
        return made

    async def _arm(self, step: Step) -> None:
        """Have the service stopped when it comes to a step."""
        await self._database.execute("SELECT pg_advisory_lock($1)", GATE)
        await self._database.execute(
            f"CREATE TRIGGER at_gate BEFORE {step.statement} FOR EACH ROW WHEN ({step.when}) EXECUTE FUNCTION at_gate()"
        )

    async def _kill(self, step: Step) -> None:
        """Kill the service, which stands at a step, and let whoever comes next pass it."""
        self._platform.kill(SERVICE, SIGKILL)
        if not step.reached:
            await self._database.execute(f"SELECT pg_terminate_backend(pid) FROM ({STOPPED}) AS stopped")
        await self._database.execute("SELECT pg_advisory_unlock($1)", GATE)
        await self._database.execute(f"DROP TRIGGER at_gate ON {step.statement.rpartition(' ')[2]}")
        # What the dead one holds lapses within half a minute; nobody here has to wait for it.
        await self._database.execute("DELETE FROM leases")
        for held in ("import_jobs", "uncounted_deliveries"):
            await self._database.execute(f"UPDATE {held} SET expire_time = clock_timestamp() - interval '1 second'")

    async def _is_stopped(self) -> bool:
        return bool(await self._database.fetchval(f"SELECT count(*) FROM ({STOPPED}) AS stopped"))

    async def ended(self, id: str) -> dict[str, Any]:
        """The delivery once it has ended."""
        found: dict[str, Any] = {}

        async def over() -> bool:
            answer = await self._web.get(f"/v1/feed-deliveries/{id}")
            found.update(answer.json() if answer.is_success else {})
            return bool(found.get("finish_time"))

        await eventually(over)
        return found


STOPPED = f"SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND objid = {GATE} AND NOT granted"

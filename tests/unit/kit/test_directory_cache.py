"""What a service remembers of its users."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from crm_kit.database.connections import Database
from crm_kit.directory.access import Directory
from crm_kit.identity.tokens import Claims

TENANT, USER, OLD_TEAM, NEW_TEAM = (UUID(int=number) for number in range(1, 5))


class Rows:
    """A database that is slow: what it answers was true when it was asked, and the user's team changes meanwhile."""

    def __init__(self, *, sandbox: bool = False) -> None:
        self.directory = Directory(cast("Database", self), "built-in")
        self.sandbox = sandbox
        self.team_id = OLD_TEAM
        self.asked = 0

    async def all(self, *_asked: Any) -> list[dict[str, Any]]:
        self.asked += 1
        read: dict[str, Any] = {
            "active": True,
            "team_ids": [],
            "roles": [],
            "clock_offset": timedelta(0),
            "unmasked_fields": [],
        }
        place = {"time_zone": "Asia/Shanghai", "default_region": "CN"}
        answer = [read | place | {"team_id": self.team_id, "sandbox": self.sandbox}]
        if self.asked == 1:
            self.team_id = NEW_TEAM
            self.directory.forget(TENANT)
        return answer

    async def teams_of(self, calls: int) -> list[UUID | None]:
        """The team of the user at each of so many calls."""
        claims = Claims(issuer="built-in", tenant=str(TENANT), user=str(USER), expire_time=0, token_id="t")
        return [(await self.directory.actor(claims)).access.team_id for _ in range(calls)]


async def test_what_was_read_before_a_change_and_came_after_it_is_not_remembered() -> None:
    rows = Rows()
    assert await rows.teams_of(3) == [OLD_TEAM, NEW_TEAM, NEW_TEAM]
    assert rows.asked == 2


async def test_nothing_of_a_sandbox_is_remembered_since_its_clock_moves_for_all_processes_at_once() -> None:
    rows = Rows(sandbox=True)
    assert await rows.teams_of(3) == [OLD_TEAM, NEW_TEAM, NEW_TEAM]
    assert rows.asked == 3

"""What a service remembers of its users."""

from datetime import timedelta
from typing import Any, cast
from uuid import UUID

from crm_kit.database.connections import Database
from crm_kit.directory.access import Directory
from crm_kit.identity.tokens import Claims

TENANT, USER = UUID(int=1), UUID(int=2)


class Rows:
    """A database that is slow: what it answers was true when it was asked, and the tenant's clock moves meanwhile."""

    def __init__(self) -> None:
        self.directory = Directory(cast("Database", self), "built-in")
        self.clock_offset = timedelta(0)
        self.asked = 0

    async def all(self, *_asked: Any) -> list[dict[str, Any]]:
        self.asked += 1
        read: dict[str, Any] = {"active": True, "team_id": None, "team_ids": [], "grants": [], "sandbox": True}
        answer = [read | {"clock_offset": self.clock_offset}]
        if self.asked == 1:
            self.clock_offset = timedelta(days=8)
            self.directory.forget(TENANT)
        return answer


async def test_what_was_read_before_a_change_and_came_after_it_is_not_remembered() -> None:
    rows = Rows()
    claims = Claims(issuer="built-in", tenant=str(TENANT), user=str(USER), expire_time=0, token_id="t")
    offsets = [(await rows.directory.actor(claims)).access.clock_offset for _ in range(3)]
    assert offsets == [timedelta(0), timedelta(days=8), timedelta(days=8)]
    assert rows.asked == 2

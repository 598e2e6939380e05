"""What all chapters share: the people, the run, the clock, and what has come into being so far."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.e2e.story.people import Json, Person
from tests.e2e.story.teller import Teller

Kill = Callable[[str], Awaitable[None]]
RIGHTS_SECONDS = 2.0

# Each character with its reading: a name made of them can be typed by who cannot read it.
_READINGS = "jia yi bing ding wu ji geng xin ren gui zi chou yin mao chen wu wei shen you xu hai"
SYLLABLES = dict(zip("甲乙丙丁戊己庚辛壬癸子丑寅卯辰午未申酉戌亥", _READINGS.split(" "), strict=True))


@dataclass(frozen=True, slots=True)
class Run:
    """One playing of the story. What it makes is named after it, so that it can be played again on the same data."""

    mark: str  # lower case letters and digits
    brand: str  # four Chinese characters

    @property
    def brand_pinyin(self) -> str:
        return "".join(SYLLABLES[character] for character in self.brand)


def new_run(source: random.Random) -> Run:
    """A run with a name of its own."""
    return Run(f"{source.randrange(36**4):06x}", "".join(source.sample(sorted(SYLLABLES), 4)))


@dataclass(slots=True)
class People:
    """Who plays."""

    admin: Person
    manager: Person
    north: Person
    south: Person
    agent: Person


@dataclass(slots=True)
class Scene:
    """The story so far. `kill` ends a process of the platform, where that can be done.

    `rights_seconds` is how long a right that was taken away may go on; only a busy machine is given longer.
    """

    people: People
    run: Run
    rows: int
    bad_rows: int
    teller: Teller
    kill: Kill | None = None
    rights_seconds: float = RIGHTS_SECONDS
    customers: list[Json] = field(default_factory=list)
    lead: Json = field(default_factory=dict)
    seller: Person | None = None
    account_id: str = ""
    contact_id: str = ""
    opportunity_id: str = ""

    @property
    def owner(self) -> Person:
        """Who won the lead, and with it the account."""
        assert self.seller is not None
        return self.seller

    async def now(self) -> datetime:
        """The time on the tenant's test clock."""
        tenant = await self.people.admin.get("/v1/tenant")
        return datetime.fromisoformat(tenant["current_time"])

    async def advance(self, by: timedelta) -> datetime:
        """Move the test clock forward; the time it then is."""
        seconds = max(1, int(by.total_seconds()))
        tenant = await self.people.admin.post("/v1/tenant:advanceTestClock", {"duration": f"{seconds}s"})
        return datetime.fromisoformat(tenant["current_time"])

    async def advance_to(self, instant: datetime) -> datetime:
        """Move the test clock to just after an instant."""
        return await self.advance(instant - await self.now() + timedelta(seconds=2))


def beijing(instant: datetime | str) -> str:
    """An instant as people in Beijing read it."""
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    return f"{moment + timedelta(hours=8):%a %Y-%m-%d %H:%M}"

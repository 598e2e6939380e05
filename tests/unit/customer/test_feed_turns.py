"""Whose turn it is among the deliveries of a feed: any arrivals, in any order, looked at as often as one likes."""

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from crm_customer.feeds.deliveries.model import (
    Counted,
    FeedDelivery,
    Figures,
    HeldReason,
    State,
    turns_of,
)
from crm_customer.imports.model import Mode
from hypothesis import given
from hypothesis import strategies as st

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY_ONE = date(2026, 3, 1)
KEYS = ("a", "b")
# What happens next: a file arrives for a day with rows for some keys, sound or not; somebody counts, decides, looks.
ARRIVES = st.tuples(st.just("arrives"), st.integers(0, 4), st.sets(st.sampled_from(KEYS), min_size=1), st.booleans())
STEPS = st.lists(
    st.one_of(
        ARRIVES,
        ARRIVES,
        st.tuples(st.just("count"), st.integers(0, 9)),
        st.tuples(st.just("release"), st.integers(0, 9)),
        st.tuples(st.just("reject"), st.integers(0, 9)),
        st.tuples(st.just("withdraw"), st.integers(0, 9)),
        st.just(("look",)),
        st.just(("die",)),
        st.just(("finish",)),
    ),
    min_size=20,
    max_size=60,
)


@dataclass
class World:
    """A feed as it is stored, and what accounts have come to be, as rows are written one delivery after the other."""

    deliveries: list[FeedDelivery] = field(default_factory=list)
    rows: dict[UUID, set[str]] = field(default_factory=dict)
    last_data_date: date | None = None
    values: dict[str, tuple[date, int]] = field(default_factory=dict)
    starts: list[UUID] = field(default_factory=list)
    wrote: list[UUID] = field(default_factory=list)

    def put(self, after: FeedDelivery) -> None:
        self.deliveries = [after if each.id == after.id else each for each in self.deliveries]

    def in_state(self, state: State) -> list[FeedDelivery]:
        return [each for each in self.deliveries if each.state is state]

    def look(self, *, dies: bool = False) -> None:
        """One look; with `dies` whoever looks is killed after holding, before beginning."""
        found = [each for each in self.deliveries if each.finish_time is None]
        turns = turns_of(reversed(found), last_data_date=self.last_data_date, active=True, now=START)
        for each in turns.out_of_order:
            self.put(each.hold(HeldReason.OUT_OF_ORDER))
        if turns.next is not None and not dies:
            assert not self.in_state(State.RUNNING)
            self.put(turns.next.start(turns.next.id, START))
            self.starts.append(turns.next.id)

    def finish(self) -> None:
        for each in self.in_state(State.RUNNING):
            number = self.deliveries.index(each)
            for key in self.rows[each.id]:
                # As an import of the mode CREATE or UPSERT.
                if not (each.only_creates and key in self.values):
                    self.values[key] = each.data_date, number
            self.wrote.append(each.id)
            self.put(each.finish(State.SUCCEEDED, Figures(updated_count=1), START))
            self.last_data_date = max(filter(None, (self.last_data_date, each.data_date)))


def run(world: World, step: tuple[object, ...]) -> None:
    match step:
        case ("arrives", int(number), set(keys), bool(sound)):
            at = len(world.deliveries)
            id = UUID(int=at + 1)
            world.rows[id] = set(keys)
            made = FeedDelivery(
                id=id,
                feed_id=UUID(int=0),
                delivery_id=str(at),
                data_date=DAY_ONE + timedelta(days=number),
                upload_id=id,
                file_name="f.csv",
                content_digest=str(at),
                sender_id=id,
                expire_time=START + timedelta(days=7),
                create_time=START + timedelta(seconds=at),
                update_time=START,
                expected_rows=len(keys) if sound else 99,
            )
            world.deliveries.append(made)
        case (("count" | "release" | "reject" | "withdraw") as what, int(index)):
            states = {"count": State.RECEIVED, "release": State.HELD, "reject": State.HELD, "withdraw": State.HELD}
            if some := world.in_state(states[str(what)]):
                one = some[index % len(some)]
                counted = Counted(len(world.rows[one.id]), 0)
                done = {
                    "count": lambda: one.count(counted, Mode.UPSERT, short=False, repeated=False),
                    "release": lambda: one.release(Mode.UPSERT),
                    "reject": lambda: one.reject(START),
                    "withdraw": lambda: one.withdraw(by=one.sender_id, now=START),
                }
                world.put(done[str(what)]())
        case ("finish",):
            world.finish()
        case _:
            world.look(dies=step == ("die",))


@given(STEPS)
def test_whatever_arrives_and_is_decided_accounts_have_what_the_newest_day_says(
    steps: list[tuple[object, ...]],
) -> None:
    world = World()
    for step in steps:
        run(world, step)
    # Everything is counted and every look is taken; then only a person can make more of what is left.
    for _ in range(3 * len(world.deliveries) + 3):
        run(world, ("count", 0))
        run(world, ("look",))
        run(world, ("finish",))
    assert len(world.starts) == len(set(world.starts)), "each is begun once"
    left = [each for each in world.deliveries if each.finish_time is None]
    first_held = min(
        (each.data_date, each.create_time)
        for each in [*left, replace_day(date.max)]
        if each.held_reason is not HeldReason.OUT_OF_ORDER
    )
    for each in left:
        assert each.state is State.HELD or (each.data_date, each.create_time) > first_held, (
            "nothing waits without a reason"
        )
    # The oracle: of all that was written, each key has what the newest day says, of a day what arrived last.
    wrote = [each for each in world.deliveries if each.id in world.wrote]
    for key in KEYS:
        told = [
            (each.data_date, at)
            for at, each in enumerate(world.deliveries)
            if each in wrote and key in world.rows[each.id]
        ]
        assert world.values.get(key) == oracle(world, key, told)


def replace_day(day: date) -> FeedDelivery:
    """A delivery that comes after all others."""
    world = World()
    run(world, ("arrives", 0, {"a"}, True))
    return replace(world.deliveries[0], data_date=day)


def oracle(world: World, key: str, told: list[tuple[date, int]]) -> tuple[date, int] | None:
    """By sorting: the newest of those that overwrite; where none has the key, the first that only created it."""
    overwriting = sorted(each for each in told if not world.deliveries[each[1]].only_creates)
    if overwriting:
        return overwriting[-1]
    order = {id: at for at, id in enumerate(world.wrote)}
    creating = sorted(told, key=lambda each: order[world.deliveries[each[1]].id])
    return creating[0] if creating else None


def test_nothing_begins_while_a_feed_is_paused_and_what_has_expired_is_not_waited_for() -> None:
    world = World()
    for number in (0, 1):
        run(world, ("arrives", number, {"a"}, number == 1))
        run(world, ("count", 0))
    held, waiting = world.deliveries
    assert turns_of(world.deliveries, last_data_date=None, active=False, now=START).next is None
    assert turns_of(world.deliveries, last_data_date=None, active=True, now=START).next is None
    gone = replace(held, expire_time=START)
    turns = turns_of([gone, waiting], last_data_date=None, active=True, now=START)
    assert (turns.expired, turns.next) == ((gone,), waiting)

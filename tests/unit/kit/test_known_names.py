"""What is remembered of names: for two seconds, never longer, and never past a renaming."""

from dataclasses import dataclass, field
from uuid import UUID

from crm_kit.database.known_names import BELIEVED_SECONDS, REMEMBERED, KnownNames
from hypothesis import example, given
from hypothesis import strategies as st

TENANT, OTHER = UUID(int=1), UUID(int=2)
ID = UUID(int=7)


@dataclass
class Clock:
    seconds: float = 50.0

    def __call__(self) -> float:
        return self.seconds


def believed(names: KnownNames, clock: Clock, tenant_id: UUID = TENANT) -> str | None:
    """The name of the record as an answer would say it; None when it would ask."""
    found = names.of(tenant_id, "users").get(str(ID))
    return found[1] if found is not None and found[0] > clock() - BELIEVED_SECONDS else None


@dataclass
class World:
    """A record with a name, readers that take their time, and a process that remembers."""

    clock: Clock = field(default_factory=Clock)
    name: str = "0"
    # What each reader saw, and when it began.
    reading: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.known = KnownNames(self.clock)


STEPS = st.lists(
    st.sampled_from(["begin", "end", "rename here", "rename elsewhere", "wait", "many others"]), max_size=40
)


@given(STEPS)
@example(["begin", "rename here", "end"])
def test_a_name_is_never_older_than_two_seconds_nor_than_the_last_renaming_here(steps: list[str]) -> None:
    world = World()
    # When each name was given up, and by whom; the present one never was.
    ended: dict[str, tuple[float, bool]] = {}
    for number, step in enumerate(steps):
        world.clock.seconds += 0.001
        if step == "begin":
            world.reading.append((world.clock(), world.name))
        elif step == "end" and world.reading:
            read_time, name = world.reading.pop(0)
            world.known.put(TENANT, "users", {str(ID): name}, read_time=read_time)
        elif step == "wait":
            world.clock.seconds += 0.7
        elif step == "many others":
            many = {f"{number} {each}": "name" for each in range(REMEMBERED // 2)}
            world.known.put(OTHER, "users", many, read_time=world.clock())
        elif step.startswith("rename"):
            ended[world.name] = (world.clock(), step == "rename here")
            world.name = str(number + 1)
            if step == "rename here":
                world.known.forget(TENANT, "users", ID)
        told = believed(world.known, world.clock)
        if told is not None and told != world.name:
            end, was_here = ended[told]
            assert world.clock() - end < BELIEVED_SECONDS
            assert not was_here


def test_tenants_are_kept_apart() -> None:
    clock = Clock()
    names = KnownNames(clock)
    names.put(TENANT, "users", {str(ID): "王芳"}, read_time=clock())
    assert (believed(names, clock), believed(names, clock, OTHER)) == ("王芳", None)


def test_only_so_many_are_remembered() -> None:
    clock = Clock()
    names = KnownNames(clock)
    for first in range(0, 3 * REMEMBERED, 200):
        clock.seconds += 0.001
        names.put(TENANT, "users", {str(id): "name" for id in range(first, first + 200)}, read_time=clock())
        assert len(names.of(TENANT, "users")) <= REMEMBERED
    assert "0" not in names.of(TENANT, "users")
    assert str(3 * REMEMBERED - 1) in names.of(TENANT, "users")

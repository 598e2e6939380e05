"""What a process remembers of tenants' rules: for a second, in bounds, and nothing that changed while it was read."""

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import orjson
import pytest
from crm_kit.automation import book
from crm_kit.automation.book import RuleBook, bytes_of
from crm_kit.automation.rules.model import Action, AutomationRule, State, Trigger
from crm_kit.automation.rules.resource import RULES
from crm_kit.filtering.tree import EVERYTHING
from hypothesis import given
from hypothesis import strategies as st

TENANT = UUID(int=1)
NOW = datetime(2026, 3, 19, 8, 30, tzinfo=UTC)


class Reader:
    """Answers that there are no rules, once it is let go."""

    tenant_id = TENANT

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()
        self.times = 0

    async def one(self, *_: object, **__: object) -> Any:
        self.times += 1
        self.asked.set()
        await self.let_go.wait()
        return (None,)

    async def all(self, *_: object, **__: object) -> Any:
        return []


class OneRule(Reader):
    """Answers that a tenant has one rule, which says so much."""

    def __init__(self, number: int, length: int) -> None:
        super().__init__()
        self.tenant_id = UUID(int=number)
        self._rule = rule_of(length)

    async def one(self, *_: object, **__: object) -> Any:
        return (str(len(self._rule.actions[0].request["description"])),)  # type: ignore[arg-type]

    async def all(self, *_: object, **__: object) -> Any:
        row = RULES.row_of(self._rule)
        row |= {name: orjson.dumps(row[name]).decode() for name in ("trigger", "actions")}
        return [{each.name: row[each.name] for each in RULES.columns}]


class Everything:
    """A list whose filters take everything."""

    async def read(self, *_: object) -> Any:
        return EVERYTHING, None


LEADS: Any = SimpleNamespace(resource=SimpleNamespace(listing=Everything()), calls=frozenset({"update"}), tasks=None)


async def read_anew(rules: RuleBook, reader: Any) -> None:
    """As when what is known is older than may be."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(book, "REMEMBER_SECONDS", -1.0)
        await rules.read(reader, {"leads": LEADS})


def rule_of(length: int) -> AutomationRule:
    return AutomationRule(
        id=UUID(int=9),
        collection="leads",
        display_name="a rule",
        trigger=Trigger(("CREATED",)),
        actions=(Action("update", {"description": "长" * length}),),
        state=State.ACTIVE,
        create_time=NOW,
        update_time=NOW,
    )


async def test_what_is_known_is_not_asked_for_again_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "REMEMBER_SECONDS", 600.0)
    rules, reader = RuleBook(), Reader()
    assert rules.find(TENANT) is None
    await rules.read(reader, {})  # type: ignore[arg-type]
    assert rules.find(TENANT) == {}
    monkeypatch.setattr(book, "REMEMBER_SECONDS", -1.0)
    assert rules.find(TENANT) is None
    assert rules.find(UUID(int=2)) is None


async def test_tenants_that_ask_no_more_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "REMEMBER_SECONDS", 600.0)
    rules = RuleBook()
    await rules.read(OneRule(1, 1), {"leads": LEADS})  # type: ignore[arg-type]
    await rules.read(OneRule(2, 1), {"leads": LEADS})  # type: ignore[arg-type]
    assert rules.find(UUID(int=1)) is not None
    monkeypatch.setattr(book, "IDLE_SECONDS", 0.0)
    await read_anew(rules, OneRule(2, 1))
    monkeypatch.undo()
    monkeypatch.setattr(book, "REMEMBER_SECONDS", 600.0)
    assert rules.find(UUID(int=1)) is None


@given(
    asked=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), max_size=20),
    most=st.integers(0, 40_000),
)
def test_all_that_is_remembered_has_a_bound_and_is_of_who_asked_last(asked: list[tuple[int, int]], most: int) -> None:
    """Held against a plain list of who asked, the last one last."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(book, "REMEMBER_SECONDS", 600.0)
        patched.setattr(book, "MAX_BYTES", most)
        rules, kept = RuleBook(), dict[int, int]()
        for number, length in asked:
            asyncio.run(read_anew(rules, OneRule(number, length)))
            kept.pop(number, None)
            kept[number] = bytes_of([rule_of(length)])
            while sum(kept.values()) > most:
                del kept[next(iter(kept))]
            assert {each for each in range(6) if rules.find(UUID(int=each)) is not None} == set(kept)


async def test_what_changed_while_it_was_read_is_read_again() -> None:
    rules, reader = RuleBook(), Reader()
    reader.let_go.clear()
    reading = asyncio.create_task(rules.read(reader, {}))  # type: ignore[arg-type]
    await reader.asked.wait()
    rules.forget(TENANT)
    reader.let_go.set()
    assert await reading == {}
    assert rules.find(TENANT) is None


async def test_what_many_ask_for_at_once_is_read_once() -> None:
    rules, reader = RuleBook(), Reader()
    reader.let_go.clear()
    asking = [asyncio.create_task(rules.read(reader, {})) for _ in range(5)]  # type: ignore[arg-type]
    await reader.asked.wait()
    others = Reader()
    rest = asyncio.create_task(rules.read(others, {}))  # type: ignore[arg-type]
    reader.let_go.set()
    await asyncio.gather(*asking, rest)
    assert reader.times == 1
    assert not others.asked.is_set()

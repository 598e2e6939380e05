"""What a process remembers of a tenant's rules: no longer than a second, and nothing that changed while it was read."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from crm_kit.automation import book
from crm_kit.automation.book import RuleBook

TENANT = UUID(int=1)


class Reader:
    """Answers that there are no rules, once it is let go."""

    tenant_id = TENANT

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def one(self, *_: object, **__: object) -> Any:
        self.asked.set()
        await self.let_go.wait()
        return (None,)

    async def all(self, *_: object, **__: object) -> Any:
        return []


async def test_what_is_known_is_not_asked_for_again_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(book, "REMEMBER_SECONDS", 600.0)
    rules, reader = RuleBook(), Reader()
    assert rules.find(TENANT) is None
    await rules.read(reader, {})  # type: ignore[arg-type]
    assert rules.find(TENANT) == {}
    monkeypatch.setattr(book, "REMEMBER_SECONDS", -1.0)
    assert rules.find(TENANT) is None
    assert rules.find(UUID(int=2)) is None


async def test_what_changed_while_it_was_read_is_read_again() -> None:
    rules, reader = RuleBook(), Reader()
    reader.let_go.clear()
    reading = asyncio.create_task(rules.read(reader, {}))  # type: ignore[arg-type]
    await reader.asked.wait()
    rules.forget(TENANT)
    reader.let_go.set()
    assert await reading == {}
    assert rules.find(TENANT) is None

"""What a process remembers of approval policies, and how seldom it asks for them."""

import dataclasses
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from crm_kit.approvals.policies import book
from crm_kit.approvals.policies.book import REMEMBER_SECONDS, PolicyBook


@dataclasses.dataclass
class Tenant:
    """A reader of a tenant without policies, which counts how often it is asked."""

    tenant_id: UUID
    asked: int = 0

    async def all(self, *_query: Any, **_values: Any) -> list[Any]:
        self.asked += 1
        return []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, which stands still until it is moved."""
    times = [1000.0]
    monkeypatch.setattr(book, "time", SimpleNamespace(monotonic=lambda: times[0]))
    return times


async def test_a_thousand_calls_of_a_second_cost_a_tenant_without_policies_one_look(clock: list[float]) -> None:
    known, tenant, other = PolicyBook(), Tenant(UUID(int=1)), Tenant(UUID(int=2))
    readers: list[Any] = [tenant, other]
    for _ in range(1000):
        for reader in readers:
            assert await known.find(reader, "credit_limits", "setLimit") is None
    assert (tenant.asked, other.asked) == (1, 1)
    clock[0] += REMEMBER_SECONDS + 0.001
    await known.find(readers[0], "credit_limits", "setLimit")
    assert (tenant.asked, other.asked) == (2, 1)


async def test_what_was_changed_here_is_looked_at_anew_and_so_is_what_must_be_fresh(clock: list[float]) -> None:
    known, tenant = PolicyBook(), Tenant(UUID(int=1))
    reader: Any = tenant
    await known.find(reader, "credit_limits", "setLimit")
    known.forget(UUID(int=1))
    await known.find(reader, "credit_limits", "setLimit")
    assert tenant.asked == 2
    await known.find(reader, "credit_limits", "setLimit", fresh=True)
    assert tenant.asked == 3
    assert clock == [1000.0]

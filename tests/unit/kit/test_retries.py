"""When a call is tried again, and when not."""

import pytest
from crm.customer.v1 import accounts_pb2
from crm_kit.rpc.methods import reads_only
from crm_kit.rpc.retries import MAX_TOKENS, RetryBudget, backoff

ACCOUNTS = accounts_pb2.DESCRIPTOR.services_by_name["AccountService"].full_name


@pytest.mark.parametrize(("failures", "about"), [(1, 0.05), (2, 0.1), (3, 0.2), (4, 0.4), (5, 0.5), (5000, 0.5)])
def test_waits_grow_to_half_a_second_and_are_never_alike(failures: int, about: float) -> None:
    waits = [backoff(failures) for _ in range(100)]
    assert about * 0.8 <= min(waits) < max(waits) <= about * 1.2
    assert len(set(waits)) > 50


def test_a_budget_half_gone_allows_no_retries_until_calls_succeed_again() -> None:
    budget = RetryBudget()
    for _ in range(9):
        budget.failed()
        assert budget.allows
    budget.failed()
    assert not budget.allows
    for _ in range(1000):
        budget.failed()
    for _ in range(100):
        budget.succeeded()
    assert not budget.allows
    budget.succeeded()
    assert budget.allows


def test_a_budget_does_not_grow_beyond_its_size() -> None:
    budget = RetryBudget()
    for _ in range(1000):
        budget.succeeded()
    for _ in range(int(MAX_TOKENS / 2)):
        budget.failed()
    assert not budget.allows


@pytest.mark.parametrize(
    ("path", "reads"),
    [
        (f"/{ACCOUNTS}/GetAccount", True),
        (f"/{ACCOUNTS}/CreateAccount", False),
        (f"/{ACCOUNTS}/Nothing", False),
        ("/grpc.health.v1.Health/Check", False),
        ("nonsense", False),
    ],
)
def test_the_contract_says_what_only_reads(path: str, reads: bool) -> None:
    assert reads_only(path) is reads

"""Traces and durations of the gateway's calls."""

import pytest
from crm_gateway.call_telemetry import CallTelemetry
from crm_gateway.problems import Problem, ProblemError
from crm_kit.telemetry import sampled

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-2] + "00"


def passed_on(sample_ratio: float, trace_parent: str) -> str:
    with CallTelemetry(sample_ratio).call("/x/Y", trace_parent) as sent:
        return sent


def test_a_clients_trace_goes_on_under_its_id() -> None:
    assert passed_on(0, SAMPLED)[:35] == SAMPLED[:35]
    assert passed_on(1, UNSAMPLED) == UNSAMPLED


def test_without_one_the_setting_decides() -> None:
    assert passed_on(0, "") == ""
    begun = passed_on(1, "")
    assert sampled(begun)
    assert begun != passed_on(1, "")


def test_a_refused_call_is_refused_all_the_same() -> None:
    with pytest.raises(ProblemError), CallTelemetry(1).call("/x/Y", ""):
        raise ProblemError(Problem(404, "NOT_FOUND", "no"))

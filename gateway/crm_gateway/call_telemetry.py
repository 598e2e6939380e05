"""What operators see of the calls that the gateway makes: a duration each, and a trace of some.

A client's sampled `traceparent` is always followed. Without one a share of the requests, by setting, begins a trace.
"""

import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager

from crm_kit import telemetry
from opentelemetry.trace import StatusCode

from crm_gateway.problems import ProblemError


class CallTelemetry:
    """One for the gateway; `sample_ratio` from 0 to 1."""

    def __init__(self, sample_ratio: float) -> None:
        self._sample_ratio = sample_ratio
        self._metrics = telemetry.CallMetrics("gateway")

    @contextmanager
    def call(self, path: str, trace_parent: str) -> Iterator[str]:
        """Measure the block; it is given the `traceparent` to send with the call, or an empty string."""
        parent = trace_parent or self._begun()
        span = telemetry.span(path, parent) if telemetry.sampled(parent) else None
        started = time.perf_counter()
        code = "OK"
        try:
            yield parent if span is None else telemetry.trace_parent_of(span)
        except ProblemError as error:
            code = error.problem.reason
            if span is not None:
                span.set_status(StatusCode.ERROR, code)
            raise
        finally:
            self._metrics.record(path, code, time.perf_counter() - started)
            if span is not None:
                span.end()

    def _begun(self) -> str:
        """A new sampled trace for a share of the requests, as W3C `traceparent`."""
        if random.random() >= self._sample_ratio:
            return ""
        return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-01"

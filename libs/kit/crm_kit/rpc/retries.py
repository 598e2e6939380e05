"""When a call that found nobody is tried again: rarely, later each time, never all callers at once."""

import random

MAX_ATTEMPTS = 3
FIRST_SECONDS, MAX_SECONDS = 0.05, 0.5
MAX_TOKENS = 20.0
TOKENS_OF_SUCCESS = 0.1


def backoff(failures: int) -> float:
    """Seconds to wait after so many failures in a row, with jitter: 0.05, 0.1, 0.2, at most 0.5, each a fifth off."""
    return min(MAX_SECONDS, FIRST_SECONDS * 2.0 ** min(failures - 1, 10)) * random.uniform(0.8, 1.2)


class RetryBudget:
    """Keeps a service that is down from being buried under retries: half of the budget gone, no more of them."""

    def __init__(self) -> None:
        self._tokens = MAX_TOKENS

    @property
    def allows(self) -> bool:
        """Whether a retry may be made now."""
        return self._tokens > MAX_TOKENS / 2

    def failed(self) -> None:
        """Count a call that found nobody."""
        self._tokens = max(0.0, self._tokens - 1)

    def succeeded(self) -> None:
        """Count a call that was answered."""
        self._tokens = min(MAX_TOKENS, self._tokens + TOKENS_OF_SUCCESS)

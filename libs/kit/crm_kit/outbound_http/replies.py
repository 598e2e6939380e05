"""What came back of a call to the outside, and why nothing did."""

import enum
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass


class Failure(enum.StrEnum):
    """Why there is no answer."""

    NAME_NOT_FOUND = "NAME_NOT_FOUND"
    # The name has an address that no call may reach.
    ADDRESS_NOT_ALLOWED = "ADDRESS_NOT_ALLOWED"
    NOT_CONNECTED = "NOT_CONNECTED"
    # TLS: its certificate does not hold, for example.
    NOT_TRUSTED = "NOT_TRUSTED"
    TIMED_OUT = "TIMED_OUT"
    # The connection was closed, or what came is no HTTP.
    BROKEN_OFF = "BROKEN_OFF"


class OutboundError(Exception):
    """There is no answer. It never says which address a name has."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.value)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer: its HTTP status, its headers by names in lower case, and its body up to the bound.

    `whole`: all of the body was read; the rest of a longer one was not waited for.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    whole: bool


Send = Callable[[str, str, Mapping[str, str], bytes], Awaitable[Reply]]

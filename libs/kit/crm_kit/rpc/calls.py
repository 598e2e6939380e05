"""A call and its reply as values: what the pipeline needs of a transport, and what callers get from one."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

import grpc

Metadata = tuple[tuple[str, str | bytes], ...]


class Call(NamedTuple):
    """One request on its way. `path` is `/crm.customer.v1.AccountService/GetAccount`, `data` the message's bytes.

    `seconds` is how long the caller still waits; None when it does not say.
    """

    path: str
    data: bytes
    metadata: Mapping[str, str]
    seconds: float | None = None

    def after(self, passed: float) -> "Call":
        """The same call when so many seconds of its time have passed."""
        return self if self.seconds is None else self._replace(seconds=max(0.0, self.seconds - passed))


class Reply(NamedTuple):
    """How a call ended: the response's bytes, or a status that is not OK; trailing metadata with either."""

    data: bytes = b""
    code: grpc.StatusCode = grpc.StatusCode.OK
    detail: str = ""
    metadata: Metadata = ()


Handler = Callable[[Call], Coroutine[Any, Any, Reply]]


def failure(code: grpc.StatusCode, detail: str, metadata: Metadata = ()) -> grpc.aio.AioRpcError:
    """A failed call as grpc itself raises it, so that callers need not know which way it went."""
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*metadata), details=detail)

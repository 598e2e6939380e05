"""Checks of ours beside those of schemathesis, which loads this module."""

from typing import Any

import schemathesis

from tests.fuzz.leaks import leak_in


@schemathesis.hook
def before_call(ctx: Any, case: Any, kwargs: Any) -> None:
    """Ask for all fields: an answer with some of them is not what the document says of a whole one."""
    if case.query:
        case.query.pop("fields", None)


@schemathesis.check
def nothing_leaks(ctx: Any, response: Any, case: Any) -> None:
    """No trace of the inside in any error."""
    if response.status_code < 400:
        return
    body = response.content.decode(errors="replace")
    leak = leak_in(body)
    assert not leak, f"the answer leaks {leak!r}"


@schemathesis.check
def access_is_kept(ctx: Any, response: Any, case: Any) -> None:
    """The administrator's token holds to the end, or the rest of the run would show nothing."""
    sent = case.headers or {}
    assert response.status_code != 401 or "Authorization" in sent or case.path.startswith("/v1/auth"), "token lost"


@schemathesis.check
def errors_are_problems(ctx: Any, response: Any, case: Any) -> None:
    """Every error is RFC 9457 JSON with a reason."""
    if response.status_code < 400:
        return
    kind = response.headers.get("content-type", [""])
    kind = kind[0] if isinstance(kind, list) else kind
    assert kind.startswith("application/problem+json"), f"an error of type {kind!r}"
    assert response.json().get("reason"), "an error without a reason"

"""Routes of `routes/` in the document: each brings its operation, written by hand, as its `openapi_extra`."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute

from crm_gateway.openapi.fixed import STATUSES
from crm_gateway.openapi.rules import Schema

_HEADERS = {
    "X-Request-Id": "XRequestId",
    "RateLimit-Limit": "RateLimitLimit",
    "RateLimit-Remaining": "RateLimitRemaining",
    "RateLimit-Reset": "RateLimitReset",
}


@dataclass(frozen=True, slots=True)
class OtherRoute:
    """A route that is not one RPC, and its OpenAPI operation."""

    verb: str
    path: str
    entry: Schema


def other_routes(routers: Iterable[APIRouter]) -> Iterator[OtherRoute]:
    """All routes of the routers that are part of the API; health and the reference itself are not."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.openapi_extra:
                yield from (OtherRoute(verb, route.path, route.openapi_extra) for verb in sorted(route.methods or ()))


def reference(name: str) -> Schema:
    """A component schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer_of(schema: Schema, problems: Iterable[str]) -> Schema:
    """The responses of a route with a token: 200 with this JSON, and problems by status."""
    good = {
        "description": "The answer.",
        "headers": {name: {"$ref": f"#/components/headers/{component}"} for name, component in _HEADERS.items()},
        "content": {"application/json": {"schema": schema}},
    }
    return {"200": good} | problems_of(problems)


def problems_of(statuses: Iterable[str]) -> Schema:
    """The responses of a route that are problems, by status."""
    return {code: {"$ref": f"#/components/responses/{STATUSES[code][0]}"} for code in statuses}

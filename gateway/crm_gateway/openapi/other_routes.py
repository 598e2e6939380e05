"""Routes of `routes/` in the document: each brings its operation, written by hand, as its `openapi_extra`."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.routing import APIRoute

from crm_gateway.json_schema.rules import Schema
from crm_gateway.openapi.responses import failures, good

_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class OtherRoute:
    """A route that is not one RPC, its OpenAPI operation, and the schemas that only it has, by name."""

    verb: str
    path: str
    entry: Schema
    schemas: Mapping[str, Schema]


def other_routes(routers: Iterable[APIRouter]) -> Iterator[OtherRoute]:
    """All routes of the routers that are part of the API; health and the reference itself are not."""
    for router in routers:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.openapi_extra:
                entry, schemas = _titled_apart(route.openapi_extra)
                yield from (OtherRoute(verb, route.path, entry, schemas) for verb in sorted(route.methods or ()))


def _titled_apart(entry: Schema) -> tuple[Schema, dict[str, Schema]]:
    """An operation with references to the schemas that it brings under a title, and these."""
    schemas: dict[str, Schema] = {}
    responses = dict(entry["responses"])
    for status, answer in responses.items():
        schema = answer.get("content", {}).get(_JSON, {}).get("schema", {})
        if title := schema.get("title"):
            schemas[title] = {key: value for key, value in schema.items() if key != "title"}
            responses[status] = answer | {"content": {_JSON: {"schema": reference(title)}}}
    return entry | {"responses": responses}, schemas


def reference(name: str) -> Schema:
    """A component schema by its name."""
    return {"$ref": f"#/components/schemas/{name}"}


def answer_of(content: Schema, status: str = "200", *, headers: Iterable[str] = ()) -> Schema:
    """The responses of a route: what it gives by media type when all goes well, and how it can fail."""
    created = status == "201"
    return {status: good(content, [*headers, *(["Location"] if created else [])], created=created)} | failures()

"""The responses of operations, each said once: what a message looks like as an answer, and how a request fails."""

from collections.abc import Iterable

from crm_gateway.json_schema.rules import Schema
from crm_gateway.openapi.fixed import FAILURES, NOT_MODIFIED
from crm_gateway.openapi.schemas import Form, Schemas
from crm_gateway.transcode.operations import Operation


class Responses:
    """Component responses, made as they are referred to."""

    def __init__(self, schemas: Schemas, operations: Iterable[Operation]) -> None:
        self._schemas = schemas
        self._repeatable = {each.rpc.response.full_name for each in operations if each.rpc.is_keyed}
        self.components: dict[str, Schema] = {**FAILURES, "NotModified": NOT_MODIFIED, "Done": {"description": "Done."}}

    def of(self, operation: Operation) -> Schema:
        """All responses of an operation, by status."""
        if operation.empty:
            return {"204": {"$ref": "#/components/responses/Done"}} | failures()
        found = {"201" if operation.creates else "200": self._answer(operation)}
        if operation.binding.verb == "GET" and operation.tagged:
            found["304"] = {"$ref": "#/components/responses/NotModified"}
        return found | failures()

    def _answer(self, operation: Operation) -> Schema:
        message = operation.rpc.response
        schema = self._schemas.ref(message, Form.ANSWER)
        names = ["ETag"] if operation.tagged else []
        if message.full_name in self._repeatable:
            names.append("Idempotent-Replayed")
        if operation.creates and operation.located is not None:
            names.append("Location")
        name = schema["$ref"].rpartition("/")[2] + ("Created" if operation.creates else "")
        if operation.views is not None and operation.views.references:
            name += "WithIncluded"
            schema = {"allOf": [schema, {"$ref": "#/components/schemas/Included"}]}
        return self._component(name, good({"application/json": {"schema": schema}}, names, created=operation.creates))

    def _component(self, name: str, answer: Schema) -> Schema:
        self.components[name] = answer
        return {"$ref": f"#/components/responses/{name}"}


def good(content: Schema, headers: Iterable[str] = (), *, created: bool = False) -> Schema:
    """The answer when all goes well, by media type, with the headers that not every answer has."""
    answer: Schema = {"description": "Created." if created else "The answer."}
    if refs := {name: {"$ref": f"#/components/headers/{name.replace('-', '')}"} for name in headers}:
        answer["headers"] = refs
    return answer | {"content": content}


def failures() -> Schema:
    """How any request can fail."""
    return {"4XX": {"$ref": "#/components/responses/Refused"}, "5XX": {"$ref": "#/components/responses/Failed"}}

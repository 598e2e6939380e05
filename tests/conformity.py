"""Answers and bodies held against the OpenAPI document that describes them."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import orjson
from referencing import Registry
from referencing.jsonschema import DRAFT202012

Schema = Mapping[str, Any]
_VARIABLE = re.compile(r"\{[a-z_.]+\}")
_JSON_TYPES = ("application/json", "application/problem+json")


class Document:
    """An OpenAPI document that can check what is sent and answered."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self.content = content
        self.schemas: dict[str, Any] = content["components"]["schemas"]
        self._registry: Any = Registry().with_resource("urn:openapi", DRAFT202012.create_resource(content))
        # Paths with fewer variables win, as in the gateway.
        paths = sorted(content["paths"].items(), key=lambda item: item[0].count("{"))
        self._paths = [(re.compile(_VARIABLE.sub("[^/:]+", path)), entries) for path, entries in paths]

    def validator(self, schema: Schema, *, formats: bool = True) -> Any:
        """A validator of a schema of the document; its references are below `components`."""
        rooted = orjson.loads(orjson.dumps(schema).replace(b'"#/components', b'"urn:openapi#/components'))
        checker = jsonschema.Draft202012Validator.FORMAT_CHECKER if formats else None
        return jsonschema.Draft202012Validator(rooted, registry=self._registry, format_checker=checker)

    def component(self, name: str, *, formats: bool = True) -> Any:
        """A validator of a component schema."""
        return self.validator({"$ref": f"#/components/schemas/{name}"}, formats=formats)

    def resolved(self, value: Schema) -> Schema:
        """What a reference leads to; anything else as it is."""
        if "$ref" not in value:
            return value
        _, _, kind, name = value["$ref"].split("/")
        found: Schema = self.content["components"][kind][name]
        return found

    def operation(self, verb: str, path: str) -> Schema | None:
        """The operation at a path, or None."""
        for pattern, entries in self._paths:
            if pattern.fullmatch(path):
                found: Schema | None = entries.get(verb.lower())
                return found
        return None

    def wrong_with(self, verb: str, path: str, status: int, body: Any) -> Iterator[str]:
        """What a JSON answer has that the document does not say."""
        entry = self.operation(verb, path)
        if entry is None:
            if status != 404:
                yield f"{verb} {path} is not in the document"
            return
        schema = self._answer(entry, status)
        if schema is None:
            yield f"{verb} {path}: no answer {status} is documented"
            return
        for error in self.validator(schema).iter_errors(body):
            yield f"{verb} {path} {status}: {error.json_path}: {error.message[:300]}"

    def sent_back(self, path: str) -> Schema | None:
        """The body of the PATCH that takes what the GET at the same path gives; None where there is none."""
        get, patch = self.operation("GET", path), self.operation("PATCH", path)
        if get is None or patch is None:
            return None
        content = patch["requestBody"]["content"]
        if "application/json" not in content:
            return None
        schema: Schema = content["application/json"]["schema"]
        answered = self._answer(get, 200)
        return schema if answered is not None and _message(answered) == _message(schema) else None

    def wrong_when_sent_back(self, path: str, body: Any) -> Iterator[str]:
        """What keeps an answer of a GET from being sent back as a PATCH; nothing where no PATCH takes it."""
        schema = self.sent_back(path)
        for error in () if schema is None else self.validator(schema).iter_errors(body):
            yield f"PATCH {path}: {error.json_path}: {error.message[:300]}"

    def _answer(self, entry: Schema, status: int) -> Schema | None:
        responses = entry["responses"]
        answer = responses.get(str(status)) or responses.get(f"{status // 100}XX")
        if answer is None:
            return None
        for media_type, media in self.resolved(answer).get("content", {}).items():
            if media_type in _JSON_TYPES:
                schema: Schema = media["schema"]
                return schema
        return None


def _message(schema: Schema) -> str:
    """The message that a component is a form of."""
    own = schema["allOf"][0] if "allOf" in schema else schema
    name: str = own.get("$ref", "").rpartition("/")[2]
    return name.removesuffix("Patch").removesuffix("Input")

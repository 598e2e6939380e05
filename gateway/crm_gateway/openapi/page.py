"""The reference as plain HTML, rendered once at start: no script, nothing loaded from elsewhere."""

import re
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from typing import Any

import orjson

from crm_gateway.json_schema.examples import NoExample, example, flattened
from crm_gateway.json_schema.rules import Schema
from crm_gateway.problems import anchor

_JSON = "application/json"
_VERBS = ("get", "post", "put", "patch", "delete")
_CODE = re.compile(r"`([^`]+)`")
_BOLD = re.compile(r"\*\*([^*]+)\*\*")
_REASON = re.compile(r"\b[A-Z]{2,}(?:_[A-Z]+)*\b")
_LIMITS = {
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minimum": "from {}",
    "maximum": "to {}",
    "exclusiveMinimum": "above {}",
    "exclusiveMaximum": "below {}",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} entries",
    "maxProperties": "at most {} entries",
    "pattern": "matches <code>{}</code>",
}


def reference_page(document: Mapping[str, Any]) -> str:
    """The page of all operations and schemas of an OpenAPI document."""
    by_tag: dict[str, list[tuple[str, str, Schema]]] = {tag["name"]: [] for tag in document["tags"]}
    for path, entries in document["paths"].items():
        for verb in _VERBS:
            if verb in entries:
                by_tag[entries[verb]["tags"][0]].append((verb, path, entries[verb]))
    comments = {tag["name"]: tag["description"] for tag in document["tags"]}
    components = document["components"]
    groups = "".join(_group(tag, comments[tag], found, components) for tag, found in by_tag.items())
    schemas = "".join(_schema(name, schema, components) for name, schema in components["schemas"].items())
    introduction = _prose(document["info"]["description"])
    return _page(
        "Guanxi API",
        _navigation(by_tag),
        f'<header id="top"><h1>Guanxi API</h1>{introduction}'
        '<p><a href="/openapi.json">OpenAPI 3.1</a> &middot; <a href="/docs/errors">Errors</a></p></header>'
        f'{groups}<section><h2 id="schemas">Schemas</h2>{schemas}</section>',
    )


def errors_page(reasons: Mapping[str, str]) -> str:
    """The page problem documents link to: each reason and what it means."""
    entries = "".join(
        f'<article class="reason" id="{anchor(reason)}"><h3><a href="#{anchor(reason)}">{reason}</a></h3>'
        f"{_prose(text)}</article>"
        for reason, text in reasons.items()
    )
    links = "".join(f'<li><a href="#{anchor(reason)}">{reason}</a></li>' for reason in reasons)
    return _page(
        "Guanxi API: errors",
        f'<p><a href="/docs">Guanxi API</a></p><ul class="small">{links}</ul>',
        "<header><h1>Errors</h1><p>Every error is a problem document (RFC 9457). Its <code>reason</code> is one of "
        f"these.</p></header>{entries}",
    )


def _page(title: str, navigation: str, content: str) -> str:
    style = files("crm_gateway.openapi").joinpath("reference.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head>"
        f'<body><nav aria-label="Contents">{navigation}</nav><main>{content}</main></body></html>'
    )


def _navigation(by_tag: Mapping[str, Iterable[tuple[str, str, Schema]]]) -> str:
    parts = ['<p><a href="#top">Guanxi API</a></p>']
    for tag, found in by_tag.items():
        links = "".join(
            f'<li><a href="#{entry["operationId"]}">{_badge(verb)}<span>{escape(entry["operationId"])}</span></a></li>'
            for verb, _, entry in found
        )
        parts.append(f"<details open><summary>{escape(_spaced(tag))}</summary><ul>{links}</ul></details>")
    parts.append('<p><a href="#schemas">Schemas</a></p>')
    return "".join(parts)


def _group(tag: str, comment: str, found: Iterable[tuple[str, str, Schema]], components: Mapping[str, Any]) -> str:
    entries = "".join(_operation(verb, path, entry, components) for verb, path, entry in found)
    return f'<section><h2 id="tag-{escape(tag)}">{escape(_spaced(tag))}</h2>{_prose(comment)}{entries}</section>'


def _operation(verb: str, path: str, entry: Schema, components: Mapping[str, Any]) -> str:
    name = entry["operationId"]
    resolved = [_resolved(each, components) for each in entry["parameters"]]
    rows = "".join(
        _row(each["name"], each["schema"], each.get("description", ""), each.get("required", False), each["in"])
        for each in resolved
    )
    access = "no token needed" if "security" in entry else f"permission <code>{escape(entry['x-permission'])}</code>"
    return (
        f'<article id="{name}"><h3><a href="#{name}">{name}</a></h3>'
        f'<p class="route">{_badge(verb)}<code>{_broken(path)}</code><small>{access}</small></p>'
        f"{_with_reasons(entry['summary'] + chr(10) + entry.get('description', ''))}"
        f"{_table('Parameters', rows)}"
        f"{_media('Body', entry.get('requestBody'), components)}"
        f"{''.join(_response(status, answer, components) for status, answer in entry['responses'].items())}</article>"
    )


def _resolved(value: Schema, components: Mapping[str, Any]) -> Schema:
    """What a reference such as `#/components/parameters/Id` leads to; anything else as it is."""
    if "$ref" not in value:
        return value
    _, _, kind, name = value["$ref"].split("/")
    found: Schema = components[kind][name]
    return found


def _with_reasons(description: str) -> str:
    """A comment whose last sentence, `Reasons: ...`, links to what the reasons mean."""
    text, told, reasons = description.partition("Reasons:")
    if not told:
        return _prose(description)
    links = _REASON.sub(lambda match: f'<a href="/docs/errors#{anchor(match[0])}">{match[0]}</a>', escape(reasons))
    return f'{_prose(text)}<p class="limits">Reasons:{links}</p>'


def _response(status: str, answer: Schema, components: Mapping[str, Any]) -> str:
    if not status.startswith("2"):
        return ""
    resolved = _resolved(answer, components)
    return _media(f"Answer {status}", resolved, components) or f"<p><b>Answer {status}</b> without a body</p>"


def _media(title: str, holder: Schema | None, components: Mapping[str, Any]) -> str:
    if not holder or "content" not in holder:
        return ""
    if _JSON not in holder["content"]:
        return f"<p><b>{title}</b> a file: {', '.join(map(escape, holder['content']))}</p>"
    schema = holder["content"][_JSON]["schema"]
    shown = _example(schema, components)
    if "$ref" in schema:
        return f"<p><b>{title}</b> {_type(schema)}</p>{shown}"
    rows = "".join(_property_rows(schema))
    return _table(title, rows) + shown if rows else f"<p><b>{title}</b> an empty object, or nothing</p>"


def _example(schema: Schema, components: Mapping[str, Any]) -> str:
    try:
        shown = example(schema, components["schemas"])
    except NoExample:
        return ""
    text = orjson.dumps(shown, option=orjson.OPT_INDENT_2).decode()
    return f"<details><summary>Example</summary><pre>{escape(text)}</pre></details>"


def _schema(name: str, schema: Schema, components: Mapping[str, Any]) -> str:
    rows = "".join(_property_rows(flattened(schema, components["schemas"])))
    values = "" if rows or "enum" not in schema else f"<p>{_type(schema)}</p>"
    return (
        f'<article class="schema" id="schema-{escape(name)}"><h3><a href="#schema-{escape(name)}">{escape(name)}</a>'
        f"</h3>{_prose(schema.get('description', ''))}{_table('', rows)}{values}</article>"
    )


def _property_rows(schema: Schema) -> Iterable[str]:
    required = schema.get("required", ())
    # In an answer everything is there, so saying it of each field tells nothing.
    is_answer = "additionalProperties" not in schema and "allOf" not in schema
    for name, inner in schema.get("properties", {}).items():
        given = name in required and not is_answer
        yield _row(name, inner, inner.get("description", ""), given, "read-only" if inner.get("readOnly") else "")


def _row(name: str, schema: Schema, description: str, required: bool, where: str) -> str:
    marks = ('<em class="required">required</em>' if required else "") + (f"<em>{where}</em>" if where else "")
    limits = "; ".join(
        text.format(escape(str(schema[keyword]))) for keyword, text in _LIMITS.items() if keyword in schema
    )
    return (
        f"<tr><th scope=row><code>{escape(name)}</code>{marks}</th><td>{_type(schema)}</td>"
        f"<td>{_prose(description)}{f'<p class=limits>{limits}</p>' if limits else ''}</td></tr>"
    )


def _table(title: str, rows: str) -> str:
    if not rows:
        return ""
    return (f"<p><b>{title}</b></p>" if title else "") + f"<div class=wide><table><tbody>{rows}</tbody></table></div>"


def _type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f'<a href="#schema-{escape(name)}">{escape(name)}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " ".join(f"<code>{_broken(str(value))}</code>" for value in schema["enum"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    text = " or ".join(kind) if isinstance(kind, list) else kind
    return escape(text) + (f" <small>{escape(schema['format'])}</small>" if "format" in schema else "")


def _badge(verb: str) -> str:
    return f'<span class="verb {verb}">{verb.upper()}</span>'


def _broken(text: str) -> str:
    """Long names may break after their separators."""
    return re.sub(r"([/_:])", r"\1<wbr>", escape(text))


def _spaced(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)


def _prose(text: str) -> str:
    """Comments as HTML: paragraphs, `code`, **bold** and lists with `- `."""
    blocks = []
    for block in re.split(r"\n\s*\n", text.strip()):
        lines = block.splitlines()
        if lines and all(line.startswith("- ") for line in lines):
            blocks.append("<ul>" + "".join(f"<li>{_inline(line[2:])}</li>" for line in lines) + "</ul>")
        elif block:
            blocks.append(f"<p>{_inline(' '.join(lines))}</p>")
    return "".join(blocks)


def _inline(text: str) -> str:
    return _BOLD.sub(r"<b>\1</b>", _CODE.sub(r"<code>\1</code>", escape(text, quote=False)))

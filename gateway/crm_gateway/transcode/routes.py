"""Path templates of `google.api.http` and the matcher from verb and raw path to route.

A template is segments of literals and `{variable}`s, optionally ended by a custom `:verb`. Literals win over
variables. Segments are split before they are percent-decoded, so that `%2F` inside an id stays part of it. Clients that
encode whole segments send `:archive` as `%3Aarchive`: that is the verb where there is one, else part of the id.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Generic, TypeVar
from urllib.parse import unquote_to_bytes

Target = TypeVar("Target")

_VARIABLE = re.compile(r"\{([a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)*)\}")
_LITERAL = re.compile(r"[A-Za-z0-9._~-]+")
# An encoded character that needs no encoding means the character itself (RFC 3986, 6.2.2.2).
_UNRESERVED = re.compile(r"%(?:2[DE]|3[0-9]|[46][1-9A-F]|[57][0-9A]|5F|7E)", re.IGNORECASE)
_ENCODED_VERB = re.compile(r"(.*)%3A([A-Za-z0-9._~-]+)", re.IGNORECASE)
# Of longer paths nobody is told what they may have meant: looking would take long.
MAX_NEAR_LENGTH = 200


@dataclass(frozen=True, slots=True)
class Template:
    """`/v1/accounts/{account.id}:archive`: segments, None standing for a variable; variables; custom verb."""

    segments: tuple[str | None, ...]
    variables: tuple[str, ...]
    custom_verb: str

    @property
    def shape(self) -> str:
        """The template with its variables' names left out: equal shapes match equal paths."""
        return self.with_names(("",) * len(self.variables))

    def with_names(self, names: Sequence[str]) -> str:
        """The template with these names for its variables."""
        rest = iter(names)
        path = "/".join(f"{{{next(rest)}}}" if segment is None else segment for segment in self.segments)
        return f"/{path}:{self.custom_verb}" if self.custom_verb else f"/{path}"


def parse_template(text: str) -> Template:
    """Read a path template; ValueError says what is wrong with it."""
    if not text.startswith("/") or text == "/":
        raise ValueError(f"path template {text!r} does not start with / and a segment")
    path, colon, verb = text[1:].partition(":")
    if colon and not _LITERAL.fullmatch(verb):
        raise ValueError(f"path template {text!r} has no proper verb after the colon")
    segments: list[str | None] = []
    variables: list[str] = []
    for segment in path.split("/"):
        if variable := _VARIABLE.fullmatch(segment):
            segments.append(None)
            variables.append(variable[1])
        elif _LITERAL.fullmatch(segment):
            segments.append(segment)
        else:
            raise ValueError(f"path template {text!r} has the unusable segment {segment!r}")
    if len(set(variables)) != len(variables):
        raise ValueError(f"path template {text!r} names a variable twice")
    return Template(tuple(segments), tuple(variables), verb)


@dataclass(slots=True)
class _Node(Generic[Target]):
    literals: "dict[str, _Node[Target]]" = field(default_factory=dict)
    variable: "_Node[Target] | None" = None
    # custom verb ("" for none) -> HTTP verb -> target
    ends: dict[str, dict[str, Target]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Match(Generic[Target]):
    """What is at a path: HTTP verb -> target, and the path's variables, percent-decoded."""

    targets: Mapping[str, Target]
    values: tuple[str, ...]


class Undecodable(ValueError):
    """A path segment that is not UTF-8 once percent-decoded."""


class Routes(Generic[Target]):
    """All routes as a tree of segments."""

    def __init__(self, routes: Iterable[tuple[str, Template, Target]]) -> None:
        self._root: _Node[Target] = _Node()
        for verb, template, target in routes:
            self._add(verb, template, target)

    def _add(self, verb: str, template: Template, target: Target) -> None:
        node = self._root
        for segment in template.segments:
            if segment is None:
                node.variable = node.variable or _Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, _Node())
        node.ends.setdefault(template.custom_verb, {})[verb] = target

    def match(self, raw_path: str, verb: str = "") -> Match[Target] | None:
        """Everything served at a raw path (still percent-encoded), or None.

        Of two readings of a path the one is taken that serves the HTTP verb.
        """
        if "%" not in raw_path:
            return self._match(raw_path)
        path = _UNRESERVED.sub(lambda encoded: chr(int(encoded[0][1:], 16)), raw_path)
        readings = [path]
        if encoded := _ENCODED_VERB.fullmatch(path):
            readings.insert(0, f"{encoded[1]}:{encoded[2]}")
        found = [match for reading in readings if (match := self._match(reading)) is not None]
        return next((match for match in found if verb in match.targets), found[0] if found else None)

    def near(self, raw_path: str) -> str:
        """The path of a route that looks like one where nothing is; empty where none does."""
        path, colon, verb = raw_path.rpartition(":")
        first, *segments = (path if colon else raw_path).split("/")
        if first or not segments or len(raw_path) > MAX_NEAR_LENGTH:
            return ""
        found = _near(self._root, segments, verb if colon else "")
        return f"/{'/'.join(found[0])}{found[1] and ':'}{found[1]}" if found else ""

    def verbs(self, raw_path: str) -> list[str]:
        """The custom verbs, in their order, that there are at the path before one that there is not; none elsewhere."""
        path, colon, _ = raw_path.rpartition(":")
        first, *segments = path.split("/")
        return sorted(_verbs(self._root, segments)) if colon and segments and not first else []

    def _match(self, path: str) -> Match[Target] | None:
        first, *segments = path.split("/")
        if first or not segments:
            return None
        last, colon, verb = segments[-1].rpartition(":")
        if colon:
            if not verb:
                return None
            segments[-1] = last
        found = _find(self._root, segments, 0, verb if colon else "", ())
        if found is None:
            return None
        targets, values = found
        return Match(targets, tuple(map(_decoded, values)))


def _find(
    node: _Node[Target], segments: list[str], at: int, verb: str, values: tuple[str, ...]
) -> tuple[Mapping[str, Target], tuple[str, ...]] | None:
    """Targets and still encoded values below a node; a literal that leads nowhere gives way to the variable."""
    if at == len(segments):
        targets = node.ends.get(verb)
        return None if targets is None else (targets, values)
    segment = segments[at]
    literal = node.literals.get(segment)
    if literal is not None:
        found = _find(literal, segments, at + 1, verb, values)
        if found is not None:
            return found
    if node.variable is None or not segment:
        return None
    return _find(node.variable, segments, at + 1, verb, (*values, segment))


def _verbs(node: _Node[Any], segments: Sequence[str]) -> set[str]:
    """The custom verbs of all routes below a node that have these segments."""
    if not segments:
        return set(filter(None, node.ends))
    segment, *rest = segments
    literal = node.literals.get(segment)
    found = _verbs(literal, rest) if literal is not None else set()
    return found | (_verbs(node.variable, rest) if node.variable is not None and segment else set())


def _near(node: _Node[Any], segments: list[str], verb: str) -> tuple[list[str], str] | None:
    """Segments and custom verb of the route below a node that is most like these; each stays as it is if it can."""
    if not segments:
        ends = [verb] if verb in node.ends else get_close_matches(verb, node.ends, n=1)
        return ([], ends[0]) if ends else None
    segment, *rest = segments
    literals = [segment] if segment in node.literals else get_close_matches(segment, node.literals, n=1)
    below = [(each, node.literals[each]) for each in literals]
    if node.variable is not None and segment:
        below.append((segment, node.variable))
    for name, child in below:
        if (found := _near(child, rest, verb)) is not None:
            return [name, *found[0]], found[1]
    return None


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    try:
        return unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        raise Undecodable(segment) from None

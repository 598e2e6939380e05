"""SQLAlchemy writes the SQL, once; asyncpg runs it ever after.

A `Statement` is the compiled text with the order of its parameters. No value ever becomes part of the text.
"""

import functools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from operator import itemgetter
from typing import Any, ParamSpec, cast

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

DIALECT = asyncpg.dialect()
Arguments = ParamSpec("Arguments")
# As SQLAlchemy writes them. What looks at other rows has to see those that were written before.
_INSERT = re.compile(
    r"(?P<before>INSERT INTO \w+ \([^()]*\) VALUES )"
    r"(?P<values>\((?:(?!SELECT|RETURNING).)*?\))"
    r"(?P<behind>| ON CONFLICT .*)",
    re.DOTALL,
)
_REPLACED = re.compile(r" ON CONFLICT \((?P<key>[^()]*)\) DO UPDATE ")
ROWS_TOGETHER = 25
"""Of one text: more make hardly a difference, and it has to be planned for each connection."""
# How often PostgreSQL plans a prepared statement for its values (plancache.c, `num_custom_plans`).
PLANS_BY_VALUES = 5


@dataclass(frozen=True, slots=True)
class Row:
    """Where in an INSERT its row stands, so that one text can have several.

    `key` are the places of the values by which an upsert finds the row to replace; none where nothing is replaced.
    """

    before: str
    values: str
    behind: str
    key: tuple[int, ...]

    def several(self, count: int, size: int) -> str:
        """The INSERT of `count` rows of `size` values each."""
        rows = ", ".join(renumbered(self.values, index * size) for index in range(count))
        return f"{self.before}{rows}{self.behind}"

    def replaces_twice(self, runs: Sequence[Sequence[object]]) -> bool:
        """Whether two of the rows replace the same one, which they cannot in one statement."""
        return bool(self.key) and len(set(map(itemgetter(*self.key), runs))) < len(runs)


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """Text with `$1`, `$2` ... and the names of the values that go there, in that order."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, object] = field(default_factory=dict)
    row: Row | None = None
    _uses: Iterator[int] = field(default_factory=count, repr=False)

    def arguments(self, values: Mapping[str, Any]) -> list[object]:
        """The values in the statement's order; a missing one is a KeyError naming it."""
        if self.constants:
            values = {**self.constants, **values}
        return list(map(values.__getitem__, self.names))

    def planned_by_values(self) -> "Statement":
        """The statement under a text that is new after every fifth use.

        PostgreSQL plans a prepared statement for its values five times, and may then plan it for any values: where it
        depends on the values how many rows there are, that plan reads a million of them to find a few.
        """
        text = f"{self.sql} /* {next(self._uses) // PLANS_BY_VALUES} */"
        return Statement(text, self.names, self.constants)


def compile_statement(clause: Executable) -> Statement:
    """Compile for asyncpg. Bind parameters keep their names; literals become constants."""
    assert isinstance(clause, ClauseElement)
    compiled = clause.compile(dialect=DIALECT)
    if not isinstance(compiled, SQLCompiler):
        return Statement(str(compiled), ())
    required = {name for name, bind in compiled.binds.items() if bind.required}
    # Lists of literals (`IN ('A', 'B')`) are spelled out here, not at execution.
    expanded = compiled.construct_expanded_state(dict.fromkeys(required), escape_names=False)
    names = tuple(expanded.positiontup or ())
    constants = {name: expanded.parameters[name] for name in names if name not in required}
    return Statement(expanded.statement, names, constants, row_in(expanded.statement, names))


def row_in(sql: str, names: Sequence[str]) -> Row | None:
    """The row of an INSERT of one that depends on nothing but its values; None for all other statements."""
    found = _INSERT.fullmatch(sql)
    if found is None or "$" in found["behind"]:
        return None
    if "DO UPDATE" not in found["behind"]:
        return Row(found["before"], found["values"], found["behind"], ())
    replaced = _REPLACED.match(found["behind"])
    key = replaced["key"].split(", ") if replaced else []
    if not key or not set(key) <= set(names):
        return None
    return Row(found["before"], found["values"], found["behind"], tuple(map(names.index, key)))


def texts_of(query: Statement, runs: Sequence[list[object]]) -> Iterator[tuple[str, Sequence[list[object]]]]:
    """What has the effect of running a statement with each of these arguments in turn: texts, with the runs of each.

    Rows that are only inserted go several at a time: a statement costs the database more than a row of it.
    """
    joined = 0
    if query.row is not None and len(runs) >= ROWS_TOGETHER and not query.row.replaces_twice(runs):
        joined = len(runs) // ROWS_TOGETHER * ROWS_TOGETHER
        starts = range(0, joined, ROWS_TOGETHER)
        yield insert_several(query), [list(chain.from_iterable(runs[at : at + ROWS_TOGETHER])) for at in starts]
    if joined < len(runs):
        yield query.sql, runs[joined:]


@functools.lru_cache(maxsize=512)
def insert_several(query: Statement) -> str:
    """The INSERT of `ROWS_TOGETHER` rows."""
    assert query.row is not None
    return query.row.several(ROWS_TOGETHER, len(query.names))


def renumbered(sql: str, offset: int) -> str:
    """The statement with its parameters counted from `offset` on."""
    return re.sub(r"\$(\d+)", lambda match: f"${int(match[1]) + offset}", sql)


def statement(build: Callable[Arguments, Executable]) -> Callable[Arguments, Statement]:
    """Decorate a function that builds a statement: each combination of arguments is compiled once."""

    @functools.wraps(build)
    def compiled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Statement:
        return compile_statement(build(*args, **kwargs))

    return cast("Callable[Arguments, Statement]", functools.lru_cache(maxsize=512)(compiled))

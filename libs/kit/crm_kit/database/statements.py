"""SQLAlchemy writes the SQL, once; asyncpg runs it ever after.

A `Statement` is the compiled text with the order of its parameters. No value ever becomes part of the text.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ParamSpec, cast

from sqlalchemy import Executable
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

DIALECT = asyncpg.dialect()
Arguments = ParamSpec("Arguments")
# How often PostgreSQL plans a prepared statement for its values (plancache.c, `num_custom_plans`).
PLANS_BY_VALUES = 5


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """Text with `$1`, `$2` ... and the names of the values that go there, in that order."""

    sql: str
    names: tuple[str, ...]
    constants: Mapping[str, object] = field(default_factory=dict)
    _uses: Iterator[int] = field(default_factory=count, repr=False)

    def arguments(self, values: Mapping[str, Any]) -> list[object]:
        """The values in the statement's order; a missing one is a KeyError naming it."""
        constants = self.constants
        return [values[name] if name in values else constants[name] for name in self.names]

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
    return Statement(expanded.statement, names, constants)


def statement(build: Callable[Arguments, Executable]) -> Callable[Arguments, Statement]:
    """Decorate a function that builds a statement: each combination of arguments is compiled once."""

    @functools.wraps(build)
    def compiled(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Statement:
        return compile_statement(build(*args, **kwargs))

    return cast("Callable[Arguments, Statement]", functools.lru_cache(maxsize=512)(compiled))

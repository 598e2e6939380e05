"""The grammar of filters. Its parser (LALR) takes time proportional to the text and uses no recursion."""

import re
from collections.abc import Mapping
from typing import Any

from lark import Lark, Token, Tree, UnexpectedToken

from crm_kit.errors import InvalidArgument, invalid_field

MAX_CHARACTERS = 2000
_SHOWN_CHARACTERS = 40

# After https://google.aip.dev/assets/misc/ebnf-filtering.txt: AND joins ORs. Left out are bare literals,
# juxtaposition, `-` for NOT and functions; added is IN. STRAY gives every other character a token, so that
# each error is the parser's, and the parser knows what it expected.
_GRAMMAR = r"""
?filter: conjunction
       | -> everything
?conjunction: disjunction (_AND disjunction)*
?disjunction: negation (_OR negation)*
?negation: _NOT primary -> negation
         | primary
?primary: LPAREN conjunction _RPAREN -> group
        | restriction
?restriction: WORD OPERATOR _value -> comparison
            | WORD _IN LPAREN _value (_COMMA _value)* _RPAREN -> membership
_value: WORD | QUOTED | INSTANT
stray: STRAY

_AND: "AND"
_OR: "OR"
_NOT: "NOT"
_IN: "IN"
LPAREN: "("
_RPAREN: ")"
_COMMA: ","
OPERATOR: /<=|>=|!=|[<>=:]/
QUOTED: /"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'/s
INSTANT.2: /[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9:.+Z-]*/
WORD: /[^\s()<>=!:,"'\\]+/
STRAY.-1: /./s
%ignore /\s+/
"""
_PARSER = Lark(_GRAMMAR, parser="lalr", lexer="basic", start=["filter", "stray"], propagate_positions=True)

# PostgreSQL's text has no NUL, UTF-8 no lone surrogates.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")

# What a terminal is called in an error, in the order of naming.
_NAMES = {
    "OPERATOR": "a comparison (=, !=, <, <=, >, >=, :)",
    "_IN": "IN",
    "_NOT": "NOT",
    "LPAREN": "(",
    "_AND": "AND",
    "_OR": "OR",
    "_COMMA": "a comma",
    "_RPAREN": ")",
    "$END": "the end",
}


def refuse(
    field: str, position: int, detail: str, *, rule: str = "filter", told: Mapping[str, str] | None = None
) -> InvalidArgument:
    """The error for a filter that is wrong at a position: 1 is the first character. `told` is what else it names."""
    metadata = {"position": str(position), **(told or {})}
    return invalid_field(field, rule, f"at position {position}: {detail}", reason="INVALID_FILTER", metadata=metadata)


def parse_text(text: str, field: str) -> Tree[Token]:
    """The untyped tree of a filter. InvalidArgument with reason INVALID_FILTER names position and expectation."""
    if len(text) > MAX_CHARACTERS:
        raise refuse(field, MAX_CHARACTERS + 1, f"a filter has at most {MAX_CHARACTERS} characters")
    if unstorable := _UNSTORABLE.search(text):
        raise refuse(field, unstorable.start() + 1, "this character is not allowed in text")
    try:
        return _PARSER.parse(text, start="filter")
    except UnexpectedToken as error:
        token: Any = error.token
        at_end = token.type == "$END"
        position = len(text) + 1 if at_end else token.start_pos + 1
        found = "the end" if at_end else shown(token)
        raise refuse(field, position, f"expected {_expected(error.accepts)}, found {found}") from None


def _expected(terminals: set[str]) -> str:
    names = [name for terminal, name in _NAMES.items() if terminal in terminals]
    if "QUOTED" in terminals:
        names = ["a value"]
    elif "WORD" in terminals:
        names = ["a field", *names]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} or {names[-1]}"


def shown(found: Token) -> str:
    """A token for an error's text, cut where it is long."""
    if found.type == "STRAY" and found in "\"'":
        return f"{found} without its closing {found}"
    return found if len(found) <= _SHOWN_CHARACTERS else f"{found[:_SHOWN_CHARACTERS]}..."

"""How a cell shows a code: with leading zeros, and with marks between its digits (ECMA-376 Part 1, 18.8.31).

What groups, rounds or scales a number is left aside: the number itself says more.
"""

import re
from functools import lru_cache

_CONDITION = re.compile(r"\[[^\]]*\]")
_TOKEN = re.compile(r'"([^"]*)"|\\(.)|_.|\*.|(0)|([ \-()/:+])|(.)')


@lru_cache(maxsize=1024)
def shape_of(number_format: str) -> str:
    """The format as a text with a `0` for each digit; empty when numbers are read as they are.

    `00000` and `000-0000` are such shapes, `"C"0` too, whose letter is in front; `0.00`, `#,##0` and `0" kg"` are none.
    """
    shape, literal_zeros = [], False
    for token in _TOKEN.finditer(_CONDITION.sub("", number_format.split(";")[0])):
        quoted, escaped, zero, mark, other = token.groups()
        if other:
            return ""
        literal = quoted or escaped or mark or ""
        literal_zeros |= "0" in literal
        shape.append(zero or literal)
    text = "".join(shape).strip()
    first = text.find("0")
    is_code = text.count("0") > 1 or any(map(str.isalpha, text[: max(first, 0)]))
    return text if first >= 0 and is_code and not literal_zeros else ""

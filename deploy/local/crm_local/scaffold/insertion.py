"""Puts a line where it belongs in a file that is there already. AnchorMissing when that place is not to be found."""

import ast
import re


class AnchorMissing(Exception):
    """What a file is expected to have, in words that go on `has no ...`."""


def with_import(code: str, line: str) -> str:
    """Python code with one more import behind its last one; the formatter sorts them."""
    imports = [node for node in ast.parse(code).body if isinstance(node, ast.Import | ast.ImportFrom)]
    if not imports:
        raise AnchorMissing("imports")
    lines = code.splitlines(keepends=True)
    lines.insert(imports[-1].end_lineno or 0, line + "\n")
    return "".join(lines)


def with_element(code: str, name: str, element: str) -> str:
    """Python code in which the list or tuple assigned to `name` has one more element at its end."""
    for node in ast.walk(ast.parse(code)):
        if (
            isinstance(node, ast.Assign)
            and [ast.unparse(target) for target in node.targets] == [name]
            and isinstance(node.value, ast.List | ast.Tuple)
        ):
            return _before_bracket(code, node.value, element)
    raise AnchorMissing(f"list `{name} = [...]`")


def _before_bracket(code: str, collection: ast.List | ast.Tuple, element: str) -> str:
    lines = code.encode().splitlines(keepends=True)
    # Columns are counted in bytes.
    end = sum(len(line) for line in lines[: (collection.end_lineno or 0) - 1]) + (collection.end_col_offset or 0) - 1
    before, after = code.encode()[:end].decode().rstrip(), code.encode()[end:].decode()
    first = not collection.elts
    separator = "" if first else " " if before.endswith(",") else ", "
    # A tuple of one is made by its comma.
    ending = "," if first and isinstance(collection, ast.Tuple) else ""
    return f"{before}{separator}{element}{ending}{after}"


def with_proto_import(contract: str, file: str) -> str:
    """A contract that imports one more file; the formatter sorts them."""
    found = list(re.finditer(r'^(import "[^"]+"|package [\w.]+);\n', contract, re.MULTILINE))
    if not found:
        raise AnchorMissing("line `package ...;`")
    end = found[-1].end()
    return f'{contract[:end]}import "{file}";\n{contract[end:]}'


def with_enum_value(contract: str, name: str, comment: str) -> str:
    """A contract whose last enum has one more value, with the next number."""
    numbers = [int(number) for number in re.findall(r"^  \w+ = (\d+);$", contract, re.MULTILINE)]
    body = contract.rstrip().removesuffix("}")
    if not numbers or body == contract.rstrip():
        raise AnchorMissing("enum with its values at the end")
    return f"{body}  // {comment}\n  {name} = {max(numbers) + 1};\n}}\n"


def with_toml_entry(text: str, table: str, key: str, value: str) -> str:
    """A TOML file whose table has one more text at its end."""
    found = re.search(rf"^\[{table}\]\n(?:(?!\[).*\n)*?(?=\n*(?:\[|\Z))", text, re.MULTILINE)
    if found is None:
        raise AnchorMissing(f"table [{table}]")
    return f'{text[: found.end()]}{key} = "{value}"\n{text[found.end() :]}'

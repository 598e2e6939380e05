"""Where in a message a refusal lies: paths such as `addresses[1].city`, built from the inside out."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace

from crm_kit.errors import FieldViolation, InvalidArgument


def below(error: InvalidArgument, place: str) -> InvalidArgument:
    """The error of a part, its fields told from `place` on."""
    violations = [
        FieldViolation(joined(place, each.field), each.rule, each.detail)
        for each in error.violations or (FieldViolation("", "value", error.detail),)
    ]
    detail = "; ".join(f"{each.field}: {each.detail}" for each in violations)
    return InvalidArgument(detail, reason=error.reason, violations=violations)


@contextlib.contextmanager
def told_without(place: str) -> Iterator[None]:
    """What is refused in the block, with the fields of a message as those of the request, which has them itself."""
    try:
        yield
    except InvalidArgument as error:
        begin = f"{place}."
        violations = [replace(each, field=each.field.removeprefix(begin)) for each in error.violations]
        detail = error.detail.removeprefix(begin)
        raise InvalidArgument(detail, reason=error.reason, violations=violations, metadata=error.metadata) from None


def joined(place: str, path: str) -> str:
    """`addresses` and `[1]` are `addresses[1]`, that and `city` are `addresses[1].city`."""
    path = path.lstrip(".")
    return place + path if not place or not path or path.startswith("[") else f"{place}.{path}"

"""Where messages of a type, or those in them, have something that is seen to when an answer is whole.

Looked for once in each type; answers are then walked without asking their descriptors again.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

OWN_PACKAGES = "crm."

Own = TypeVar("Own")


@dataclass(frozen=True, slots=True, eq=False)
class Places(Generic[Own]):
    """What there is in messages of a type itself (false where nothing), and in these fields of it: name, repeated."""

    own: Own
    within: "tuple[tuple[str, bool, Places[Own]], ...]"

    def found(self, messages: Sequence[Any]) -> Iterator[tuple[Own, Sequence[Any]]]:
        """What there is, each with all messages that have it in themselves."""
        if self.own:
            yield self.own, messages
        for name, is_repeated, places in self.within:
            if is_repeated:
                inner = [each for message in messages for each in getattr(message, name)]
            else:
                inner = [getattr(message, name) for message in messages if message.HasField(name)]
            if inner:
                yield from places.found(inner)


def places_of(message: Any, own_of: Callable[[Any], Own], above: frozenset[str] = frozenset()) -> Places[Own] | None:
    """The places in messages of this descriptor, by what `own_of` finds in a descriptor itself; None where none are.

    Messages within messages of their own type are not looked into.
    """
    own = own_of(message)
    above |= {message.full_name}
    within = tuple(
        (field.name, field.is_repeated, places)
        for field in message.fields
        if (inner := field.message_type) is not None
        and inner.full_name.startswith(OWN_PACKAGES)
        and not inner.GetOptions().map_entry
        and inner.full_name not in above
        and (places := places_of(inner, own_of, above)) is not None
    )
    return Places(own, within) if own or within else None

"""Creating only what nobody else has created since one looked for it, however long ago that was.

A caller that finds no record of a kind creates one, and another caller does the same at the same time. A lease keeps
them apart for as long as both run; who was stopped in between acts after it has lapsed. So a call that creates says
under which key, and how many the caller knows to have been created under it: it is refused when there are more.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from crm_kit.errors import AlreadyExists, InvalidArgument

KEY, NUMBER = "creation-key", "creation-number"
"""The metadata of a call that creates."""
MAX_KEY_LENGTH = 255
MAX_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Creation:
    """What is created: its key in the tenant, and how many were created under it as far as the caller knows.

    The key is forgotten two days after the last one.
    """

    key: str
    number: int = 0

    @property
    def metadata(self) -> dict[str, str]:
        """What a call says of it."""
        return {KEY: self.key, NUMBER: str(self.number)}


def creation_of(metadata: Mapping[str, str]) -> Creation | None:
    """What a call says that it creates, if anything."""
    key, number = metadata.get(KEY, ""), metadata.get(NUMBER, "0")
    if not key:
        return None
    if len(key) > MAX_KEY_LENGTH or not key.isprintable():
        raise InvalidArgument(f"{KEY}: must have at most {MAX_KEY_LENGTH} visible characters")
    if len(number) > MAX_DIGITS or not (number.isascii() and number.isdecimal()):
        raise InvalidArgument(f"{NUMBER}: must be a number of at most {MAX_DIGITS} digits")
    return Creation(key, int(number))


def number_in(error: AlreadyExists) -> int:
    """How many there are when one was refused."""
    return int(error.metadata["number"])

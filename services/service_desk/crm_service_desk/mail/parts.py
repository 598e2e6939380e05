"""The parts of a mail, so that reading them ends in bounded time and with something, whatever they say of themselves.

The standard library reads long headers, and parts within parts, in times that grow with the square, and raises on
parameters of charsets that it does not know.
"""

from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import Compat32
from typing import Any

from crm_service_desk.mail.charsets import as_text

# Of a header; of one that has parameters; of what a mail answers the end matters, where the latest stands.
MAX_HEADER, MAX_PARAMETERS = 20_000, 1_000
REFERENCES = "references"
WITH_PARAMETERS = "content-"
# Parts within parts; what is deeper is one text.
MAX_DEPTH = 20


class Bounded(Compat32):
    """Headers as they are written, no longer than can be read."""

    def header_source_parse(self, sourcelines: list[str]) -> tuple[str, str]:
        name, value = super().header_source_parse(sourcelines)
        known = name.lower()
        if known == REFERENCES:
            return name, value[-MAX_HEADER:]
        return name, value[: MAX_PARAMETERS if known.startswith(WITH_PARAMETERS) else MAX_HEADER]


class Part(Message):
    """A part, or a whole mail, whose parameters are texts, and are not there where they cannot be read."""

    depth = 0

    def attach(self, payload: Any) -> None:
        payload.depth = self.depth + 1
        super().attach(payload)

    def get_param(self, param: str, failobj: Any = None, header: str = "content-type", unquote: bool = True) -> Any:
        try:
            value: Any = super().get_param(param, failobj, header, unquote)
        except (ValueError, TypeError):
            return failobj
        if not isinstance(value, tuple):
            return value
        # In RFC 2231 with a charset: its bytes stand as characters.
        charset, _, text = value
        return as_text(text.encode("latin-1", errors="replace"), charset)

    def get_boundary(self, failobj: Any = None) -> Any:
        return failobj if self.depth >= MAX_DEPTH else super().get_boundary(failobj)


BOUNDED = Bounded()


def read_parts(raw: bytes) -> Message:
    """The mail with its parts; its header alone where its parts are nested deeper than can be read."""
    try:
        return BytesParser(_class=Part, policy=BOUNDED).parsebytes(raw)
    except RecursionError:
        return BytesHeaderParser(_class=Part, policy=BOUNDED).parsebytes(raw)

"""Bytes of a file as a mail has them, decoded piece by piece: no more than a piece is in memory."""

import binascii
from typing import Protocol

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_OTHERS = bytes(set(range(256)) - set(_ALPHABET))
# A line of quoted-printable has 76 characters; of one without end so much is decoded at a time.
MAX_LINE = 65_536


class Decoder(Protocol):
    """Takes what is written in a mail, in its order, and gives back what it means."""

    def feed(self, written: bytes) -> bytes: ...
    def end(self) -> bytes: ...


class Plain:
    """What is written is what it means."""

    def feed(self, written: bytes) -> bytes:
        return written

    def end(self) -> bytes:
        return b""


class Base64:
    """Signs that do not belong there are passed over, and so is all that stands behind the first padding."""

    def __init__(self) -> None:
        self._rest = b""
        self._ended = False

    def feed(self, written: bytes) -> bytes:
        if self._ended:
            return b""
        digits = self._rest + written.translate(None, _OTHERS)
        found, padding, _ = digits.partition(b"=")
        whole = len(found) - len(found) % 4
        self._rest = found[whole:]
        decoded = binascii.a2b_base64(found[:whole])
        if padding:
            decoded += self.end()
        return decoded

    def end(self) -> bytes:
        rest, self._rest, self._ended = self._rest, b"", True
        # Of a single digit nothing can be known.
        return binascii.a2b_base64(rest + b"=" * (4 - len(rest))) if len(rest) > 1 else b""


class QuotedPrintable:
    """Lines are decoded once they are whole, since blanks at their ends mean nothing."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, written: bytes) -> bytes:
        self._rest += written
        whole = self._rest.rfind(b"\n") + 1
        if not whole and len(self._rest) > MAX_LINE:
            # Not within `=E4`.
            escape = self._rest.find(b"=", len(self._rest) - 2)
            whole = len(self._rest) if escape < 0 else escape
        found, self._rest = self._rest[:whole], self._rest[whole:]
        return binascii.a2b_qp(found)

    def end(self) -> bytes:
        rest, self._rest = self._rest, b""
        return binascii.a2b_qp(rest)


def decoder_of(encoding: str) -> Decoder:
    """By the `Content-Transfer-Encoding` of a part; what is not known is taken as it is written."""
    match encoding.strip().lower():
        case "base64":
            return Base64()
        case "quoted-printable":
            return QuotedPrintable()
    return Plain()

"""A mail that comes piece by piece, taken apart into what it says and its files, of which only a piece is in memory.

What it says, its letter, is the mail without the bodies of its files, and is read as every mail is (`parsing`).
Boundaries are found as the standard library finds them; whatever is broken, what cannot be told apart is a part of the
letter.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesHeaderParser

from crm_service_desk.mail.decoding import Decoder, decoder_of
from crm_service_desk.mail.file_names import file_name
from crm_service_desk.mail.headers import raw_header
from crm_service_desk.mail.parts import BOUNDED, MAX_DEPTH, Part

# Of a letter: the rest is left out, which nobody would read.
MAX_LETTER_BYTES = 700_000
# Of a mail; servers take less.
MAX_MAIL_BYTES = 64 * 1024 * 1024
# Of the header of one part.
MAX_HEADER_BYTES = 64 * 1024
# Files, those that are not taken too; what is beyond is one that says so.
MAX_FILES = 100
# Parts, and the bytes of all their headers: what is beyond is not taken apart, and one of the files that are too many.
MAX_PARTS = 1_000
MAX_HEADERS_BYTES = 1024 * 1024
# A longer line is no boundary.
MAX_BOUNDARY_LINE = 1_000
SHOWN = frozenset({"text/plain", "text/html"})
# A field of a header, or a line that goes on with one.
NEVER = re.compile(rb"(?!)")
FIELD = re.compile(rb"From |[\x21-\x39\x3b-\x7e]*:|[\t ]")


@dataclass(frozen=True, slots=True)
class FileBegins:
    """From here on bytes are those of a file; without a name, of several that are one too many."""

    name: str | None


@dataclass(frozen=True, slots=True)
class FileBytes:
    """Some bytes of the file that has begun last."""

    content: bytes


@dataclass(frozen=True, slots=True)
class FileEnds:
    """The file is whole, unless the mail is `cut_off` within it."""

    cut_off: bool = False


Step = FileBegins | FileBytes | FileEnds


def joined(steps: Iterable[Step]) -> list[Step]:
    """The same in as few steps as can be: each takes a moment of what follows them."""
    found: list[Step] = []
    waiting: list[bytes] = []
    for step in steps:
        if isinstance(step, FileBytes):
            waiting.append(step.content)
            continue
        if waiting:
            found.append(FileBytes(b"".join(waiting)))
            waiting.clear()
        found.append(step)
    return [*found, FileBytes(b"".join(waiting))] if waiting else found


class MailStream:
    """Feed it a mail in its order, then end it; what each call gives back is what becomes of its files."""

    def __init__(self) -> None:
        self.letter = bytearray()
        self.is_cut_off = False
        self._size = 0
        self._digest = hashlib.sha256()
        self._waiting = b""
        # Whether what waits stands at the start of a line: what does not is no boundary.
        self._at_line_start = True
        # The header of the part that has begun, until it is whole.
        self._head: bytearray | None = bytearray()
        self._boundaries: list[bytes] = []
        self._boundary_line = self._boundary_behind = NEVER
        self._decoder: Decoder | None = None
        self._is_in_letter = True
        self._files = self._parts = self._header_bytes = 0
        self._is_report = False
        self._is_root = True
        # What ends a line belongs to the boundary behind it.
        self._line_end = b""

    @property
    def digest(self) -> str:
        """The SHA-256 of all that came."""
        return self._digest.hexdigest()

    @property
    def is_open(self) -> bool:
        """Whether what came ends within a part that another boundary has to end."""
        return bool(self._boundaries)

    def feed(self, piece: bytes) -> list[Step]:
        """Take the next bytes."""
        room = MAX_MAIL_BYTES - self._size
        self.is_cut_off = self.is_cut_off or len(piece) > room
        piece = piece[:room]
        self._size += len(piece)
        self._digest.update(piece)
        self._waiting += piece
        return joined(self._read(is_end=False))

    def end(self) -> list[Step]:
        """There is no more."""
        return joined([*self._read(is_end=True), *self._close_file(cut_off=self.is_cut_off)])

    # --- lines

    def _read(self, *, is_end: bool) -> Iterator[Step]:
        data, at = self._waiting, 0
        while at < len(data):
            taken = self._header_line(data, at) if self._head is not None else self._body(data, at)
            if taken is None and is_end:
                taken = len(data)
                yield from self._line(data[at:]) if self._head is not None else self._last(data[at:])
            elif taken is None:
                break
            elif self._head is not None:
                yield from self._line(data[at:taken])
            else:
                yield from self._body_bytes(data, at, taken)
            at = taken
        self._waiting = data[at:]
        if is_end:
            if self._head is not None:
                yield from self._begin_body()
            yield from self._flush_line_end()

    def _header_line(self, data: bytes, at: int) -> int | None:
        """Where the line ends that begins there; None while it is not whole."""
        end = data.find(b"\n", at)
        if end >= 0:
            return end + 1
        return len(data) if len(data) - at > MAX_HEADER_BYTES else None

    def _body(self, data: bytes, at: int) -> int | None:
        """Where what can be taken ends: before the next line that is a boundary, or behind it if it stands here."""
        if not self._boundaries:
            return len(data)
        if self._starts_line(data, at) and (here := self._boundary_line.match(data, at)):
            return here.end()
        if behind := self._boundary_behind.search(data, at):
            return behind.start() + 1
        # The last line may be the beginning of one.
        newline = data.rfind(b"\n", at)
        start = newline + 1 if newline >= 0 or not self._starts_line(data, at) else at
        if (newline < 0 and start != at) or not self._may_become_boundary(data[start:]):
            return len(data)
        return start if start > at else None

    def _may_become_boundary(self, begun: bytes) -> bool:
        is_short = len(begun) <= MAX_BOUNDARY_LINE
        return is_short and any(each.startswith(begun) or begun.startswith(each) for each in self._boundaries)

    def _starts_line(self, data: bytes, at: int) -> bool:
        return data[at - 1 : at] == b"\n" if at else self._at_line_start

    def _body_bytes(self, data: bytes, at: int, end: int) -> Iterator[Step]:
        found = data[at:end]
        if self._starts_line(data, at) and found.startswith(b"--") and (level := self._level_of(found)) is not None:
            yield from self._cross(found, *level)
        else:
            yield from self._content(found)
        self._at_line_start = found.endswith(b"\n")

    def _last(self, rest: bytes) -> Iterator[Step]:
        """What stands at the very end, and could have become a boundary."""
        level = self._level_of(rest) if self._at_line_start and rest.startswith(b"--") else None
        yield from self._content(rest) if level is None else self._cross(rest, *level)

    def _level_of(self, line: bytes) -> tuple[int, bool] | None:
        """Which boundary a line is, and whether the last of its kind."""
        if len(line) > MAX_BOUNDARY_LINE:
            return None
        written = line.rstrip(b"\r\n").rstrip(b" \t")
        for level in range(len(self._boundaries) - 1, -1, -1):
            boundary = self._boundaries[level]
            if written == boundary:
                return level, False
            if written == boundary + b"--":
                return level, True
        return None

    # --- parts

    def _line(self, line: bytes) -> Iterator[Step]:
        """A line of a header, the empty one that ends it, or a boundary that does."""
        head = self._head
        assert head is not None
        level = self._level_of(line) if line.startswith(b"--") else None
        if level is not None:
            yield from self._begin_body()
            yield from self._cross(line, *level)
            return
        if FIELD.match(line):
            self._into_letter(line)
            head += line[: MAX_HEADER_BYTES - len(head)]
            self._header_bytes += len(line)
            if self._header_bytes > MAX_HEADERS_BYTES:
                yield from self._stop()
            return
        is_empty = not line.rstrip(b"\r\n")
        if is_empty:
            self._into_letter(line)
        yield from self._begin_body()
        if not is_empty:
            # As the standard library has it, the body begins with the first line that is no field.
            yield from self._last(line)

    def _begin_body(self) -> Iterator[Step]:
        """The header is whole: what it says decides what becomes of the body."""
        self._parts += 1
        if self._parts > MAX_PARTS:
            yield from self._stop()
            return
        part = BytesHeaderParser(_class=Part, policy=BOUNDED).parsebytes(bytes(self._head or b""))
        self._head, self._at_line_start = None, True
        content_type = part.get_content_type()
        if self._is_root:
            self._is_root, self._is_report = False, content_type == "multipart/report"
        boundary = part.get_boundary() if part.get_content_maintype() == "multipart" else None
        self._is_in_letter = True
        if isinstance(boundary, str) and boundary and len(self._boundaries) < MAX_DEPTH:
            self._go_into([*self._boundaries, b"--" + boundary.encode(errors="surrogateescape")])
        elif self._is_file(part, content_type):
            yield from self._begin_file(part, content_type)

    def _is_file(self, part: Message, content_type: str) -> bool:
        """Whether it is no text that is read, and no part of what a server reports."""
        if self._is_report or part.get_content_maintype() == "multipart":
            return False
        is_attached = raw_header(part, "Content-Disposition").strip().lower().startswith("attachment")
        return is_attached or part.get_filename() is not None or content_type not in SHOWN

    def _begin_file(self, part: Message, content_type: str) -> Iterator[Step]:
        self._files += 1
        # What is forwarded as it was may be all that the mail says.
        self._is_in_letter = content_type.startswith("message/")
        if self._files > MAX_FILES:
            yield from self._too_many()
            return
        self._decoder = decoder_of(raw_header(part, "Content-Transfer-Encoding"))
        yield FileBegins(file_name(part, self._files))

    def _cross(self, line: bytes, level: int, is_last: bool) -> Iterator[Step]:
        """Go over a boundary: whatever is within it has ended."""
        yield from self._close_file()
        self._go_into(self._boundaries[: level + (0 if is_last else 1)])
        self._is_in_letter = True
        self._into_letter(line)
        self._head = None if is_last else bytearray()

    def _too_many(self) -> Iterator[Step]:
        """Say once that there are more files than are looked at."""
        if self._files == MAX_FILES + 1:
            yield FileBegins(None)
            yield FileEnds()

    def _stop(self) -> Iterator[Step]:
        """Take nothing apart any more: whoever writes such a mail wants us to be busy with it."""
        yield from self._close_file()
        self._go_into([])
        self._head, self._is_in_letter = None, False
        self._files = max(self._files, MAX_FILES) + 1
        yield from self._too_many()

    def _go_into(self, boundaries: list[bytes]) -> None:
        """Look for these boundaries from now on."""
        self._boundaries = boundaries
        lines = b"(?:" + b"|".join(map(re.escape, boundaries)) + rb")(?:--)?[ \t]*\r*\n"
        self._boundary_line = re.compile(lines) if boundaries else NEVER
        self._boundary_behind = re.compile(b"\n" + lines) if boundaries else NEVER

    # --- bytes

    def _content(self, found: bytes) -> Iterator[Step]:
        if self._is_in_letter:
            self._into_letter(found)
        if self._decoder is None:
            return
        found = self._line_end + found
        ending = b"\r\n" if found.endswith(b"\r\n") else found[-1:] if found.endswith((b"\r", b"\n")) else b""
        self._line_end = ending
        if decoded := self._decoder.feed(found[: len(found) - len(ending)]):
            yield FileBytes(decoded)

    def _flush_line_end(self) -> Iterator[Step]:
        """Where no boundary follows, the end of the last line is the file's."""
        if self._decoder is not None and self._line_end and (decoded := self._decoder.feed(self._line_end)):
            yield FileBytes(decoded)
        self._line_end = b""

    def _close_file(self, *, cut_off: bool = False) -> Iterator[Step]:
        if self._decoder is None:
            return
        if decoded := self._decoder.end():
            yield FileBytes(decoded)
        self._decoder, self._line_end = None, b""
        yield FileEnds(cut_off)

    def _into_letter(self, found: bytes) -> None:
        self.letter += found[: MAX_LETTER_BYTES - len(self.letter)]

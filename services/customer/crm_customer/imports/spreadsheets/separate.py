"""Reads an uploaded file in a process of its own, whose memory and time are bounded.

A file can be made so that whoever reads it takes any amount of memory. Here it takes that of a process that has nothing
else to do, has no secrets in its environment, and leaves what it found as plain rows.

    python -m crm_customer.imports.spreadsheets.separate <layout and names> <descriptor for the rows> <bounds> <service>

Layout, names and bounds are JSON, the service is told by its process id.
"""

import asyncio
import contextlib
import errno
import os
import signal
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO

import orjson
from crm_kit.bounded_process import bound, end_with
from crm_kit.errors import InvalidArgument

from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.reader import read_spreadsheet
from crm_customer.imports.spreadsheets.refusal import unreadable
from crm_customer.imports.spreadsheets.unpacked import UnpackedSheet, pack


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the process may take.

    `memory_bytes` is its address space, for which a pod's limit has to have room beside the service; `cpu_seconds` is
    the time it computes; `packed_bytes` is the file of rows it leaves, for which a pod's /tmp has to have room.
    """

    memory_bytes: int = 320 << 20
    cpu_seconds: int = 300
    packed_bytes: int = 256 << 20


BOUNDS = Bounds()


class ReaderDied(Exception):
    """The process was ended by something else than its own bounds."""


async def unpack(
    upload: BinaryIO, told: Layout, told_names: Collection[str] = (), *, bounds: Bounds = BOUNDS
) -> UnpackedSheet:
    """Read all of an uploaded file. UPLOAD_UNREADABLE as `read_spreadsheet` says, whichever row it is about.

    It is refused so, too, when it takes more than the bounds. OSError ENOSPC when the disk is full.
    """
    with contextlib.ExitStack() as stack:
        rows: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
        asked = orjson.dumps((asdict(told), list(told_names))).decode()
        answer = await _answer_of(upload, rows, asked, bounds)
        if "refused" in answer:
            raise InvalidArgument(answer["refused"], reason=answer["reason"], metadata=answer["metadata"])
        if "full" in answer:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        stack.pop_all()
    return UnpackedSheet(tuple(answer["header"]), answer["row_count"], Layout(**answer["layout"]), rows)


async def _answer_of(upload: BinaryIO, rows: BinaryIO, asked: str, bounds: Bounds) -> Any:
    allowed = orjson.dumps(bounds).decode()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-W", "ignore", "-m", __name__, asked, str(rows.fileno()), allowed, str(os.getpid())),
        stdin=upload.fileno(),
        stdout=asyncio.subprocess.PIPE,
        pass_fds=[rows.fileno()],
        env={},
    )
    try:
        answer, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == -signal.SIGXCPU:
        raise _too_much("time", f"takes more than {bounds.cpu_seconds} s to read", bounds.cpu_seconds)
    if process.returncode:
        raise ReaderDied(f"exit code {process.returncode}")
    return orjson.loads(answer)


def main(asked: str, descriptor: str, allowed: str, service: str) -> dict[str, Any]:
    """Read standard input into the file with this descriptor within bounds; what is answered to the service."""
    end_with(int(service))
    bounds = Bounds(**orjson.loads(allowed))
    bound(memory_bytes=bounds.memory_bytes, cpu_seconds=bounds.cpu_seconds, file_bytes=bounds.packed_bytes)
    layout, names = orjson.loads(asked)
    try:
        with os.fdopen(sys.stdin.fileno(), "rb") as upload, os.fdopen(int(descriptor), "wb") as file:
            sheet = read_spreadsheet(upload, Layout(**layout), told_names=names)
            count = pack(sheet, file)
    except InvalidArgument as error:
        return refused(error)
    except MemoryError:
        most = bounds.memory_bytes >> 20
        return refused(_too_much("memory", f"takes more than {most} MB to read", most))
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return {"full": True}
        if error.errno != errno.EFBIG:
            raise
        most = bounds.packed_bytes >> 20
        return refused(_too_much("disk", f"has rows that take more than {most} MB", most))
    return {"header": sheet.header, "row_count": count, "layout": asdict(sheet.layout)}


def refused(error: InvalidArgument) -> dict[str, Any]:
    return {"refused": error.detail, "reason": error.reason, "metadata": error.metadata}


def _too_much(rule: str, what: str, most: int) -> InvalidArgument:
    return unreadable(rule, f"it {what}; split it into several files", most=most)


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(main(*sys.argv[1:])))

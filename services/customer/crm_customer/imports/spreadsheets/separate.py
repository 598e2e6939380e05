"""Reads an uploaded file in a process of its own, whose memory and time are bounded.

A file can be made so that whoever reads it takes any amount of memory. Here it takes that of a process that has nothing
else to do, has no secrets in its environment, and leaves what it found as plain rows.

    python -m crm_customer.imports.spreadsheets.separate <layout and names as JSON> <descriptor for the rows> <bytes>
"""

import asyncio
import contextlib
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import orjson
from crm_kit.errors import InvalidArgument

from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.reader import read_spreadsheet
from crm_customer.imports.spreadsheets.refusal import unreadable
from crm_customer.imports.spreadsheets.unpacked import UnpackedSheet, pack

MAX_MEMORY_BYTES = 320 << 20
"""Address space of the process. A pod's limit has to have room for it beside the service."""

MAX_CPU_SECONDS = 300
MAX_PACKED_BYTES = 512 << 20


class ReaderDied(Exception):
    """The process was ended by something else than its own bounds."""


async def unpack(upload: BinaryIO, told: Layout, told_names: Collection[str] = ()) -> UnpackedSheet:
    """Read all of an uploaded file. UPLOAD_UNREADABLE as `read_spreadsheet` says, whichever row it is about."""
    with contextlib.ExitStack() as stack:
        rows: BinaryIO = stack.enter_context(tempfile.TemporaryFile())
        answer = await _answer_of(upload, rows, orjson.dumps((asdict(told), list(told_names))).decode())
        if "refused" in answer:
            raise InvalidArgument(answer["refused"], reason=answer["reason"])
        stack.pop_all()
    return UnpackedSheet(tuple(answer["header"]), answer["row_count"], Layout(**answer["layout"]), rows)


async def _answer_of(upload: BinaryIO, rows: BinaryIO, asked: str) -> Any:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-W", "ignore", "-m", __name__, asked, str(rows.fileno()), str(MAX_MEMORY_BYTES)),
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
        raise unreadable(f"it takes more than {MAX_CPU_SECONDS} s to read; split it into several files")
    if process.returncode:
        raise ReaderDied(f"exit code {process.returncode}")
    return orjson.loads(answer)


def main(asked: str, descriptor: str, memory: str) -> dict[str, Any]:
    """Read standard input into the file with this descriptor within so many bytes of memory; what is answered."""
    bound(int(memory))
    layout, names = orjson.loads(asked)
    try:
        with os.fdopen(sys.stdin.fileno(), "rb") as upload, os.fdopen(int(descriptor), "wb") as file:
            sheet = read_spreadsheet(upload, Layout(**layout), told_names=names)
            count = pack(sheet, file)
    except InvalidArgument as error:
        return {"refused": error.detail, "reason": error.reason}
    except MemoryError:
        refusal = unreadable(f"it takes more than {int(memory) >> 20} MB to read; split it into several files")
        return {"refused": refusal.detail, "reason": refusal.reason}
    return {"header": sheet.header, "row_count": count, "layout": asdict(sheet.layout)}


def bound(memory: int) -> None:
    """From here on this process may take so much and no more, and is the first to go when memory is short."""
    bounds = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CPU: MAX_CPU_SECONDS,
        resource.RLIMIT_FSIZE: MAX_PACKED_BYTES,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in bounds.items():
        # Not every system has each.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    sys.stdout.buffer.write(orjson.dumps(main(*sys.argv[1:])))

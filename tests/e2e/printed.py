"""Commands that documents print, run as they are printed."""

import asyncio
import json
import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

needs_curl = [
    pytest.mark.platform,
    pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are curl's, which is not installed"),
]

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"```bash\n(.*?)```", re.DOTALL)
URL_LINE = "URL=http://127.0.0.1:8080"
END = "----- end of block"

Check = Callable[[str], bool]
Run = Callable[[str], Awaitable[str]]


def blocks_of(text: str) -> list[str]:
    """The blocks of commands, in order."""
    return BLOCK.findall(text)


def documents(output: str) -> list[Any]:
    """All JSON documents in what curl wrote, status lines and headers between them left out."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := output.find("{", at)) >= 0:
        document, at = decoder.raw_decode(output, at)
        found.append(document)
    return found


def nothing(output: str) -> bool:
    return output == ""


@asynccontextmanager
async def shell(environment: dict[str, str]) -> AsyncIterator[Run]:
    """Runs commands one after another in one bash, as a person at a terminal does; gives what each printed."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *("bash", "--norc"),
        cwd=ROOT,
        env=os.environ | environment,
        stdin=pipe,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
        limit=1 << 22,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    write, read = process.stdin, process.stdout

    async def run(commands: str) -> str:
        write.write(f"{commands}\necho; echo '{END}'\n".encode())
        async with asyncio.timeout(60):
            printed = await read.readuntil(f"{END}\n".encode())
        return printed.decode().removesuffix(f"\n{END}\n")

    try:
        yield run
    finally:
        write.close()
        await process.wait()

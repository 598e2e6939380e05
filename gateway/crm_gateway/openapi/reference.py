"""The OpenAPI document and the pages about the API, made when somebody first asks for one of them.

Making them takes seconds of work and more memory than all the rest of a gateway, and most gateways are never asked. So
a process of its own does it, and what that leaves is kept compressed: what it took is given back when it ends.
"""

import asyncio
import enum
import io
import sys
import zipfile
from collections.abc import Awaitable, Callable, Iterable

import orjson
import structlog
from crm_kit.errors import Unavailable

from crm_gateway.contract import Contract
from crm_gateway.openapi.document import error_reasons, openapi_document
from crm_gateway.openapi.other_routes import OtherRoute
from crm_gateway.openapi.page import errors_page, reference_page
from crm_gateway.transcode.operations import Operation

log = structlog.get_logger()
# It is a matter of seconds, also where others work.
SECONDS = 120
Make = Callable[[], Awaitable[bytes]]


class Paper(enum.StrEnum):
    """What there is to read, by its name in the archive."""

    OPENAPI = "openapi.json"
    DOCS = "docs.html"
    ERRORS = "errors.html"


class Reference:
    """All papers, made once; whoever asks meanwhile waits for the same."""

    def __init__(self, make: Make) -> None:
        self._make = make
        self._archive: bytes | None = None
        self._making = asyncio.Lock()

    async def read(self, paper: Paper) -> bytes:
        """What is written in one of them, in UTF-8. Unavailable when they could not be made this time."""
        async with self._making:
            if self._archive is None:
                self._archive = await self._make()
        return await asyncio.to_thread(_taken_from, self._archive, paper)


def archive_of(contract: Contract, served: Iterable[Operation], others: Iterable[OtherRoute]) -> bytes:
    """A ZIP archive of all papers."""
    document = openapi_document(contract, served, others)
    texts = {
        Paper.OPENAPI: orjson.dumps(document),
        Paper.DOCS: reference_page(document).encode(),
        Paper.ERRORS: errors_page(error_reasons(contract)).encode(),
    }
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        for paper, text in texts.items():
            archive.writestr(paper.value, text)
    return written.getvalue()


async def made_apart() -> bytes:
    """The archive of this build's contracts, by `python -m crm_gateway reference`. Unavailable when that fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crm_gateway", "reference", stdout=asyncio.subprocess.PIPE
    )
    try:
        async with asyncio.timeout(SECONDS):
            archive, _ = await process.communicate()
    except TimeoutError:
        archive = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0 or not archive:
        log.error("reference.not_made", return_code=process.returncode)
        raise Unavailable("the reference could not be made: ask again")
    return archive


def _taken_from(archive: bytes, paper: Paper) -> bytes:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return opened.read(paper.value)

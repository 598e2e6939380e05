"""Pictures of the first pages of PDFs, each drawn in a process of its own, whose memory and time are bounded.

A PDF can be made so that whoever draws it takes any amount of both, and a library in C reads it. So it is drawn where
nothing else is: the process has no secrets in its environment, and leaves a picture or the reason why there is none.

    python -m crm_kit.attachments.first_pages <pixels> <bounds> <service>

Bounds are JSON, the service is told by its process id; the PDF comes by standard input.
"""

import asyncio
import io
import math
import os
import signal
import sys
from dataclasses import asdict, dataclass

import orjson

from crm_kit.attachments.previews import no_preview
from crm_kit.bounded_process import bound, end_with

MEDIA_TYPE = "application/pdf"
# How the process ends that has said why there is no picture.
REFUSED = 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the process may take: address space, for which a pod's limit has to have room, and time it computes."""

    memory_bytes: int = 384 << 20
    cpu_seconds: int = 10


BOUNDS = Bounds()


async def first_page_of(content: bytes, pixels: int, *, bounds: Bounds = BOUNDS) -> bytes:
    """A picture of at most so many by so many pixels, as WebP. FailedPrecondition where there cannot be one."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-W", "ignore", "-m", __name__),
        *(str(pixels), orjson.dumps(bounds).decode(), str(os.getpid())),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={},
    )
    try:
        answer, _ = await process.communicate(content)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    match process.returncode:
        case 0:
            return answer
        case code if code == REFUSED:
            raise no_preview(answer.decode())
        case code if code in (-signal.SIGXCPU, -signal.SIGKILL):
            raise no_preview("its first page takes too long to draw")
    # Whatever it did to its process, such as taking more memory than there is.
    raise no_preview("its first page takes too much to draw")


def drawn(content: bytes, pixels: int) -> bytes:
    """The picture. ValueError says why there is none."""
    # Loaded by this process alone.
    from pypdfium2 import PdfDocument, PdfiumError

    try:
        document = PdfDocument(content)
        page = document[0]
        width, height = page.get_size()
        longer = max(width, height)
        if not (math.isfinite(longer) and min(width, height) > 0):
            raise ValueError("its first page has no size")
        picture = page.render(scale=pixels / longer, may_draw_forms=False).to_pil()
    except PdfiumError as error:
        why = "it is protected by a password" if "password" in str(error).lower() else "it is not a sound PDF"
        raise ValueError(why) from error
    except IndexError as error:
        raise ValueError("it has no pages") from error
    # The sides are rounded up, and each is a pixel at least.
    picture.thumbnail((pixels, pixels))
    written = io.BytesIO()
    picture.save(written, "WEBP", quality=80)
    return written.getvalue()


def main(pixels: str, allowed: str, service: str) -> None:
    """Draw the PDF of standard input within bounds."""
    end_with(int(service))
    content = sys.stdin.buffer.read()
    bounds = Bounds(**orjson.loads(allowed))
    bound(**asdict(bounds), file_bytes=0)
    try:
        answer = drawn(content, int(pixels))
    except ValueError as error:
        sys.stdout.buffer.write(str(error).encode())
        sys.exit(REFUSED)
    sys.stdout.buffer.write(answer)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Small pictures of images."""

import asyncio
import io
import struct
from contextlib import ExitStack

from crm_kit.errors import CrmError, illegal_state

MEDIA_TYPE = "image/webp"
MAX_BYTES = 32 << 20
# A picture takes four bytes for each while it is made smaller. A JPEG is read at an eighth of its sides, unless it
# comes in several scans: what they tell of each pixel is kept until the last one.
MAX_PIXELS = 24_000_000
MAX_JPEG_PIXELS = 200_000_000
# What begins a segment of a JPEG: frames that are no progressive ones, tables, a scan, notes of programs.
_SEQUENTIAL, _TABLES, _SCAN, _FIRST_NOTE = (0xFFC0, 0xFFC1), (0xFFC4, 0xFFDB, 0xFFDD), 0xFFDA, 0xFFE0
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

turn = asyncio.Semaphore(1)
"""Held by who makes one, from before its file is read: several at once would take that many times the memory."""


async def preview_of(content: bytes, pixels: int) -> bytes:
    """A picture of at most so many by so many pixels, as WebP. FailedPrecondition where there cannot be one."""
    making = asyncio.ensure_future(asyncio.to_thread(made_smaller, content, pixels))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        # Nothing stops a thread: whoever has its turn next finds this one's memory free.
        await asyncio.gather(making, return_exceptions=True)
        raise


def made_smaller(content: bytes, pixels: int) -> bytes:
    """The same, on a thread: it takes up to a second. Nothing of where and by whom it was taken is in it."""
    # Loaded by those processes only that make one.
    from PIL import Image, ImageOps

    # By its own bounds it would warn of what is taken here, and refuse some of that.
    Image.MAX_IMAGE_PIXELS = None
    try:
        with ExitStack() as stack:
            image: Image.Image = stack.enter_context(Image.open(io.BytesIO(content), formats=_FORMATS))
            # Before anything is unpacked: few bytes can be many pixels.
            is_read_small = image.format == "JPEG" and has_one_scan(content)
            _check_size(image.size, MAX_JPEG_PIXELS if is_read_small else MAX_PIXELS)
            image.draft("RGB", (pixels, pixels))
            _check_size(image.size, MAX_PIXELS)
            image.thumbnail((pixels, pixels))
            shown = ImageOps.exif_transpose(image).convert("RGBA" if image.has_transparency_data else "RGB")
            written = io.BytesIO()
            shown.save(written, "WEBP", quality=80)
            return written.getvalue()
    except CrmError:
        raise
    except Exception as error:
        # Anybody may have made it: what it is taken for, down to the types of its tags, may be anything.
        raise no_preview("it is not a sound image") from error


def _check_size(size: tuple[int, int], most: int) -> None:
    if size[0] * size[1] > most:
        raise no_preview("it has too many pixels")


def has_one_scan(jpeg: bytes) -> bool:
    """Whether all that a JPEG tells of a pixel stands together, by its segments before that (ITU T.81, annex B).

    Not of progressive ones, nor of those with a scan for each component, nor where it is not plain to see.
    """
    at, components = 2, 0
    while at + 10 <= len(jpeg):
        marker, length = struct.unpack_from(">HH", jpeg, at)
        if marker == _SCAN:
            return jpeg[at + 4] == components
        if marker in _SEQUENTIAL:
            components = jpeg[at + 9]
        elif not (marker in _TABLES or marker >= _FIRST_NOTE):
            return False
        at += 2 + length
    return False


def no_preview(why: str) -> Exception:
    """There is no picture of this file."""
    return illegal_state("no_preview", f"there is no preview of this file: {why}")

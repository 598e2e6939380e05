"""Small pictures of images."""

import asyncio
import io
from contextlib import ExitStack

from crm_kit.errors import illegal_state

MEDIA_TYPE = "image/webp"
MAX_BYTES = 32 << 20
# A picture takes four bytes for each while it is made smaller. A JPEG is read at an eighth of its sides.
MAX_PIXELS = 24_000_000
MAX_JPEG_PIXELS = 200_000_000
_FORMATS = ("PNG", "JPEG", "GIF", "WEBP")

# One after the other: two large ones at once would take twice the memory.
_turn = asyncio.Semaphore(1)


async def preview_of(content: bytes, pixels: int) -> bytes:
    """A picture of at most so many by so many pixels, as WebP. FailedPrecondition where there cannot be one."""
    async with _turn:
        return await asyncio.to_thread(made_smaller, content, pixels)


def made_smaller(content: bytes, pixels: int) -> bytes:
    """The same, on a thread: it takes up to a second. Nothing of where and by whom it was taken is in it."""
    # Loaded by those processes only that make one.
    from PIL import Image, ImageOps

    try:
        with ExitStack() as stack:
            image: Image.Image = stack.enter_context(Image.open(io.BytesIO(content), formats=_FORMATS))
            width, height = image.size
            # Before anything is unpacked: few bytes can be many pixels.
            if width * height > (MAX_JPEG_PIXELS if image.format == "JPEG" else MAX_PIXELS):
                raise no_preview("it has too many pixels")
            image.draft("RGB", (pixels, pixels))
            if image.size[0] * image.size[1] > MAX_PIXELS:
                raise no_preview("it has too many pixels")
            image.thumbnail((pixels, pixels))
            shown = ImageOps.exif_transpose(image).convert("RGBA" if image.has_transparency_data else "RGB")
            written = io.BytesIO()
            shown.save(written, "WEBP", quality=80)
            return written.getvalue()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise no_preview("it is not a sound image") from error


def no_preview(why: str) -> Exception:
    """There is no picture of this file."""
    return illegal_state("no_preview", f"there is no preview of this file: {why}")

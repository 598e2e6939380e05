"""Pictures of first pages of PDFs: of any that is sound, and whatever else is sent harms nobody."""

import asyncio
import io
import zlib
from collections.abc import Mapping

import pytest
from crm_kit.attachments.first_pages import Bounds, first_page_of
from crm_kit.errors import FailedPrecondition
from PIL import Image
from reportlab.lib.pdfencrypt import StandardEncryption
from reportlab.pdfgen.canvas import Canvas


def pdf(width: float = 600, height: float = 300, *, password: str = "") -> bytes:
    """A red page, and a blue one behind it."""
    file = io.BytesIO()
    canvas = Canvas(file, pagesize=(width, height), encrypt=StandardEncryption(password) if password else None)
    for colour in ((1, 0, 0), (0, 0, 1)):
        canvas.setFillColorRGB(*colour)
        canvas.rect(0, 0, width, height, fill=1, stroke=0)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def raw(
    content: bytes = b"",
    *,
    box: str = "0 0 600 300",
    kids: str = "[3 0 R]",
    filters: str = "/FlateDecode",
    more: str = "",
) -> bytes:
    """A PDF with a page that no program would write."""
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids{kids}/Count 1>>".encode(),
        f"<</Type/Page/Parent 2 0 R/MediaBox[{box}]/Contents 4 0 R/Resources<<{more}>>>>".encode(),
        f"<</Length {len(content)}/Filter {filters}/Type/XObject/Subtype/Form/BBox[0 0 9 9]{more}>>stream\n".encode()
        + content
        + b"\nendstream",
    )
    made = b"%PDF-1.7\n"
    for number, each in enumerate(objects, 1):
        made += f"{number} 0 obj\n".encode() + each + b"\nendobj\n"
    return made + b"trailer<</Root 1 0 R>>\n%%EOF\n"


@pytest.mark.parametrize(
    ("sides", "shown"), [((600, 300), (256, 128)), ((20, 30), (171, 256)), ((14_000, 1), (256, 1))]
)
async def test_the_first_page_is_drawn_as_large_as_it_may_be(sides: tuple[int, int], shown: tuple[int, int]) -> None:
    picture = Image.open(io.BytesIO(await first_page_of(pdf(*sides), 256)))
    assert (picture.format, picture.size) == ("WEBP", shown)
    red, green, blue = picture.convert("RGB").resize((1, 1)).getpixel((0, 0))  # type: ignore[misc]
    assert red > 200 > 60 > max(green, blue)


def packed(line: bytes, count: int) -> bytes:
    """Very many lines in a few bytes."""
    packing = zlib.compressobj(1)
    return b"".join(packing.compress(line * 10_000) for _ in range(count // 10_000)) + packing.flush()


HUGE = packed(b"0 0 m 1 1 l S\n", 30_000_000)
HOSTILE: Mapping[str, tuple[bytes, str]] = {
    "empty": (b"", "not a sound PDF"),
    "no PDF": (b"%PDF-1.7\n" + bytes(500), "not a sound PDF"),
    "cut off": (pdf()[:300], "not a sound PDF"),
    "protected": (pdf(password="secret"), "protected by a password"),
    "without pages": (raw(kids="[]"), "not a sound PDF"),
    # Shown as a sheet of paper.
    "without a size": (raw(box="0 0 0 0"), ""),
    "more than a page can be": (raw(box="0 0 1e300 1e300"), ""),
    "pages within each other": (raw(kids="[2 0 R 2 0 R]"), "not a sound PDF"),
    "drawn within itself": (raw(zlib.compress(b"/X Do " * 1000), more="/XObject<</X 4 0 R>>"), "takes too"),
    "packed small": (raw(HUGE), "takes too"),
    "packed twice": (raw(zlib.compress(HUGE), filters="[/FlateDecode/FlateDecode]"), "takes too"),
}


async def test_whatever_is_sent_there_is_a_picture_or_a_reason_and_others_go_on() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.01)

    beating = asyncio.create_task(beat())
    for name, (content, why) in HOSTILE.items():
        since = beats
        try:
            picture = Image.open(io.BytesIO(await first_page_of(content, 256, bounds=Bounds(cpu_seconds=1))))
        except FailedPrecondition as error:
            assert why, name
            assert why in error.detail, name
        else:
            assert not why, name
            assert max(picture.size) <= 256
        assert beats > since
    beating.cancel()


@pytest.mark.parametrize("bounds", [Bounds(memory_bytes=16 << 20), Bounds(cpu_seconds=1)])
async def test_a_page_that_takes_more_than_it_may_has_no_picture(bounds: Bounds) -> None:
    with pytest.raises(FailedPrecondition, match="takes too"):
        await first_page_of(raw(HUGE), 1024, bounds=bounds)


async def test_who_asks_no_more_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[asyncio.subprocess.Process] = []
    start = asyncio.create_subprocess_exec

    async def watched(*arguments: str, **options: int) -> asyncio.subprocess.Process:
        begun.append(await start(*arguments, **options))  # type: ignore[arg-type]
        asking.cancel()
        return begun[0]

    monkeypatch.setattr(asyncio, "create_subprocess_exec", watched)
    asking = asyncio.create_task(first_page_of(pdf(), 256))
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert begun[0].returncode is not None

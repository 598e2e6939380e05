"""What a file may take, in text, memory, time and room on the disk, and that it is told by the bound it breaks."""

import io
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pytest
from crm_customer.imports.spreadsheets import unpacked, wording
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.reader import read_spreadsheet
from crm_customer.imports.spreadsheets.regions import region_code
from crm_customer.imports.spreadsheets.rows import AccountRow, BadRow, read_rows
from crm_customer.imports.spreadsheets.separate import Bounds, unpack
from crm_kit.errors import InvalidArgument

from tests.factories.workbooks import book, multiplied, with_parts
from tests.service.eventually import eventually

CELL = 32_767


def as_csv(rows: Sequence[Sequence[str]]) -> bytes:
    return "\n".join(",".join(row) for row in rows).encode()


def refusal(content: bytes) -> str:
    with pytest.raises(InvalidArgument) as refused:
        list(read_spreadsheet(io.BytesIO(content)).rows)
    assert refused.value.reason == "UPLOAD_UNREADABLE"
    return refused.value.detail


async def refused_apart(content: bytes, bounds: Bounds) -> str:
    """Why a file is refused by a process that may take no more than the bounds."""
    with tempfile.TemporaryFile() as upload, pytest.raises(InvalidArgument) as refused:
        upload.write(content)
        upload.flush()
        await unpack(upload, Layout(), bounds=bounds)
    assert refused.value.reason == "UPLOAD_UNREADABLE"
    return refused.value.detail


def test_a_row_has_no_more_text_than_its_bound_however_often_the_file_shows_one_text() -> None:
    content = multiplied(3, ["客户名称", *(f"备注{at}" for at in range(1, 200))], ["字" * CELL] * 200)
    assert len(content) < 100_000
    assert "row 2 has more than 100000 characters in all its cells" in refusal(content)
    rows = [["客户名称", "备注", "说明", "描述"], ["甲", *["x" * 33_000] * 3]]
    assert "row 2 has a cell of more than 32767 characters" in refusal(as_csv(rows))
    rows = [["客户名称", "备注", "说明", "描述"], ["甲"], ["乙" * 2000, *["x" * CELL] * 3]]
    assert "row 3 has more than 100000 characters in all its cells" in refusal(as_csv(rows))


def test_all_rows_together_have_no_more_text_than_their_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacked, "MAX_TEXT_BYTES", 1 << 20)
    content = multiplied(40, ["客户名称", "备注", "说明"], ["x" * 10_000] * 3)
    sheet = read_spreadsheet(io.BytesIO(content))
    with pytest.raises(InvalidArgument) as refused:
        unpacked.pack(sheet, io.BytesIO())
    assert "up to row 36 it has more than 1 MB of text; split it" in refused.value.detail


async def test_a_file_that_takes_too_much_memory_is_refused_by_that_bound() -> None:
    head = b'<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><cellXfs>'
    styles = head + b"<xf/>" * 1_500_000 + b"</cellXfs></styleSheet>"
    content = with_parts(book(["客户名称", "电话"], ["A", "1"]), xl__styles_xml=styles)
    detail = await refused_apart(content, Bounds(memory_bytes=96 << 20))
    assert "takes more than 96 MB to read" in detail


async def test_a_file_that_takes_too_long_is_refused_by_that_bound() -> None:
    rows = b"\xe5\xae\xa2\xe6\x88\xb7\xe5\x90\x8d\xe7\xa7\xb0,x\n" + b"a,b,c,d,e,f,g,h,i,j,k,l,m\n" * 600_000
    detail = await refused_apart(rows, Bounds(cpu_seconds=1))
    assert "takes more than 1 s to read; split it" in detail


async def test_a_file_whose_rows_take_too_much_room_is_refused_by_that_bound() -> None:
    noise = random.Random(1)
    rows = [["客户名称", "备注"], *([f"客户{at}", noise.randbytes(1500).hex()] for at in range(2000))]
    detail = await refused_apart(as_csv(rows), Bounds(packed_bytes=1 << 20))
    assert "rows that take more than 1 MB; split it" in detail


SERVICE = """
import asyncio, os, sys, tempfile
from crm_customer.imports.spreadsheets.layout import Layout
from crm_customer.imports.spreadsheets.separate import unpack

tempfile.TemporaryFile = lambda: os.fdopen(int(sys.argv[2]), "wb")
asyncio.run(unpack(open(sys.argv[1], "rb"), Layout()))
"""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple["subprocess.Popen[bytes]", int]]:
    """A process that has a file read, whose rows go where nobody takes them, and where they go."""
    path = tmp_path / "noise.csv"
    noise = random.Random(1)
    path.write_bytes(as_csv([["客户名称"], *([noise.randbytes(2000).hex()] for _ in range(200))]))
    taken, given = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", SERVICE, str(path), str(given)], pass_fds=[given])
    os.close(given)
    yield process, taken
    process.kill()
    process.wait()
    os.close(taken)


async def test_the_process_that_reads_a_file_ends_with_the_service_that_is_killed(
    service: tuple["subprocess.Popen[bytes]", int],
) -> None:
    process, taken = service

    async def reading() -> psutil.Process | None:
        # That it has written says that it is at work.
        return next(iter(psutil.Process(process.pid).children()), None) if os.read(taken, 1) else None

    reader = await eventually(reading)
    assert reader is not None
    assert reader.is_running()
    process.kill()

    async def gone() -> bool:
        return not reader.is_running() or reader.status() == psutil.STATUS_ZOMBIE

    assert await eventually(gone)


def test_nothing_of_a_long_text_is_remembered() -> None:
    caches = (wording._remembered, wording._says_nothing, region_code)
    for each in caches:
        each.cache_clear()
    header = ["客户名称", "国家", "客户角色", "状态", "性质"]
    texts = [f"-{'长' * 6000}{at}" for at in range(20)]
    sheet = read_spreadsheet(io.BytesIO(as_csv([header, *([text] * 5 for text in texts)])))
    mapping = dict(zip(header, ("display_name", "country", "roles", "status", "kind"), strict=True))
    known = sum(each.cache_info().currsize for each in caches)
    rows = list(read_rows(sheet, mapping))
    assert all(isinstance(row, BadRow) and len(row.errors) == 5 for row in rows)
    assert sum(each.cache_info().currsize for each in caches) == known


def test_of_a_cell_no_more_numbers_are_read_than_an_account_may_have(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def parse(text: str, **_: object) -> str:
        asked.append(text)
        return text

    monkeypatch.setattr("crm_customer.imports.spreadsheets.fields.parse_phone_number", parse)
    cell = "；".join(f"1380013{at:04}" for at in range(2000))
    sheet = read_spreadsheet(io.BytesIO(as_csv([["客户名称", "电话"], ["甲", cell]])))
    (row,) = read_rows(sheet, {"客户名称": "display_name", "电话": "phone_numbers"})
    assert isinstance(row, BadRow)
    assert [each.reason for each in row.errors] == ["TOO_MANY_VALUES"]
    assert len(asked) <= 21


def test_as_many_numbers_as_an_account_may_have_are_read() -> None:
    cell = "；".join(f"138001300{at:02}" for at in range(20))
    sheet = read_spreadsheet(io.BytesIO(as_csv([["客户名称", "电话"], ["甲", cell]])))
    (row,) = read_rows(sheet, {"客户名称": "display_name", "电话": "phone_numbers"})
    assert isinstance(row, AccountRow)
    assert len(row.phone_numbers) == 20

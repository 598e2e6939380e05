"""Imports over REST."""

import base64
import csv
import io
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import openpyxl
import pytest
from crm_customer.imports.files import fetch_upload
from crm_customer.imports.queries import get_upload
from crm_kit.ids import new_id

from tests.service.customer.imports.calls import (
    as_csv,
)
from tests.service.eventually import eventually
from tests.service.running import Running, User

if TYPE_CHECKING:
    from crm.customer.v1.accounts_pb2_grpc import AccountServiceAsyncStub


ZH = {"accept-language": "zh-CN"}


def read_report(content: bytes, form: str) -> list[list[Any]]:
    if form == "csv":
        return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    sheet = openpyxl.load_workbook(io.BytesIO(content)).worksheets[0]
    return [list(row) for row in sheet.iter_rows(values_only=True)]


async def test_over_rest_a_file_is_sent_imported_and_its_bad_rows_are_fetched(
    web: httpx.AsyncClient, accounts: "AccountServiceAsyncStub", user: User
) -> None:
    content = as_csv([["客户编号", "客户名称", "电话"], ["C1", "甲", "13800138000"], ["C2", "乙", "1"]])
    sent = await web.post(
        "/v1/uploads", content=content, params={"file_name": "客户.csv"}, headers={"content-type": "text/csv"}
    )
    assert sent.status_code == 201, sent.text
    assert (sent.json()["received_bytes"], sent.json()["file_name"]) == (len(content), "客户.csv")
    assert sent.headers["location"] == f"/v1/uploads/{sent.json()['id']}"
    assert (await web.get(sent.headers["location"])).json() == sent.json()
    made = await web.post("/v1/imports", json={"upload_id": sent.json()["id"], "mode": "CREATE"})
    assert made.status_code == 201, made.text

    async def succeeded() -> dict[str, Any] | None:
        now: dict[str, Any] = (await web.get(made.headers["location"])).json()
        return now if now["state"] == "SUCCEEDED" else None

    done = await eventually(succeeded)
    assert done is not None
    assert (done["created_count"], done["failed_count"]) == (1, 1)
    errors = (await web.get(f"/v1/imports/{done['id']}/errors")).json()["errors"]
    assert [(each["row_number"], each["column"], each["reason"]) for each in errors] == [(3, "电话", "PHONE_INVALID")]
    assert errors[0]["detail"] == "'1': it is not a phone number"
    chinese = await web.get(f"/v1/imports/{done['id']}/errors", headers={"accept-language": "zh-CN"})
    assert chinese.json()["errors"][0]["detail"] == "“1”不是有效的电话号码，请核对位数、区号和国家代码"
    assert (chinese.headers["content-language"], "accept-language" in chinese.headers["vary"].lower()) == ("zh", True)
    report = await web.get(f"/v1/imports/{done['id']}/report.csv")
    assert report.headers["content-type"] == "text/csv; charset=utf-8"
    assert "%E5%AE%A2%E6%88%B7-errors.csv" in report.headers["content-disposition"]
    assert report.content.decode("utf-8-sig").splitlines()[1].startswith("C2,乙,1,")
    assert report.content.decode("utf-8-sig").splitlines()[1].endswith("电话: '1': it is not a phone number")
    for form, language in (("csv", {}), ("csv", ZH), ("xlsx", {}), ("xlsx", ZH)):
        file = await web.get(f"/v1/imports/{done['id']}/report.{form}", headers=language)
        header, row = read_report(file.content, form)
        assert (header, row[:3]) == (["客户编号", "客户名称", "电话", "错误 / errors"], ["C2", "乙", "1"])
        assert row[3] == (
            "电话：“1”不是有效的电话号码，请核对位数、区号和国家代码"
            if language
            else "电话: '1': it is not a phone number"
        )
        assert file.headers["content-language"] == ("zh" if language else "en")
    as_json = (await web.get(f"/v1/imports/{done['id']}/report", params={"format": "CSV"})).json()
    assert base64.b64decode(as_json["content"]) == report.content
    assert (await web.get(f"/v1/imports/{done['id']}/report.pdf")).json()["reason"] == "ROUTE_NOT_FOUND"
    assert (await web.get(f"/v1/imports/{new_id()}/report.csv")).json()["reason"] == "IMPORT_NOT_FOUND"


async def test_why_a_file_is_refused_is_told_in_the_callers_language(web: httpx.AsyncClient) -> None:
    sent = await web.post("/v1/uploads", content=b"%PDF-1.7", headers={"content-type": "text/csv"})
    made = await web.post("/v1/imports", json={"upload_id": sent.json()["id"], "mode": "CREATE"})

    async def failed() -> bool:
        return bool((await web.get(made.headers["location"])).json()["state"] == "FAILED")

    assert await eventually(failed)
    english = (await web.get(made.headers["location"])).json()
    assert (english["failure_reason"], english["failure_metadata"]) == ("UPLOAD_UNREADABLE", {"rule": "pdf"})
    assert english["failure"] == "the file cannot be read: it is a PDF; ask for the list as .xlsx or .csv"
    for path in (made.headers["location"], "/v1/imports"):
        answer = (await web.get(path, headers={"accept-language": "zh-CN"})).json()
        assert (answer.get("imports") or [answer])[0]["failure"] == "文件是 PDF。请索取 .xlsx 或 .csv 格式的名单。"


async def test_a_body_comes_in_chunks_of_any_size_and_arrives_whole(
    web: httpx.AsyncClient, customer: Running, user: User
) -> None:
    content = random.Random(1).randbytes((2 << 20) + 12345)

    async def chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(content), 70_001):
            yield content[start : start + 70_001]

    sent = await web.post("/v1/uploads", content=chunks(), headers={"x-file-name": "%E7%94%B2.xlsx"})
    assert sent.status_code == 201, sent.text
    assert (sent.json()["file_name"], sent.json()["total_bytes"]) == ("甲.xlsx", len(content))
    async with customer.unit_of_work(user.tenant_id) as work:
        file = await fetch_upload(work, await get_upload(work, UUID(sent.json()["id"])))
    with file:
        file.seek(0)
        assert file.read() == content


async def test_a_body_that_is_too_large_or_no_spreadsheet_is_refused(web: httpx.AsyncClient) -> None:
    too_large = bytes((3 << 20) + 1)

    async def chunks() -> AsyncIterator[bytes]:
        yield too_large

    for content in (too_large, chunks()):
        answer = await web.post("/v1/uploads", content=content, headers={"content-type": "text/csv"})
        assert (answer.status_code, answer.json()["reason"]) == (413, "BODY_TOO_LARGE")
    answer = await web.post("/v1/uploads", content=b"<a/>", headers={"content-type": "text/html"})
    assert (answer.status_code, answer.json()["reason"]) == (415, "UNSUPPORTED_MEDIA_TYPE")
    assert (await web.post("/v1/uploads", content=b"")).status_code == 400
    answer = await web.post("/v1/uploads", content=b"x", headers={"authorization": "Bearer x"})
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", "there is no field displayname, which column 名字 is said to be; possible: id, kind, display_name, "),
        ("zh", "列“名字”对应的字段 displayname 不存在，可用字段：id, kind, display_name, "),
    ],
)
async def test_a_column_that_is_no_field_is_told_by_its_place_name_and_value(
    web: httpx.AsyncClient, language: str, words: str
) -> None:
    columns = [{"column": "电话", "field": "phone_numbers"}, {"column": "名字", "field": "displayname"}]
    sent = await web.post("/v1/uploads", content="名字\n甲".encode())
    job = {"upload_id": sent.json()["id"], "mode": "CREATE", "columns": columns}
    answer = await web.post("/v1/imports", json=job, headers={"accept-language": language})
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["field"] == "columns[1].field"
    assert error["detail"].startswith(words)
    job["columns"] = [{"column": "id", "field": "id"}]
    (error,) = (await web.post("/v1/imports", json=job)).json()["errors"]
    assert (error["field"], error["rule"]) == ("columns[0].field", "mapping.mode")

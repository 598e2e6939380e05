"""Chapter 1: five thousand customers come in from a spreadsheet, and one of them is found again."""

import time
from dataclasses import replace

from tests.e2e.story.people import Json, NotAsTold, Person, hold
from tests.e2e.story.scene import Scene
from tests.factories.spreadsheet import KIND, NAME, NUMBER, ExpectedError, MadeSpreadsheet, make_customer_spreadsheet

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
IMPORT_SECONDS = 180.0
ENDED = ("SUCCEEDED", "FAILED", "CANCELLED")


async def import_customers(scene: Scene) -> None:
    """The spreadsheet: what can be read is in, what cannot is told by row, column and reason."""
    tell, admin = scene.teller, scene.people.admin
    tell.chapter("Customers from a spreadsheet")
    sheet, name, number = _with_own_name(
        make_customer_spreadsheet(rows=scene.rows, bad_rows=scene.bad_rows, seed=7), scene.run.brand
    )
    content = sheet.xlsx()
    tell.step(admin.name, f"uploads customers.xlsx: {scene.rows} rows, {len(content) / 1024:.0f} KiB")
    upload = await _upload(admin, content)
    hold(upload["received_bytes"] == len(content), f"{upload['received_bytes']} of {len(content)} bytes arrived")
    tell.found(f"all {upload['received_bytes']} bytes are there")

    source = f"story-{scene.run.mark}"
    tell.step(admin.name, "starts the import and watches it")
    began = time.monotonic()
    job = await admin.post("/v1/imports", {"upload_id": upload["id"], "mode": "CREATE", "external_source": source})
    job, _ = await admin.until(f"/v1/imports/{job['id']}", _ended(scene), "the import ends", seconds=IMPORT_SECONDS)
    seconds = time.monotonic() - began
    hold(job["state"] == "SUCCEEDED", f"the import ended {job['state']}: {job['failure']}")
    good = scene.rows - scene.bad_rows
    counts = (job["rows_total"], job["created_count"], job["failed_count"])
    hold(counts == (scene.rows, good, scene.bad_rows), f"rows, created, failed: {counts}")
    tell.found(f"{good} customers are in after {seconds:.1f} s, {good / seconds:.0f} a second")
    await _check_errors(scene, job, sheet.errors)
    await _find(scene, name, source, number)
    newest = (await admin.get("/v1/accounts", page_size=100, order_by="create_time desc"))["accounts"]
    scene.customers = [each for each in newest if source in {id["source"] for id in each["external_ids"]}]


def _with_own_name(sheet: MadeSpreadsheet, brand: str) -> tuple[MadeSpreadsheet, str, str]:
    """The sheet with the first sound company named after the run; that name and the company's number."""
    bad = {error.row_number - 2 for error in sheet.errors}
    spoiled = {sheet.rows[index][NUMBER] for index in bad}
    for index, row in enumerate(sheet.rows):
        if index not in bad and row[KIND] == "企业" and row[NUMBER] not in spoiled:
            name = f"深圳市{brand}电力设备有限公司"
            rows = list(sheet.rows)
            rows[index] = (*row[:NAME], name, *row[NAME + 1 :])
            return replace(sheet, rows=tuple(rows)), name, row[NUMBER]
    raise NotAsTold("the spreadsheet has no sound company")


async def _upload(person: Person, content: bytes) -> Json:
    answer = await person.send(
        "POST",
        "/v1/uploads",
        params={"file_name": "customers.xlsx"},
        content=content,
        headers={"content-type": XLSX},
    )
    hold(answer.status_code == 201, f"the upload was answered {answer.status_code} {answer.text}")
    upload: Json = answer.json()
    return upload


def _ended(scene: Scene) -> "_Progress":
    return _Progress(scene)


class _Progress:
    """Tells how far an import is, at most once for each tenth, and says when it has ended."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._tenths = 0

    def __call__(self, job: Json) -> bool:
        tenths = 10 * job["rows_read"] // max(1, job["rows_total"] or 0)
        if tenths > self._tenths and job["state"] not in ENDED:
            self._tenths = tenths
            self._scene.teller.detail(f"{job['rows_read']} of {job['rows_total'] or 0} rows")
        return job["state"] in ENDED


async def _check_errors(scene: Scene, job: Json, expected: tuple[ExpectedError, ...]) -> None:
    tell, admin = scene.teller, scene.people.admin
    tell.step(admin.name, "reads which rows are wrong")
    errors = await admin.all(f"/v1/imports/{job['id']}/errors", "errors")
    told = {(error["row_number"], error["column"], error["reason"]) for error in errors}
    put_in = {(error.row_number, error.column, error.reason) for error in expected}
    hold(told == put_in, f"not told: {sorted(put_in - told)}; told for nothing: {sorted(told - put_in)}")
    tell.found(f"all {len(put_in)} bad rows are told, each with row, column and reason, and no other")
    for error in errors[:3]:
        tell.detail(f"row {error['row_number']}, {error['column']}: {error['reason']} {(error['value'] or '')[:30]!r}")
    report = await admin.send("GET", f"/v1/imports/{job['id']}/report.csv")
    lines = report.content.decode("utf-8-sig").strip().count("\n")
    hold(report.is_success and lines >= len(put_in), f"the report has {lines} rows: {report.status_code}")
    tell.found("report.csv has those rows to correct and import again")


async def _find(scene: Scene, name: str, source: str, number: str) -> None:
    tell, admin = scene.teller, scene.people.admin
    typed = scene.run.brand_pinyin
    tell.step(admin.name, f"types {typed!r} to find {name}")
    found = (await admin.get("/v1/accounts:search", query=typed))["accounts"]
    hold(found and found[0]["display_name"] == name, f"found {[each['display_name'] for each in found]}, not {name}")
    ids = {(each["source"], each["value"]) for each in found[0]["external_ids"]}
    hold((source, number) in ids, f"its number {number} of {source} is not among {ids}")
    tell.found(f"the first hit is {name}, number {number}")
    await _disagree(scene, found[0])


async def _disagree(scene: Scene, account: Json) -> None:
    tell, admin = scene.teller, scene.people.admin
    tell.step(admin.name, "notes what the business register says of it")
    said = {"source": "business register", "proof": "extract 2026-113", "values": {"short_name": scene.run.brand}}
    told = await admin.post(f"/v1/accounts/{account['id']}/source-values", said)
    hold([each["agrees"] for each in told["source_values"]] == [False], f"the register agrees: {told}")
    disputed = await admin.get("/v1/accounts", filter="conflicting_fields:short_name", order_by="create_time desc")
    hold(account["id"] in {each["id"] for each in disputed["accounts"]}, "it is not among those in conflict")
    tell.found("it is listed among the customers about whom sources disagree; its own data stay as they were")

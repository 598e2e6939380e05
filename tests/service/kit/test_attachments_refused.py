"""Files at records that are not taken: what they are, what they are called, how large they are, and how many."""

from datetime import timedelta

import pytest

from tests.service.attaching import TEXT, Files, sha256
from tests.service.customer.customers import new_account
from tests.service.kit.test_attachments import objects, sweep, used_bytes
from tests.service.running import Running, User, refused


@pytest.fixture
async def user(customer: Running) -> User:
    return await customer.user(name="王芳")


@pytest.fixture
async def files(customer: Running, user: User) -> Files:
    return Files(customer, (await new_account(customer, user)).id)


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("setup.exe", TEXT, "runs"),
        ("Setup.EXE ", TEXT, "runs"),
        ("setup.exe.", TEXT, "runs"),
        ("run.sh", TEXT, "runs"),
        ("invoice.pdf.js", TEXT, "runs"),
        ("budget.xlsm", TEXT, "runs"),
        ("invoice.pdf", b"MZ\x90\x00\x03" + bytes(200), "program"),
        ("minutes.txt", b"\x7fELF\x02\x01\x01" + bytes(200), "program"),
        ("notes", b"#!/bin/sh\nrm -rf ~\n", "program"),
        ("invoice.pdf", b"<html><script>alert(1)</script></html>", "mismatch"),
        ("photo.png", b"%PDF-1.7\n" + bytes(99), "mismatch"),
        ("photo.jpg", TEXT, "mismatch"),
        ("report.docx", TEXT, "mismatch"),
    ],
)
async def test_what_runs_or_is_not_what_it_is_called_is_refused(
    customer: Running, user: User, files: Files, name: str, content: bytes, rule: str
) -> None:
    with refused("INVALID_ARGUMENT", "ATTACHMENT_REFUSED") as refusal:
        await files.attach(user, content, name)
    assert refusal.metadata["rule"] == rule
    await sweep(customer, user, timedelta(hours=2))
    assert (objects(customer, user), await used_bytes(customer, user)) == ([], 0)


NO_NAMES = ("", " ", ".", "..", "../a.txt", "a\\b.txt", "a\nb.txt", "a\x00.txt", "\u202etxt.exe", "x" * 256, "示" * 86)


@pytest.mark.parametrize("name", NO_NAMES)
async def test_a_name_that_is_none_is_refused(user: User, files: Files, name: str) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await files.begin(user, name)
    assert refusal.fields == ["name"]


async def test_a_program_that_comes_in_small_pieces_is_refused_at_the_end(user: User, files: Files) -> None:
    content = b"\x7fELF\x02\x01\x01" + bytes(20)
    upload = await files.begin(user, "data", len(content))
    await files.append(user, upload.id, 0, content[:2])
    with refused("INVALID_ARGUMENT", "ATTACHMENT_REFUSED") as refusal:
        await files.append(user, upload.id, 2, content[2:])
    assert refusal.metadata["rule"] == "program"
    with refused("NOT_FOUND", "ATTACHMENT_UPLOAD_NOT_FOUND"):
        await files.upload(user, upload.id)


async def test_bytes_with_another_checksum_become_nothing(customer: Running, user: User, files: Files) -> None:
    with refused("INVALID_ARGUMENT", "ATTACHMENT_REFUSED") as refusal:
        await files.attach(user, TEXT, sha256=sha256(b"something else"))
    assert (refusal.metadata["rule"], refusal.metadata["sha256"]) == ("checksum", sha256(TEXT))
    assert await files.list(user) == []
    assert await used_bytes(customer, user) == 0


async def test_files_that_are_empty_or_too_large_are_refused(user: User, files: Files) -> None:
    with refused("INVALID_ARGUMENT", "INVALID_ARGUMENT") as refusal:
        await files.begin(user, size=0)
    assert refusal.fields == ["size_bytes"]
    with refused("INVALID_ARGUMENT", "ATTACHMENT_REFUSED") as refusal:
        await files.begin(user, size=(100 << 20) + 1)
    assert refusal.metadata == {"rule": "too_large", "bytes": str((100 << 20) + 1), "max_bytes": str(100 << 20)}


async def test_a_tenant_has_so_much_room_and_no_more(
    customer: Running, user: User, files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await files.attach(user)
    bounds = {"max_bytes": 1 << 20, "max_tenant_bytes": 2 * len(TEXT)}
    monkeypatch.setattr("crm_kit.attachments.servicer.bounds_of", lambda _settings: bounds)
    await files.begin(user)
    with refused("RESOURCE_EXHAUSTED", "RATE_LIMITED") as refusal:
        await files.begin(user)
    assert refusal.metadata["rule"] == "attachments"
    # What others have is no concern of theirs.
    other = await customer.user()
    await Files(customer, (await new_account(customer, other)).id).begin(other)
    await files.delete(user, made.id)
    await files.begin(user)

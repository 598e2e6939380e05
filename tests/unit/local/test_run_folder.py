from pathlib import Path

import pytest
from crm_local.failure import LocalFailure
from crm_local.run_folder import Holder, RunFolder
from crm_local.supervisor import Sighting, State

HOLDER = Holder(pid=4711, since="2026-03-02T09:00:00+08:00", url="http://127.0.0.1:8080")


def test_the_second_in_a_folder_is_told_who_is_the_first(tmp_path: Path) -> None:
    first, second = RunFolder(tmp_path / "run"), RunFolder(tmp_path / "run")
    first.make()
    assert second.holder() is None
    first.lock(HOLDER)
    with pytest.raises(LocalFailure, match=r"already running .* \(pid 4711, since 2026-03-02.*8080"):
        second.lock(HOLDER)
    assert second.holder() == HOLDER
    first.unlock()
    assert second.holder() is None
    second.lock(HOLDER)
    second.unlock()


def test_reset_deletes_only_what_was_made_here(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.make()
    folder.lock(HOLDER)
    folder.log("nats").write_text("x")
    (tmp_path / "thesis.txt").write_text("mine")
    folder.delete()
    folder.unlock()
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_sightings_are_read_back_and_a_damaged_note_counts_as_none(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    sighting = Sighting("nats", State.READY, 12, 99.5, 1, "127.0.0.1:7422")
    folder.write_sightings([sighting])
    assert folder.read_sightings() == [sighting]
    (tmp_path / "state.json").write_text('[{"pid": ')
    assert folder.read_sightings() == []


def test_a_folder_that_cannot_be_made_is_told_with_its_setting(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalFailure, match="CRM_LOCAL_RUN_FOLDER"):
        RunFolder(tmp_path / "file" / "run").make()

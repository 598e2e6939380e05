"""What the present contract is measured against, and what passes, in small histories made here."""

import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
MONEY = "proto/crm/type/v1/money.proto"
OPTIONS = "proto/crm/options/v1/options.proto"  # which it imports
FIELD = "  // ISO 4217, for example CNY.\n"


class History:
    """A repository with a contract in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Test")
        self.git("config", "user.email", "test@example.org")
        (root / "README.md").write_text("A platform.\n")
        self.commit("Begin")

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.root), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, message: str) -> None:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", message)

    def add_contract(self) -> None:
        for name in (OPTIONS, MONEY):
            target = self.root / name
            target.parent.mkdir(parents=True)
            shutil.copy(ROOT / name, target)
        self.commit("Say what money is")

    def break_contract(self) -> None:
        """Give a field another number, which no caller survives."""
        self.edit("currency_code = 2", "currency_code = 3")

    def edit(self, before: str, after: str) -> None:
        file = self.root / MONEY
        assert before in file.read_text()
        file.write_text(file.read_text().replace(before, after))


@pytest.fixture
def history(tmp_path: Path) -> History:
    root = tmp_path / "repository"
    root.mkdir()
    return History(root)


def breaks(check: ModuleType, history: History) -> list[str]:
    image = history.root.with_name("image.binpb")
    assert check.compile_image(history.root / "proto", image) == ""
    return list(check.breaks(history.root, image))


def test_the_first_contract_breaks_nothing(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    assert breaks(contract_check, history) == []
    assert contract_check.choose_baselines(history.root) == ([], "no earlier contract to break")


def test_a_folder_without_history_is_said_to_have_none(contract_check: ModuleType, tmp_path: Path) -> None:
    assert contract_check.choose_baselines(tmp_path)[1].startswith("no history here")


def test_a_break_not_yet_committed_is_refused(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.break_contract()
    problems = breaks(contract_check, history)
    assert any(problem.startswith(f"{MONEY}:") and "the last commit" in problem for problem in problems)


def test_a_committed_break_is_refused(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.break_contract()
    history.commit("Renumber")
    problems = breaks(contract_check, history)
    assert any(problem.startswith(f"{MONEY}:") for problem in problems)
    assert "must say `Breaking-Contract: why`" in problems[-1]


def test_a_later_commit_elsewhere_does_not_hide_a_break(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.break_contract()
    history.commit("Renumber")
    (history.root / "README.md").write_text("Another word.\n")
    history.commit("Explain")
    assert breaks(contract_check, history)


def test_a_break_with_its_reason_passes_before_the_first_release(
    contract_check: ModuleType, history: History, capsys: pytest.CaptureFixture[str]
) -> None:
    history.add_contract()
    history.break_contract()
    history.commit("Renumber\n\nBreaking-Contract: nobody calls it yet")
    assert breaks(contract_check, history) == []
    assert "`Breaking-Contract: nobody calls it yet`" in capsys.readouterr().out


def test_after_a_release_no_reason_helps(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.git("tag", "v0.1.0")
    history.break_contract()
    history.commit("Renumber\n\nBreaking-Contract: we felt like it")
    assert all("breaks release v0.1.0" in problem for problem in breaks(contract_check, history))
    assert breaks(contract_check, history)


def test_a_release_is_measured_against_the_one_before(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.git("tag", "v0.1.0")
    history.break_contract()
    history.commit("Renumber")
    history.git("tag", "v0.2.0")
    assert contract_check.newest_release(history.root) == "v0.1.0"
    assert breaks(contract_check, history)


def test_a_branch_is_measured_against_where_it_left_the_main_line(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.git("update-ref", "refs/remotes/origin/main", "HEAD")
    history.break_contract()
    history.commit("Renumber")
    history.edit(FIELD, "  // ISO 4217.\n")
    history.commit("Shorten a comment")
    assert breaks(contract_check, history)


def test_an_addition_breaks_nothing(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.edit("string currency_code = 2", "string note = 3;\n  string currency_code = 2")
    assert breaks(contract_check, history) == []
    history.commit("Add a note")
    assert breaks(contract_check, history) == []


def test_a_shallow_clone_says_that_it_cannot_know(contract_check: ModuleType, history: History) -> None:
    history.add_contract()
    history.break_contract()
    history.commit("Renumber")
    shallow = history.root.with_name("shallow")
    history.git("clone", "-q", "--depth", "1", history.root.as_uri(), str(shallow))
    # A clone knows its remote's main line; a checkout on a build machine does not always.
    baselines, note = contract_check.choose_baselines(shallow)
    assert baselines == []
    assert "breaks are NOT checked" in note


def test_the_lint_rules_hold_for_our_packages(contract_check: ModuleType, tmp_path: Path) -> None:
    contracts = tmp_path / "proto" / "crm" / "type" / "v1"
    contracts.mkdir(parents=True)
    (contracts / "money.proto").write_text('syntax = "proto3";\n\npackage crm.type.v1;\n\nmessage money {}\n')
    image = tmp_path / "image.binpb"
    assert contract_check.compile_image(tmp_path / "proto", image) == ""
    said = "\n".join(contract_check.style(image))
    assert "proto/crm/type/v1/money.proto:5:9:Message name" in said
    assert "should have a non-empty comment" in said


def test_an_unformatted_contract_is_one_line_with_the_remedy(contract_check: ModuleType) -> None:
    diff = [
        "diff -u proto/crm/type/v1/money.proto.orig proto/crm/type/v1/money.proto",
        "--- proto/crm/type/v1/money.proto.orig\t2026-11-27 20:38:40 +0000",
        "+++ proto/crm/type/v1/money.proto\t2026-11-27 20:38:40 +0000",
        "@@ -1,3 +1,2 @@",
        "-",
    ]
    assert contract_check.layout(diff) == ["proto/crm/type/v1/money.proto is not formatted: make format"]
    assert contract_check.layout(["Failure: no such folder"]) == ["Failure: no such folder"]
    assert contract_check.layout([]) == []

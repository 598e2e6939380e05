"""Checks the contracts in `proto/`, offline: style, layout, the house's rules, and that no caller is broken.

    .venv/bin/python proto/check.py     prints `file:line: text` for each problem; exits with 1 if there is one

What counts as broken is measured against the newest release, a tag `v*`. Until there is one, it is measured
against the contract before the last change (before the branch, where the remote's main line is known) and
against the last commit; then a break passes when a commit of that change says `Breaking-Contract: why`.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

from crm_kit.contract import contract_problems
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parents[1]
BUF = Path(sys.executable).with_name("buf")
COMPILE = ROOT / "libs" / "protos" / "compile.py"
CONFIG = ROOT / "proto" / "buf.yaml"
TRAILER = "Breaking-Contract"
# Our packages only: what google and buf publish keeps its own style.
OURS = ("--path", "crm", "--config", str(CONFIG))


@dataclass(frozen=True, slots=True)
class Baseline:
    """A contract that the present one must not break. `excuse` is what the trailer said, or empty."""

    revision: str
    title: str
    excuse: str = ""
    hint: str = ""


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.binpb"
        failure = compile_image(ROOT / "proto", image)
        problems = [failure] if failure else [*style(image), *rules(image), *breaks(ROOT, image)]
    for problem in problems:
        print(problem)
    print("contracts: " + (f"{len(problems)} problem{'s' * (len(problems) > 1)}" if problems else "well"))
    return 1 if problems else 0


def compile_image(contracts: Path, image: Path) -> str:
    """Compile the contracts below a folder; answer what the compiler said when it failed."""
    done = subprocess.run(
        [sys.executable, str(COMPILE), "--image", str(image), str(contracts)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return "" if done.returncode == 0 else (done.stdout + done.stderr).strip()


def buf(*arguments: str) -> list[str]:
    """Run buf; what it prints, a line each, and nothing when it found nothing."""
    done = subprocess.run([str(BUF), *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return []
    return (done.stdout + done.stderr).splitlines() or [f"buf {arguments[0]} failed without a word"]


def style(image: Path) -> list[str]:
    """What buf's lint rules and its layout say."""
    problems = [f"proto/{line}" for line in buf("lint", str(image), *OURS)]
    return [*problems, *layout(buf("format", "--diff", "--exit-code", "proto"))]


def layout(told: list[str]) -> list[str]:
    """A line for each file of a diff; what is no diff, as it was told."""
    files = [line.split()[1] for line in told if line.startswith("+++ ")]
    return [f"{file} is not formatted: make format" for file in files] or told


def rules(image: Path) -> list[str]:
    """What the house's own rules say."""
    files = FileDescriptorSet.FromString(image.read_bytes())
    return [f"proto/{problem}" for problem in contract_problems(files)]


def breaks(root: Path, image: Path) -> list[str]:
    """What the image breaks of each baseline in the history of `root`."""
    problems: list[str] = []
    baselines, note = choose_baselines(root)
    if note:
        print(f"contracts: {note}")
    for baseline in baselines:
        found = broken(root, baseline.revision, image)
        if found and baseline.excuse:
            why = f"passed, because a commit says `{TRAILER}: {baseline.excuse}`"
            print(f"contracts: {len(found)} incompatible changes since {baseline.title}, {why}")
        elif found:
            problems += [f"proto/{line} (breaks {baseline.title})" for line in found]
            problems += [baseline.hint] if baseline.hint else []
    return problems


def broken(root: Path, revision: str, image: Path) -> list[str]:
    """What the image breaks of the contract at a revision."""
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "-C", str(root), "archive", "--format=zip", revision, "proto"], capture_output=True, check=True
        )
        with ZipFile(BytesIO(archive.stdout)) as files:
            files.extractall(folder)
        before = Path(folder) / "before.binpb"
        failure = compile_image(Path(folder) / "proto", before)
        if failure:
            print(f"contracts: {revision} does not compile today, nothing is measured against it")
            return []
        return buf("breaking", str(image), "--against", str(before), *OURS)


def choose_baselines(root: Path) -> tuple[list[Baseline], str]:
    """Choose what the present contract is measured against; the second value says why it is nothing."""
    if not git(root, "rev-parse", "--verify", "-q", "HEAD"):
        return [], "no history here, so no earlier contract to break"
    release = newest_release(root)
    if release:
        return [Baseline(release, f"release {release}")], ""
    found = list(unreleased_baselines(root))
    if not found and git(root, "rev-parse", "--is-shallow-repository") == "true":
        return (
            [],
            "the clone is shallow and its history ends here: breaks are NOT checked (fetch more history)",
        )
    return found, "" if found else "no earlier contract to break"


def newest_release(root: Path) -> str:
    """The newest tag `v*` below HEAD; when HEAD itself is one and unchanged, the release before it."""
    describe = ("describe", "--tags", "--abbrev=0", "--match", "v*")
    tag = git(root, *describe)
    is_this_release = tag and git(root, "rev-parse", f"{tag}^{{commit}}") == git(root, "rev-parse", "HEAD")
    if is_this_release and not git(root, "status", "--porcelain", "--", "proto"):
        return git(root, *describe, "HEAD^") or tag
    return tag


def unreleased_baselines(root: Path) -> Iterator[Baseline]:
    """The contract before the branch or the last change, and that of HEAD when files differ from it."""
    before = branch_point(root) or before_last_change(root)
    if before and has_contract(root, before):
        short = git(root, "rev-parse", "--short", before)
        excuse = "; ".join(trailers(root, f"{before}..HEAD"))
        hint = f"a commit since {short} must say `{TRAILER}: why` in its message, or the break must go"
        yield Baseline(before, f"the contract of {short}", excuse, hint)
    if git(root, "status", "--porcelain", "--", "proto") and has_contract(root, "HEAD"):
        yield Baseline(
            "HEAD", "the last commit", hint=f"commit it with `{TRAILER}: why` if this is meant, else undo it"
        )


def branch_point(root: Path) -> str:
    """Where this branch left the remote's main line; empty when that is not known, or is HEAD."""
    for main_line in ("origin/HEAD", "origin/main"):
        point = git(root, "merge-base", "HEAD", main_line)
        if point and point != git(root, "rev-parse", "HEAD"):
            return point
    return ""


def before_last_change(root: Path) -> str:
    """The parent of the newest commit that touched a contract; empty when it has none."""
    newest = git(root, "rev-list", "-1", "HEAD", "--", "proto/crm")
    return git(root, "rev-parse", "--verify", "-q", f"{newest}^") if newest else ""


def has_contract(root: Path, revision: str) -> bool:
    return bool(git(root, "ls-tree", "-r", "--name-only", revision, "--", "proto/crm"))


def trailers(root: Path, span: str) -> list[str]:
    """What the commits of a span give as reasons for breaking the contract."""
    wanted = f"--format=%(trailers:key={TRAILER},valueonly,unfold)"
    return [line for line in git(root, "log", wanted, span).splitlines() if line.strip()]


def git(root: Path, *arguments: str) -> str:
    """What git answers; empty when it refuses, and where there is no git."""
    try:
        done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())

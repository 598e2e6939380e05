"""Proves docs/openapi.json with the tools that people make clients with; needs npm and the package registries.

    .venv/bin/python -m tests.sdk     prints a line a step; exits with 1 at the first that fails

The tools' versions are pinned in package.json and requirements.in beside this file, and locked.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
DOCUMENT = ROOT / "docs" / "openapi.json"
FOLDER = ROOT / "build" / "sdk"
UV = ROOT / ".tools" / "bin" / "uv"
TOOLS = FOLDER / "node_modules" / ".bin"
PYTHON = FOLDER / "python"
# What the linter is told to pass over, each with its reason.
IGNORED = ".redocly.lint-ignore.yaml"
PROGRAMS = ("openapi_fetch.ts", "hey_api.ts", "tsconfig.json")


class Failed(Exception):
    """A tool that is not content; the message is what it printed."""


def main() -> int:
    try:
        install()
        told(f"redocly recommended-strict: {lint()} problems")
        told(f"openapi-typescript and @hey-api/openapi-ts: {compile_typescript()} compile under tsc --strict")
        told(f"openapi-python-client: {generate_python()} operations, all of them, and every module imports")
    except Failed as failure:
        told(f"{failure}\nclients: not well")
        return 1
    told("clients: well")
    return 0


def told(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(*command: str | Path, environment: Mapping[str, str] | None = None) -> str:
    """Run a tool in the build folder; what it printed, or Failed."""
    done = subprocess.run(
        command, cwd=FOLDER, env=environment, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    printed = done.stdout + done.stderr
    if done.returncode != 0:
        raise Failed(f"{' '.join(map(str, command))} exited with {done.returncode}\n{printed}")
    return printed


def install() -> None:
    """Put the pinned tools into the build folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    if shutil.which("npm") is None:
        raise Failed("npm is not installed")
    for name in ("package.json", "package-lock.json", IGNORED, *PROGRAMS):
        shutil.copyfile(HERE / name, FOLDER / name)
    run("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if not PYTHON.exists():
        run(UV, "venv", "-q", "--python", sys.executable, PYTHON)
    run(UV, "pip", "sync", "-q", "--require-hashes", "--python", PYTHON / "bin" / "python", HERE / "requirements.lock")


def lint() -> int:
    """Problems that redocly finds, but for those that are none; Failed when there are any."""
    (FOLDER / "redocly.yaml").unlink(missing_ok=True)
    printed = run(TOOLS / "redocly", "lint", "--extends", "recommended-strict", "--format", "json", DOCUMENT)
    totals = json.loads(printed[printed.index("{") : printed.rindex("}") + 1])["totals"]
    problems = int(totals["errors"]) + int(totals["warnings"])
    if problems:
        raise Failed(printed)
    return problems


def compile_typescript() -> str:
    """Generate both clients and compile them with the programs that use them; the programs' names."""
    run(TOOLS / "openapi-typescript", DOCUMENT, "-o", "openapi_typescript.d.ts")
    plugins = ("@hey-api/typescript", "@hey-api/sdk", "@hey-api/client-fetch")
    run(TOOLS / "openapi-ts", "-i", DOCUMENT, "-o", "hey_api_client", "-p", *plugins)
    run(TOOLS / "tsc", "--project", ".")
    return " and ".join(name for name in PROGRAMS if name.endswith(".ts"))


def generate_python() -> int:
    """Generate the Python client; Failed when it leaves anything out or cannot be imported."""
    client = FOLDER / "python_client"
    # The generator formats its work with ruff, which it looks for on the path.
    environment = {"PATH": f"{PYTHON / 'bin'}:/usr/bin:/bin"}
    generator = PYTHON / "bin" / "openapi-python-client"
    printed = run(
        generator, "generate", "--path", DOCUMENT, "--output-path", client, "--overwrite", environment=environment
    )
    if "WARNING" in printed or "Warning" in printed:
        raise Failed(printed)
    operations = [path for path in client.glob("*/api/*/*.py") if path.name != "__init__.py"]
    wanted = sum(len(entries) for entries in json.loads(DOCUMENT.read_text())["paths"].values())
    if len(operations) != wanted:
        raise Failed(f"openapi-python-client made {len(operations)} operations of {wanted}")
    modules = [".".join(path.relative_to(client).with_suffix("").parts) for path in client.glob("*/**/*.py")]
    imports = (
        f"import importlib, sys; sys.path.insert(0, {str(client)!r}); [importlib.import_module(m) for m in {modules}]"
    )
    run(PYTHON / "bin" / "python", "-c", imports)
    return len(operations)


if __name__ == "__main__":
    raise SystemExit(main())

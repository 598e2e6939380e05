"""The walls between packages stand: a house built in miniature passes, and each forbidden import is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LINTER = Path(sys.executable).with_name("lint-imports")
HOUSE = {
    "crm_kit": ["errors", "database.connections", "working_time.timeline"],
    "crm_customer": [
        "app",
        "consumers",
        *(f"records.accounts.{room}" for room in ("model", "queries", "resource", "commands", "servicer")),
        "records.search.terms",
        *(f"directory.{room}.commands" for room in ("roles", "users")),
        "feeds.commands",
        "imports.worker",
        "workspace.notifications.commands",
        "integrations.webhook_endpoints.commands",
    ],
    "crm_sales": [
        "leads.model",
        "leads.servicer",
        "payments.allocation",
        "pools.claims",
        "pools.protection",
        "pools.queries",
        "priced_lines.answers",
        "pricing.document",
        "pricing.selection",
        "pricing.splitting",
        "pricing.steps",
    ],
    "crm_service_desk": ["accounts.client", "cases.model", "service_levels.clock"],
    "crm_scoring": ["tiers.model", "credit.rules", "scores.scoring"],
    "crm_gateway": ["app"],
    "crm_local": ["supervisor"],
}
ALLOWED = {
    "crm_sales.leads.model": "import crm_sales.pools.protection",
    "crm_kit.database.connections": "import asyncpg, sqlalchemy",
    "crm_customer.records.accounts.model": "from crm_kit.errors import CrmError",
    "crm_customer.records.accounts.resource": "from crm.customer.v1 import accounts_pb2",
    "crm_customer.app": "from crm.customer.v1 import accounts_pb2_grpc",
    "crm_customer.consumers": "from crm.sales.v1 import events_pb2",
    "crm_customer.directory.users.commands": "from crm_customer.directory.roles import commands",
    "crm_customer.feeds.commands": "import crm_customer.imports.worker",
    "crm_customer.imports.worker": "from crm_customer.records.accounts import commands",
    "crm_customer.workspace.notifications.commands": "from crm_customer.directory.users import commands",
    "crm_sales.leads.servicer": "from crm.sales.v1 import leads_pb2",
    "crm_service_desk.accounts.client": "from crm.customer.v1 import accounts_pb2",
    "crm_service_desk.cases.model": "import crm_service_desk.service_levels.clock",
}
FORBIDDEN = [
    ("crm_sales.pools.protection", "import sqlalchemy", "The rules of sales know neither"),
    ("crm_sales.pools.queries", "import crm_sales.leads.model", "No folder of sales imports in a circle"),
    ("crm_sales.leads.servicer", "import crm_customer.records.accounts.queries", "A service, the gateway"),
    ("crm_gateway.app", "import crm_customer.records.accounts.queries", "A service, the gateway"),
    ("crm_scoring.tiers.model", "import crm_service_desk.cases.model", "A service, the gateway"),
    ("crm_kit.errors", "import crm_customer.app", "The kit knows no service"),
    ("crm_kit.errors", "import crm_gateway.app", "The kit knows no service"),
    ("crm_customer.records.accounts.model", "import grpc", "Rules know neither"),
    ("crm_customer.records.accounts.model", "from google.protobuf import timestamp_pb2", "Rules know neither"),
    ("crm_sales.leads.model", "import sqlalchemy", "Rules know neither"),
    ("crm_scoring.tiers.model", "from crm_kit.database import connections", "Rules know neither"),
    ("crm_service_desk.service_levels.clock", "import asyncpg", "Rules know neither"),
    ("crm_scoring.credit.rules", "import asyncpg", "Rules know neither"),
    ("crm_scoring.scores.scoring", "import sqlalchemy", "Rules know neither"),
    ("crm_kit.working_time.timeline", "import sqlalchemy", "Rules know neither"),
    ("crm_customer.records.search.terms", "import grpc", "Rules know neither"),
    ("crm_service_desk.service_levels.clock", "import crm_service_desk.cases.model", "No folder of the service desk"),
    (
        "crm_customer.records.accounts.queries",
        "from crm.customer.v1 import accounts_pb2",
        "Of a service, what declares",
    ),
    (
        "crm_customer.directory.roles.commands",
        "from crm_customer.directory.users import commands",
        "No folder of customer imports in a circle",
    ),
    ("crm_customer.records.accounts.commands", "import crm_customer.directory.users.commands", "Of customer's wings"),
    ("crm_customer.directory.users.commands", "import crm_customer.records.accounts.model", "Of customer's wings"),
    ("crm_customer.directory.users.commands", "import crm_customer.imports.worker", "Of customer's wings"),
    ("crm_customer.imports.worker", "import crm_customer.workspace.notifications.commands", "Of customer's wings"),
    ("crm_customer.imports.worker", "import crm_customer.feeds.commands", "Of customer's wings"),
]
CIRCLES = [("crm_scoring.credit.rules", "crm_scoring.scores.scoring", "No folder of scoring")]


def build(folder: Path, imports: dict[str, list[str]]) -> None:
    """Write the house's modules, each with the imports given for it."""
    for package, modules in HOUSE.items():
        for module in modules:
            file = folder / package / f"{module.replace('.', '/')}.py"
            file.parent.mkdir(parents=True, exist_ok=True)
            for parent in file.relative_to(folder).parents[:-1]:
                (folder / parent / "__init__.py").touch()
            file.write_text("\n".join(imports.get(f"{package}.{module}", [])) + "\n")


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the linter with the repository's walls on the house in the folder."""
    return subprocess.run(
        [LINTER, "--no-cache", "--no-logo", "--config", ROOT / ".importlinter"],
        cwd=folder, env=os.environ | {"PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_imports_along_the_layers_pass(tmp_path: Path) -> None:
    build(tmp_path, {module: [text] for module, text in ALLOWED.items()})
    done = lint(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    walls = (ROOT / ".importlinter").read_text().count("[importlinter:contract:")
    assert f"Contracts: {walls} kept, 0 broken." in done.stdout


@pytest.mark.parametrize(("module", "text", "wall"), FORBIDDEN)
def test_an_import_through_a_wall_is_refused(tmp_path: Path, module: str, text: str, wall: str) -> None:
    imports = {name: [allowed] for name, allowed in ALLOWED.items()}
    imports.setdefault(module, []).append(text)
    build(tmp_path, imports)
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    broken = [line for line in done.stdout.splitlines() if " BROKEN" in line]
    assert any(line.startswith(wall) for line in broken), done.stdout


@pytest.mark.parametrize(("one", "other", "wall"), CIRCLES)
def test_folders_that_import_one_another_are_refused(tmp_path: Path, one: str, other: str, wall: str) -> None:
    build(tmp_path, {module: [text] for module, text in ALLOWED.items()} | {one: [f"import {other}"]})
    assert lint(tmp_path).returncode == 0
    build(tmp_path, {one: [f"import {other}"], other: [f"import {one}"]})
    done = lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert any(line.startswith(wall) and " BROKEN" in line for line in done.stdout.splitlines()), done.stdout

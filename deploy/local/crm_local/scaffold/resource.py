"""A new resource: contract, events, error reason, rooms, test, and its place in the service and in the roles."""

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from crm_local.failure import LocalFailure
from crm_local.scaffold.insertion import (
    with_element,
    with_enum_value,
    with_import,
    with_proto_import,
    with_toml_entry,
)
from crm_local.scaffold.names import Names
from crm_local.scaffold.plan import Plan

ROOMS = ("model", "tables", "resource", "commands", "servicer")
REASONS = Path("proto", "crm", "error", "v1", "error_reason.proto")
BUILT_IN_ROLES = Path("services", "customer", "crm_customer", "directory", "roles", "built_in.py")
TEXTS = Path("gateway", "crm_gateway", "texts")


def plan_resource(root: Path, names: Names) -> Plan:
    """Plan a new resource. LocalFailure when something of it is there already, or has no place to go."""
    for found in already_there(root, names):
        raise LocalFailure(f"{names.service} cannot have a new {names.noun}: {found}; nothing was changed")
    plan = Plan(root, names.placeholders)
    plan_contract(plan, names)
    plan_rooms(plan, names)
    plan_grants(plan, names)
    plan_texts(plan, names)
    plan.create(test_file(names), "test.py.txt")
    return plan


def already_there(root: Path, names: Names) -> Iterator[str]:
    """What the repository has under these names."""
    rooms = rooms_folder(names)
    for path in (contract_file(names), rooms, rooms.with_suffix(".py"), test_file(names)):
        # What is left of a folder on another branch of the history is compiled code alone.
        if (root / path).is_file() or any((root / path).rglob("*.py")):
            yield f"there is {path}"
    own = root / contract_file(names).parent
    messages = "|".join(f"{names.message}{part}" for part in ("", "Created", "Updated", "Archived", "Restored"))
    for contract in sorted((root / "proto" / "crm").rglob("*.proto")):
        text = contract.read_text(encoding="utf-8")
        taken = [found[0] for found in re.finditer(rf'"/v1/{names.path}(?=[/:"])', text)]
        if contract.parent == own:
            taken += [found[0] for found in re.finditer(rf"^message ({messages})\b", text, re.MULTILINE)]
        yield from (f"{contract.relative_to(root)} has {each} already" for each in taken)


def contract_file(names: Names) -> Path:
    """Where the contract is."""
    return Path("proto", "crm", names.service, "v1", f"{names.plural}.proto")


def rooms_folder(names: Names) -> Path:
    """Where the rooms are."""
    return Path("services", names.service, *names.room.split("."))


def test_file(names: Names) -> Path:
    """Where the test is."""
    return Path("tests", "service", names.service, f"test_{names.plural}.py")


def plan_contract(plan: Plan, names: Names) -> None:
    """The contract, what it tells, and the reason that says there is no such record."""
    contract = contract_file(names)
    plan.create(contract, "contract.proto.txt")
    events, imported = plan.filled("events.proto.txt"), contract.relative_to("proto").as_posix()
    plan.edit(contract.with_name("events.proto"), lambda text: with_proto_import(text, imported) + events)
    comment = f"The {names.words} does not exist, or the caller may not know that it does."
    reason = f"ERROR_REASON_{names.noun.upper()}_NOT_FOUND"
    plan.edit(REASONS, lambda text: with_enum_value(text, reason, comment))


def plan_rooms(plan: Plan, names: Names) -> None:
    """The rooms; the service's tables and composition root learn of them."""
    folder = rooms_folder(names)
    plan.created[folder / "__init__.py"] = ""
    for room in ROOMS:
        plan.create(folder / f"{room}.py", f"{room}.py.txt")
    package = Path("services", names.service, f"crm_{names.service}")
    tables = f"from {names.room} import tables as {names.plural}"
    plan.edit(package / "tables.py", lambda code: with_import(code, tables))
    plan.edit(package / "tables.py", lambda code: with_element(code, "__all__", f'"{names.plural}"'))
    declaration, servicer = names.plural.upper(), f"{names.message}Servicer"
    app = package / "app.py"
    plan.edit(app, lambda code: with_import(code, f"from {names.room}.resource import {declaration}"))
    plan.edit(app, lambda code: with_import(code, f"from {names.room}.servicer import {servicer}"))
    plan.edit(app, lambda code: with_element(code, "service.servicers", f"{servicer}(tokens)"))
    plan.edit(app, lambda code: with_element(code, "service.resources", declaration))


def plan_grants(plan: Plan, names: Names) -> None:
    """The built-in roles reach it as they reach the service's other records."""
    records = f"{names.service.upper()}_RECORDS"
    plan.edit(BUILT_IN_ROLES, lambda code: with_element(code, records, f'"{names.plural}"'))


def plan_texts(plan: Plan, names: Names) -> None:
    """What people are told of a record that is not there, in each language."""
    reason, words, chinese = f"{names.noun.upper()}_NOT_FOUND", names.words, names.chinese
    told = {
        "en": (f"{words.capitalize()} not found", f"The {words} does not exist, or you may not know that it does."),
        "zh": (f"未找到{chinese}", f"该{chinese}不存在，或您无权查看。"),
    }
    for language, (title, detail) in told.items():
        file = TEXTS / f"{language}.toml"
        plan.edit(file, partial(with_toml_entry, table="titles", key=reason, value=title))
        plan.edit(file, partial(with_toml_entry, table="details", key=reason, value=detail))

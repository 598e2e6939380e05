"""What most processes never use is not loaded at their start: docs/adr/0019 says what each would take."""

import subprocess
import sys

import pytest

NEEDED_LATER = ("openpyxl", "httpx", "opentelemetry.sdk", "opentelemetry.exporter", "pydantic", "alembic")


def loaded_by(module: str) -> set[str]:
    """Everything that a process has which has imported the module."""
    code = f"import sys, {module}; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(told.stdout.split())


@pytest.mark.parametrize("service", ["customer", "sales", "service_desk", "scoring"])
def test_a_service_starts_without_what_few_need(service: str) -> None:
    assert loaded_by(f"crm_{service}.app").isdisjoint(NEEDED_LATER)


def test_the_gateway_starts_without_what_few_need_and_without_what_only_services_do() -> None:
    # FastAPI brings pydantic.
    needed_later = {*NEEDED_LATER, "protovalidate", "sqlalchemy"} - {"pydantic"}
    assert loaded_by("crm_gateway.__main__").isdisjoint(needed_later)

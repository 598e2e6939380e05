"""The check of the manifests as a module, and what the production overlay renders to."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session")
def manifests() -> ModuleType:
    """The program `deploy/check.py`."""
    spec = importlib.util.spec_from_file_location("deploy_check", ROOT / "deploy" / "check.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def production(manifests: ModuleType) -> list[Any]:
    """What the production overlay renders to."""
    rendered, failure = manifests.render(manifests.OVERLAYS / "production")
    assert failure == ""
    return list(rendered)

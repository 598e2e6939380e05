"""The contract tools of the repository as modules, and contracts compiled from text."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

ROOT = Path(__file__).resolve().parents[2]

CompileContract = Callable[..., FileDescriptorSet]


def load(path: Path) -> ModuleType:
    """Import a program of the repository that lies in no package."""
    spec = importlib.util.spec_from_file_location(f"program_{path.parent.name}_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up by its name.
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def contract_check() -> ModuleType:
    return load(ROOT / "proto" / "check.py")


@pytest.fixture(scope="session")
def contract_compiler() -> ModuleType:
    return load(ROOT / "libs" / "protos" / "compile.py")


@pytest.fixture
def compile_contract(tmp_path: Path, contract_compiler: ModuleType) -> CompileContract:
    """Compiles one file of crm.sales.v1 from its text, beside the house's vocabulary."""

    def compile_text(text: str, name: str = "widgets.proto") -> FileDescriptorSet:
        contracts = tmp_path / "proto"
        for shared in ("options", "error"):
            shutil.copytree(ROOT / "proto/crm" / shared, contracts / "crm" / shared, dirs_exist_ok=True)
        written = contracts / "crm/sales/v1" / name
        written.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(text)
        image = tmp_path / "image.binpb"
        contract_compiler.compile_image(contracts, image)
        return FileDescriptorSet.FromString(image.read_bytes())

    return compile_text

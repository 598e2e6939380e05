"""Compiles the contracts in `proto/` to Python and to one descriptor image.

Works from PyPI packages alone: `google/api` comes with googleapis-common-protos, and the descriptor of
`buf/validate/validate.proto` is taken from the installed protovalidate, so nothing is vendored.

    python libs/protos/compile.py                     generate into libs/protos/generated
    python libs/protos/compile.py --image OUT ROOT    only the descriptor image of the contracts below ROOT
"""

import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_tools import protoc
from protovalidate._gen.buf.validate import validate_pb

HERE = Path(__file__).resolve().parent
CONTRACTS = HERE.parents[1] / "proto"
GENERATED = HERE / "generated"
SITE_PACKAGES = sysconfig.get_path("purelib")
WELL_KNOWN = str(Path(protoc.__file__).parent / "_proto")


def write_validate_descriptors(target: Path) -> None:
    """Write the descriptor set of `buf/validate/validate.proto` and what it imports to `target`."""
    names = ["google/protobuf/descriptor.proto", "google/protobuf/duration.proto"]
    names += ["google/protobuf/field_mask.proto", "google/protobuf/timestamp.proto"]
    run("-I", WELL_KNOWN, "--include_imports", "--descriptor_set_out", str(target), *names)
    descriptors = FileDescriptorSet.FromString(target.read_bytes())
    descriptors.file.append(FileDescriptorProto.FromString(validate_pb.desc().proto.to_binary()))
    target.write_bytes(descriptors.SerializeToString())


def run(*arguments: str) -> None:
    """Run the compiler; its own messages explain a failure."""
    if protoc.main(["protoc", *arguments]) != 0:
        raise SystemExit("proto: the contracts do not compile, see above")


def compile_image(contracts: Path, image: Path) -> None:
    """Write the descriptor image of all contracts below `contracts`, with comments and imports."""
    image.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "imports.binpb"
        # One set for everything outside the repository: descriptor_set_in replaces -I for what it holds.
        write_validate_descriptors(bundle)
        run(
            "-I", str(contracts), "-I", SITE_PACKAGES, "-I", WELL_KNOWN,
            "--descriptor_set_in", str(bundle),
            "--include_imports", "--include_source_info", "--descriptor_set_out", str(image),
            *sources(contracts),
        )  # fmt: skip


def compile_python(contracts: Path, target: Path) -> None:
    """Generate messages, typed stubs and gRPC code below `target`."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = Path(folder) / "imports.binpb"
        write_validate_descriptors(bundle)
        run(
            "-I", str(contracts), "-I", SITE_PACKAGES, "-I", WELL_KNOWN,
            "--descriptor_set_in", str(bundle),
            f"--python_out={target}", f"--mypy_out=quiet:{target}",
            f"--grpc_python_out={target}", f"--mypy_grpc_out=quiet:{target}",
            f"--plugin=protoc-gen-mypy={sysconfig.get_path('scripts')}/protoc-gen-mypy",
            f"--plugin=protoc-gen-mypy_grpc={sysconfig.get_path('scripts')}/protoc-gen-mypy_grpc",
            *sources(contracts), "buf/validate/validate.proto",
        )  # fmt: skip


def sources(contracts: Path) -> list[str]:
    """Every contract below the folder, as the compiler names them."""
    return sorted(str(path.relative_to(contracts)) for path in contracts.rglob("*.proto"))


def newest(folder: Path) -> float:
    """When the newest file below the folder was written."""
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())


def generate() -> None:
    """Generate everything, unless what is there is newer than every contract and this program."""
    image = GENERATED / "crm_protos" / "image.binpb"
    if image.exists() and image.stat().st_mtime > max(newest(CONTRACTS), Path(__file__).stat().st_mtime):
        return
    # Built beside and swapped in, so that an interrupted build is never half of one.
    fresh = GENERATED.with_name("generated.new")
    shutil.rmtree(fresh, ignore_errors=True)
    (fresh / "crm_protos").mkdir(parents=True)
    (fresh / "crm_protos" / "__init__.py").touch()
    (fresh / "crm_protos" / "py.typed").touch()
    compile_python(CONTRACTS, fresh)
    compile_image(CONTRACTS, fresh / "crm_protos" / "image.binpb")
    shutil.rmtree(GENERATED, ignore_errors=True)
    fresh.rename(GENERATED)


def main(arguments: list[str]) -> None:
    match arguments:
        case []:
            generate()
        case ["--image", image, contracts]:
            compile_image(Path(contracts).resolve(), Path(image).resolve())
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What an image runs, read from the Dockerfile that it is built from."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from crm_local.failure import LocalFailure

DOCKERFILE = Path(__file__).resolve().parents[3] / "images" / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Image:
    """What a container has of its image unless its manifest says otherwise; `user` is "UID:GID"."""

    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    user: str = "0:0"
    folder: str = "/"
    variables: Mapping[str, str] = field(default_factory=dict)


def image_of(reference: str, dockerfile: str) -> Image:
    """The image `guanxi/customer:0.1.0`: the stage `customer` of the Dockerfile; LocalFailure when it has none."""
    name = reference.partition("@")[0].rpartition("/")[2].partition(":")[0]
    stages = stages_of(dockerfile)
    if name not in stages:
        raise LocalFailure(f"image {reference}: the Dockerfile has no stage {name!r}, only {', '.join(sorted(stages))}")
    return stages[name]


def stages_of(dockerfile: str) -> dict[str, Image]:
    """Every named stage with what it takes over from the one before it."""
    stages: dict[str, Image] = {}
    name, image = "", Image()
    for instruction, rest in _instructions(dockerfile):
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            image = stages.get(base, Image())
        image = _with(image, instruction, rest)
        stages[name] = image
    return stages


def _instructions(dockerfile: str) -> list[tuple[str, str]]:
    lines = [line for line in dockerfile.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    whole = "\n".join(lines).replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0].upper(), line.split(maxsplit=1)[1]) for line in whole]


def _with(image: Image, instruction: str, rest: str) -> Image:
    """The image after one more instruction."""
    match instruction:
        case "ENTRYPOINT":
            return replace(image, entrypoint=tuple(json.loads(rest)))
        case "CMD":
            return replace(image, command=tuple(json.loads(rest)))
        case "USER":
            return replace(image, user=rest)
        case "WORKDIR":
            return replace(image, folder=rest)
        case "ENV":
            added = dict(part.split("=", 1) for part in shlex.split(rest))
            return replace(image, variables={**image.variables, **added})
    return image

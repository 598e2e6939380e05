"""What a container is started with: command, environment, user, file system. Values in, values out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crm_local.cluster.images import Image
from crm_local.cluster.manifests import Resource
from crm_local.failure import LocalFailure

REFERENCE = re.compile(r"\$(\$|\((\w+)\))")
UNITS = {"Ki": 1024, "Mi": 1024**2, "Gi": 1024**3}


@dataclass(frozen=True, slots=True)
class Sources:
    """What environments come from: ConfigMaps and Secrets, by name and key."""

    config_maps: Mapping[str, Mapping[str, str]]
    secrets: Mapping[str, Mapping[str, str]]

    def config_map(self, name: str) -> Mapping[str, str]:
        if name not in self.config_maps:
            raise LocalFailure(f"there is no ConfigMap {name}")
        return self.config_maps[name]

    def secret(self, name: str) -> Mapping[str, str]:
        if name not in self.secrets:
            raise LocalFailure(f"there is no Secret {name}: deploy/k8s/README.md tells of none")
        return self.secrets[name]


@dataclass(frozen=True, slots=True)
class Setup:
    """How one container is started. `mounts` maps a place in it to the name of a volume."""

    command: tuple[str, ...]
    environment: Mapping[str, str]
    user: int
    group: int
    extra_group: int | None
    folder: str
    read_only: bool
    keeps_rights: bool
    mounts: Mapping[str, str]


def setup_of(pod: Resource, container: Resource, image: Image, sources: Sources) -> Setup:
    """LocalFailure that names what is missing, or why Kubernetes would refuse it."""
    security = {**pod.get("securityContext", {}), **container.get("securityContext", {})}
    environment = {**image.variables, **environment_of(container, sources)}
    image_user, _, image_group = image.user.partition(":")
    user = int(security.get("runAsUser", image_user))
    if security.get("runAsNonRoot") and user == 0:
        raise LocalFailure("runAsNonRoot is set and the image runs as root")
    entrypoint = tuple(container.get("command", image.entrypoint))
    arguments = container.get("args", () if "command" in container else image.command)
    return Setup(
        command=tuple(expanded(each, environment) for each in (*entrypoint, *arguments)),
        environment=environment,
        user=user,
        group=int(security.get("runAsGroup", image_group or 0)),
        extra_group=security.get("fsGroup"),
        folder=image.folder,
        read_only=bool(security.get("readOnlyRootFilesystem")),
        keeps_rights="ALL" not in security.get("capabilities", {}).get("drop", ()),
        mounts={each["mountPath"]: each["name"] for each in container.get("volumeMounts", ())},
    )


def environment_of(container: Resource, sources: Sources) -> dict[str, str]:
    """The variables that the manifest gives it, in its order: what comes later wins, and may use what came before."""
    variables: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        if "configMapRef" in source:
            variables |= sources.config_map(source["configMapRef"]["name"])
        else:
            variables |= sources.secret(source["secretRef"]["name"])
    for variable in container.get("env", ()):
        if _is_left_out(variable, sources):
            continue
        name = variable["name"]
        try:
            variables[name] = _value(variable, variables, sources)
        except LocalFailure as failure:
            raise LocalFailure(f"{name}: {failure}") from None
    return variables


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """`$(NAME)` replaced where there is such a variable, as Kubernetes does; `$$` is a dollar."""
    return REFERENCE.sub(lambda found: "$" if found[1] == "$" else variables.get(found[2], found[0]), text)


def size_of(quantity: str) -> int:
    """`512Mi` in bytes."""
    for unit, factor in UNITS.items():
        if quantity.endswith(unit):
            return int(quantity.removesuffix(unit)) * factor
    return int(quantity)


def _is_left_out(variable: Resource, sources: Sources) -> bool:
    """Whether it comes from a Secret that may be missing, and is."""
    reference = variable.get("valueFrom", {}).get("secretKeyRef", {})
    return bool(reference.get("optional")) and reference["name"] not in sources.secrets


def _value(variable: Resource, before: Mapping[str, str], sources: Sources) -> str:
    if "valueFrom" not in variable:
        return expanded(variable.get("value", ""), before)
    source: Mapping[str, Any] = variable["valueFrom"]
    if "secretKeyRef" in source:
        return _key("Secret", source["secretKeyRef"], sources.secret(source["secretKeyRef"]["name"]))
    if "configMapKeyRef" in source:
        return _key("ConfigMap", source["configMapKeyRef"], sources.config_map(source["configMapKeyRef"]["name"]))
    raise LocalFailure(f"{', '.join(source)} cannot be resolved here")


def _key(kind: str, reference: Mapping[str, str], values: Mapping[str, str]) -> str:
    if reference["key"] not in values:
        raise LocalFailure(
            f"{kind} {reference['name']} has no key {reference['key']!r}, only {', '.join(sorted(values))}"
        )
    return values[reference["key"]]

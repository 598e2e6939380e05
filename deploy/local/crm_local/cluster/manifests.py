"""What an overlay renders to, read into what is run. What could not be run as Kubernetes would is refused by name."""

import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from crm_local.failure import LocalFailure

KUBECTL = Path(sys.executable).with_name("kubectl")
Resource = Mapping[str, Any]
# What is understood of a pod, of a container and of what belongs to them; the cluster's scheduler alone reads the rest.
POD = {
    "automountServiceAccountToken", "containers", "enableServiceLinks", "initContainers", "restartPolicy",
    "securityContext", "terminationGracePeriodSeconds", "topologySpreadConstraints", "volumes",
}  # fmt: skip
CONTAINER = {
    "args", "command", "env", "envFrom", "image", "lifecycle", "livenessProbe", "name", "ports", "readinessProbe",
    "resources", "securityContext", "startupProbe", "volumeMounts",
}  # fmt: skip
KINDS = {
    "ConfigMap", "Deployment", "Ingress", "Job", "Namespace", "NetworkPolicy", "PodDisruptionBudget", "Service",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Manifests:
    """The resources of one overlay."""

    resources: tuple[Resource, ...]

    def of(self, kind: str) -> list[Resource]:
        return [each for each in self.resources if each["kind"] == kind]

    @property
    def config_maps(self) -> dict[str, dict[str, str]]:
        return {name_of(each): each.get("data", {}) for each in self.of("ConfigMap")}


def rendered(overlay: Path) -> str:
    """What `kubectl kustomize` makes of a folder; the text of a file that was rendered before."""
    if overlay.is_file():
        return overlay.read_text()
    done = subprocess.run(  # noqa: S603 -- the kubectl of our own environment
        [str(KUBECTL), "kustomize", str(overlay)], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise LocalFailure(f"{overlay} does not render: {done.stderr.strip()}")
    return done.stdout


def read(text: str) -> Manifests:
    """Rendered manifests; LocalFailure that names what would not be run as it says."""
    manifests = Manifests(tuple(each for each in yaml.safe_load_all(text) if each))
    for resource in manifests.resources:
        if resource["kind"] not in KINDS:
            raise LocalFailure(f"{title(resource)}: this kind is not run here")
    for workload in (*manifests.of("Deployment"), *manifests.of("Job")):
        pod = pod_of(workload)
        _refuse_unknown(title(workload), pod, POD)
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            _refuse_unknown(f"{title(workload)}: {container['name']}", container, CONTAINER)
        for volume in pod.get("volumes", ()):
            _refuse_unknown(f"{title(workload)}: volume {volume['name']}", volume, {"name", "emptyDir"})
    return manifests


def pod_of(workload: Resource) -> Resource:
    """The specification of a workload's pods."""
    specification: Resource = workload["spec"]["template"]["spec"]
    return specification


def replicas_of(deployment: Resource, wanted: int | None) -> int:
    """As many as its manifest says, or as are wanted instead; what is scaled to none stays so."""
    declared = int(deployment["spec"].get("replicas", 1))
    return declared if wanted is None or declared == 0 else wanted


def labels_of(workload: Resource) -> Mapping[str, str]:
    """The labels of a workload's pods."""
    labels: Mapping[str, str] = workload["spec"]["template"]["metadata"].get("labels", {})
    return labels


def name_of(resource: Resource) -> str:
    return str(resource["metadata"]["name"])


def title(resource: Resource) -> str:
    return f"{resource['kind']}/{name_of(resource)}"


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def port_number(port: int | str, containers: Iterable[Resource]) -> int:
    """A port by its number, or by the name that one of the containers gives it; LocalFailure when none does."""
    if isinstance(port, int):
        return port
    named = {
        each["name"]: each["containerPort"] for one in containers for each in one.get("ports", ()) if "name" in each
    }
    if port not in named:
        raise LocalFailure(f"no container has a port named {port!r}, only {', '.join(sorted(named)) or 'none at all'}")
    return int(named[port])


def _refuse_unknown(where: str, given: Resource, known: set[str]) -> None:
    if unknown := given.keys() - known:
        raise LocalFailure(f"{where}: {', '.join(sorted(unknown))} cannot be run here as Kubernetes would")

"""Checks the Kubernetes manifests, offline: renders every overlay, validates it strictly, applies our policies.

    .venv/bin/python deploy/check.py     prints `overlay: Kind/name: text` for each problem; exits with 1 if any

It also says how many connections to PostgreSQL an overlay comes to.

Strictly means that a field Kubernetes does not know is an error, in the oldest and the newest version we run on.
"""

import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import kubernetes_validate
import yaml
from crm_customer.imports.model import MAX_BYTES
from crm_customer.imports.spreadsheets.separate import BOUNDS
from crm_customer.imports.worker import SIDE_BY_SIDE
from crm_kit.attachments import first_pages
from crm_local.cluster.connections import connections_of
from crm_local.cluster.containers import size_of
from crm_local.cluster.manifests import Manifests

OVERLAYS = Path(__file__).resolve().parent / "k8s" / "overlays"
KUBECTL = Path(sys.executable).with_name("kubectl")
# The oldest has gRPC probes, `preStop.sleep` and `matchLabelKeys` switched on without asking.
VERSIONS = ("1.30", "1.37")
WORKLOADS = ("Deployment", "StatefulSet", "Job", "CronJob")
# A limit of requests with a token is none.
SECRET_NAME = re.compile(r"PASSWORD|SECRET|(?<!RATE_LIMIT_)TOKEN|_KEY$|DATABASE_URL$")
CREDENTIALS_IN_URL = re.compile(r"://[^/@\s]+:[^/@\s]+@")

BODY_SIZE = "nginx.ingress.kubernetes.io/proxy-body-size"
BUFFERING = "nginx.ingress.kubernetes.io/proxy-request-buffering"
UPLOADS = "/v1/uploads"
# The largest file that the gateway can be told to take.
MAX_UPLOAD_BYTES = 50 * 1024 * 1024
# Who carries imports out; what it takes for itself while it does, 180 MiB and 100 for each import of a million rows;
# and what those who read the files may take beside it.
IMPORTER = "Deployment/customer"
IMPORTER_BYTES = 400 * 1024 * 1024
IMPORT_MEMORY_BYTES = SIDE_BY_SIDE * BOUNDS.memory_bytes
# Who has files at its records; what it takes for itself; and what draws the first page of a PDF may take beside it.
KEEPERS_OF_FILES = ("Deployment/sales", "Deployment/service-desk")
KEEPER_BYTES = 256 * 1024 * 1024
PICTURE_BYTES = first_pages.BOUNDS.memory_bytes
IMPORT_DISK_BYTES = SIDE_BY_SIDE * (MAX_BYTES + BOUNDS.packed_bytes)

Resource = Mapping[str, Any]


def main() -> int:
    problems = [f"{overlay.name}: {problem}" for overlay in sorted(OVERLAYS.iterdir()) for problem in check(overlay)]
    for problem in problems:
        print(problem)
    for overlay in sorted(OVERLAYS.iterdir()):
        print(f"{overlay.name}: PostgreSQL has to allow {connections(overlay)} connections")
    print("manifests: " + (f"{len(problems)} problems" if problems else "well"))
    return 1 if problems else 0


def check(overlay: Path) -> list[str]:
    """Say what is wrong with what an overlay renders to, or why it does not render."""
    rendered, failure = render(overlay)
    if failure:
        return [failure]
    return [*schema_problems(rendered), *policy_problems(rendered)]


def render(overlay: Path) -> tuple[list[Resource], str]:
    """What `kubectl kustomize` makes of a folder; the second value is its complaint."""
    done = subprocess.run([str(KUBECTL), "kustomize", str(overlay)], capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stderr:
        return [], f"does not render: {done.stderr.strip()}"
    return [resource for resource in yaml.safe_load_all(done.stdout) if resource], ""


def connections(overlay: Path) -> int:
    """How many connections PostgreSQL has to allow when it has the databases of all services."""
    return connections_of(Manifests(tuple(render(overlay)[0])))


def schema_problems(resources: Iterable[Resource]) -> list[str]:
    """Say which resources Kubernetes would not take, or would take without a field that is misspelt."""
    problems = []
    for resource in resources:
        for version in VERSIONS:
            try:
                kubernetes_validate.validate(dict(resource), version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(str(part) for part in error.absolute_path)
                problems.append(f"{title(resource)}: Kubernetes {version}: {place}: {error.message[:300]}")
            except kubernetes_validate.SchemaNotFoundError as error:
                problems.append(f"{title(resource)}: {error.message}")
    return problems


def policy_problems(resources: list[Resource]) -> list[str]:
    """Say what breaks our own policies."""
    problems = []
    for resource in resources:
        problems += [f"{title(resource)}: {text}" for text in resource_problems(resource)]
    return problems + list(coherence_problems(resources))


def title(resource: Resource) -> str:
    return f"{resource['kind']}/{resource['metadata']['name']}"


def resource_problems(resource: Resource) -> Iterator[str]:
    if resource["kind"] == "Secret":
        yield "secrets are made in the cluster, never written here"
    if resource["kind"] == "ConfigMap":
        yield from (text for item in resource.get("data", {}).items() for text in setting_problems(*item))
    if resource["kind"] in WORKLOADS:
        yield from pod_problems(pod(resource))
        for container in containers(resource):
            yield from (f"{container['name']}: {text}" for text in container_problems(container))
    if resource["kind"] == "Deployment":
        yield from deployment_problems(resource)
    if title(resource) == IMPORTER:
        yield from import_problems(resource)
    if title(resource) in KEEPERS_OF_FILES:
        yield from picture_problems(resource)
    if resource["kind"] == "Job":
        yield from job_problems(resource)
    if resource["kind"] == "Ingress":
        yield from buffering_problems(resource)


def pod(resource: Resource) -> Resource:
    """The pod's specification inside a workload."""
    return dig(resource, "spec.jobTemplate.spec.template.spec") or dig(resource, "spec.template.spec") or {}


def containers(resource: Resource) -> list[Resource]:
    specification = pod(resource)
    return [*specification.get("initContainers", []), *specification.get("containers", [])]


def dig(resource: Resource, path: str) -> Any:
    """The value at a dotted path; None where the path ends early."""
    value: Any = resource
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def missing(resource: Resource, wanted: Mapping[str, object]) -> Iterator[str]:
    """Say which paths do not have the value wanted."""
    for path, value in wanted.items():
        if dig(resource, path) != value:
            yield f"{path} is not {value!r}"


# One pod


def pod_problems(specification: Resource) -> Iterator[str]:
    yield from missing(
        specification,
        {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "securityContext.runAsNonRoot": True,
            "securityContext.seccompProfile.type": "RuntimeDefault",
        },
    )
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if specification.get(name):
            yield f"{name} opens the machine"
    for volume in specification.get("volumes", []):
        if "hostPath" in volume:
            yield f"volume {volume['name']} opens the machine's files"


def container_problems(container: Resource) -> Iterator[str]:
    yield from missing(
        container,
        {
            "securityContext.allowPrivilegeEscalation": False,
            "securityContext.readOnlyRootFilesystem": True,
            "securityContext.capabilities.drop": ["ALL"],
        },
    )
    for kind in ("requests", "limits"):
        for size in ("cpu", "memory"):
            if not dig(container, f"resources.{kind}.{size}"):
                yield f"resources.{kind}.{size} is not said"
    if tag(container) in ("", "latest"):
        yield f"image {container.get('image')} has no release as its tag"
    for variable in container.get("env", []):
        if "value" in variable:
            yield from setting_problems(variable["name"], variable["value"])


def tag(container: Resource) -> str:
    """The image's tag; empty when it has none. A colon before the last slash is a port."""
    return str(container.get("image", "")).partition("@")[0].rpartition("/")[2].partition(":")[2]


def setting_problems(name: str, value: str) -> Iterator[str]:
    if SECRET_NAME.search(name):
        yield f"{name} is secret: take it from a Secret by secretKeyRef"
    if CREDENTIALS_IN_URL.search(value):
        yield f"{name} holds a password"


def deployment_problems(resource: Resource) -> Iterator[str]:
    for container in dig(resource, "spec.template.spec.containers") or []:
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if probe not in container:
                yield f"{container['name']}: no {probe}"
    if not pod(resource).get("topologySpreadConstraints"):
        yield "no topologySpreadConstraints: all pods may share one machine"


def import_problems(resource: Resource) -> Iterator[str]:
    """Say where a pod has no room for the files that it imports at a time and the processes that read them."""
    for container in containers(resource):
        limit = dig(container, "resources.limits.memory") or "0"
        if size_of(limit) < IMPORTER_BYTES + IMPORT_MEMORY_BYTES + PICTURE_BYTES:
            yield (
                f"{limit} of memory do not hold the readers of {SIDE_BY_SIDE} imports, and what draws a picture of a "
                "file, beside the service"
            )
    for volume in pod(resource).get("volumes", []):
        limit = dig(volume, "emptyDir.sizeLimit") or "0"
        if volume["name"] == "tmp" and size_of(limit) < IMPORT_DISK_BYTES:
            yield f"{limit} of /tmp do not hold the files of {SIDE_BY_SIDE} imports and their rows"


def picture_problems(resource: Resource) -> Iterator[str]:
    """Say where a pod has no room for the process that draws pictures of files."""
    for container in containers(resource):
        limit = dig(container, "resources.limits.memory") or "0"
        if size_of(limit) < KEEPER_BYTES + PICTURE_BYTES:
            yield f"{limit} of memory do not hold what draws a picture of a file beside the service"


def job_problems(resource: Resource) -> Iterator[str]:
    for name in ("ttlSecondsAfterFinished", "backoffLimit", "activeDeadlineSeconds"):
        if dig(resource, f"spec.{name}") is None:
            yield f"no {name}"
    for container in containers(resource):
        if not resource["metadata"]["name"].endswith(f"-{tag(container)}"):
            yield f"its name does not end with its release {tag(container)}: a second release could not run"
        for source in container.get("envFrom", []):
            if "configMapRef" in source:
                yield "takes a ConfigMap whose name changes, and a Job cannot be changed"


def buffering_problems(ingress: Resource) -> Iterator[str]:
    """Say where slow lines would hold places in the gateway."""
    if annotations(ingress).get(BUFFERING) == "off":
        yield from (f"{BUFFERING} is off for {path}" for path in sorted(paths(ingress) - {UPLOADS}))


def annotations(resource: Resource) -> Mapping[str, str]:
    return resource["metadata"].get("annotations") or {}


def paths(ingress: Resource) -> set[str]:
    return {path["path"] for rule in ingress["spec"]["rules"] for path in rule["http"]["paths"]}


# All together


def coherence_problems(resources: list[Resource]) -> Iterator[str]:
    yield from reference_problems(resources)
    yield from drain_problems(resources)
    yield from proxy_problems(resources)
    yield from upload_problems(resources)
    yield from replica_problems(resources)
    pods = [dig(resource, "spec.template.metadata.labels") or {} for resource in of(resources, *WORKLOADS)]
    for service in of(resources, "Service"):
        if not any(selects(dig(service, "spec.selector") or {}, labels) for labels in pods):
            yield f"{title(service)}: its selector finds no pod"
    budgets = [dig(budget, "spec.selector.matchLabels") or {} for budget in of(resources, "PodDisruptionBudget")]
    for deployment in of(resources, "Deployment"):
        labels = dig(deployment, "spec.template.metadata.labels") or {}
        if sum(selects(budget, labels) for budget in budgets) != 1:
            yield f"{title(deployment)}: not exactly one PodDisruptionBudget covers it"
    if not any(denies_all(policy) for policy in of(resources, "NetworkPolicy")):
        yield "no NetworkPolicy denies what no other allows"


def of(resources: Iterable[Resource], *kinds: str) -> list[Resource]:
    return [resource for resource in resources if resource["kind"] in kinds]


def selects(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()


def denies_all(policy: Resource) -> bool:
    """Whether it covers every pod, in both directions, and allows nothing."""
    specification = policy["spec"]
    covers_all = specification.get("podSelector") == {} and {"Ingress", "Egress"} <= set(
        specification.get("policyTypes", [])
    )
    return covers_all and not specification.get("ingress") and not specification.get("egress")


def reference_problems(resources: list[Resource]) -> Iterator[str]:
    known = {resource["metadata"]["name"] for resource in of(resources, "ConfigMap")}
    for workload in of(resources, *WORKLOADS):
        for container in containers(workload):
            for source in container.get("envFrom", []):
                name = dig(source, "configMapRef.name")
                if name and name not in known:
                    yield f"{title(workload)}: there is no ConfigMap {name}"


def proxy_problems(resources: list[Resource]) -> Iterator[str]:
    """Say where all callers would look like one: behind a proxy whose word for them is not taken."""
    settings = [resource.get("data", {}) for resource in of(resources, "ConfigMap")]
    if of(resources, "Ingress") and not any("CRM_TRUSTED_PROXIES" in data for data in settings):
        yield "CRM_TRUSTED_PROXIES is not set: behind an Ingress all sign-ins would share one limit"


def upload_problems(resources: list[Resource]) -> Iterator[str]:
    """Say what ingress-nginx would do with large files if it was not told otherwise."""
    ingresses = of(resources, "Ingress")
    for ingress in [each for each in ingresses if UPLOADS in paths(each)] or ingresses:
        size = annotations(ingress).get(BODY_SIZE, "1m")
        if int(size.removesuffix("m")) * 1024 * 1024 <= MAX_UPLOAD_BYTES:
            yield f"{title(ingress)}: {BODY_SIZE} {size} refuses uploads that the gateway takes"


def replica_problems(resources: list[Resource]) -> Iterator[str]:
    """Say where the gateways would share limits among more or fewer than there are."""
    told = [resource.get("data", {}).get("CRM_GATEWAY_REPLICAS") for resource in of(resources, "ConfigMap")]
    for deployment in of(resources, "Deployment"):
        replicas = str(dig(deployment, "spec.replicas"))
        if deployment["metadata"]["name"] == "gateway" and told != [replicas]:
            yield f"{title(deployment)}: CRM_GATEWAY_REPLICAS is not {replicas}, as its replicas are"


def leaving_seconds(container: Resource) -> float:
    """How long it goes on once it has to leave, before it drains."""
    departure = [each["value"] for each in container.get("env", []) if each["name"] == "CRM_DEPARTURE_SECONDS"]
    return (dig(container, "lifecycle.preStop.sleep.seconds") or 0) + sum(map(float, departure))


def drain_problems(resources: list[Resource]) -> Iterator[str]:
    """Say which pods are killed before they have drained."""
    settings = [resource.get("data", {}) for resource in of(resources, "ConfigMap")]
    drain = max((int(data["CRM_DRAIN_SECONDS"]) for data in settings if "CRM_DRAIN_SECONDS" in data), default=20)
    for deployment in of(resources, "Deployment"):
        stops = [leaving_seconds(container) for container in containers(deployment)]
        grace = dig(deployment, "spec.template.spec.terminationGracePeriodSeconds") or 30
        if max(stops, default=0) + drain >= grace:
            yield f"{title(deployment)}: {grace} s of grace do not hold preStop and a drain of {drain} s"


if __name__ == "__main__":
    sys.exit(main())

"""The Kubernetes manifests are well, and the check that says so bites: each change below must be refused."""

import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from crm_gateway.settings import Settings as GatewaySettings
from crm_kit.settings import MigrationSettings, ServiceSettings
from crm_local.settings import SERVICES

ROOT = Path(__file__).resolve().parents[3]
# Read by one process each, beside what all of them read.
OWN_SETTINGS = {"CRM_SIGNING_KEY_SECRET", "CRM_SALES_KEY", "CRM_CHANNEL_KEY_SECRET", "CRM_CONSOLE_URL"}
OWN_SECRETS = {"customer-signing", "sales-identity", "service-desk-channels", "mail"}
POD, SERVING = "base/pod.yaml", "base/serving.yaml"
SERVICE, GATEWAY = "base/service/deployment.yaml", "base/gateway/deployment.yaml"
MIGRATION, CONFIG = "base/service/migration.yaml", "base/config.env"

# File, what is replaced there, by what, and what the refusal must say.
MISSPELT = {
    "readiness probe": (SERVICE, "readinessProbe", "readinesProbe", "'readinesProbe' was unexpected"),
    "replicas": (SERVING, "replicas: 2", "replica: 2", "'replica' was unexpected"),
    "back-off": (MIGRATION, "backoffLimit", "backOffLimit", "'backOffLimit' was unexpected"),
    "budget": ("base/service/disruption.yaml", "maxUnavailable", "maxUnavailible", "'maxUnavailible' was unexp"),
    "policy": ("base/network/services.yaml", "    - from:", "    - form:", "'form' was unexpected"),
    "pod": (POD, "readOnlyRootFilesystem", "readOnlyRootFileSystem", "'readOnlyRootFileSystem' was"),
    "quantity": (SERVICE, "port: 7000, service", "port: seven, service", "'seven' is not of type"),
    "kind": ("base/service/service.yaml", "kind: Service", "kind: Servise", "schema for kind Servise"),
    "kustomization": ("base/kustomization.yaml", "resources:", "resource:", "does not render"),
}  # fmt: skip
UNWISE = {
    "no limit": (SERVICE, 'limits: {cpu: "2", memory: 640Mi}', 'limits: {cpu: "2"}', "limits.memory is not"),
    "no liveness": (GATEWAY, "livenessProbe:", "x-unused:", "no livenessProbe"),
    "root": (POD, "runAsNonRoot: true", "runAsNonRoot: false", "securityContext.runAsNonRoot is not True"),
    "writable": (POD, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "Filesystem is not"),
    "capabilities": (POD, "drop: [ALL]", "drop: [NET_RAW]", "capabilities.drop is not ['ALL']"),
    "token": (POD, "automountServiceAccountToken: false", "hostNetwork: true", "hostNetwork opens the machine"),
    "host path": (POD, "emptyDir: {sizeLimit: 768Mi}", "hostPath: {path: /}", "opens the machine's files"),
    "latest": ("release/kustomization.yaml", "customer, newTag: 0.1.0", "customer, newTag: latest", "no release"),
    "other release": (
        "release/kustomization.yaml", "sales, newTag: 0.1.0", "sales, newTag: 0.2.0", "does not end with its release",
    ),
    "secret in pod": (POD, '{name: OMP_NUM_THREADS, value: "1"}', "{name: A_PASSWORD, value: x}", "A_PASSWORD is"),
    "secret in settings": (CONFIG, "CRM_AUDIENCE=", "CRM_PAGE_TOKEN_KEY=", "CRM_PAGE_TOKEN_KEY is secret"),
    "password in settings": (
        CONFIG, "CRM_AUDIENCE=guanxi", "CRM_NATS_URL=nats://me:hush@nats:4222", "CRM_NATS_URL holds a password",
    ),
    "small uploads": ("overlays/production/ingress.yaml", "size: 51m", "size: 50m", "50m refuses uploads"),
    "nginx's own limit": ("overlays/production/ingress.yaml", "proxy-body-size", "proxy-buffer-size", "1m refuses up"),
    "memory of readers": (
        "base/customer/kustomization.yaml", "value: 1536Mi", "value: 1280Mi", "1280Mi of memory do not hold the",
    ),
    "memory of pictures": (SERVICE, "memory: 640Mi", "memory: 512Mi", "512Mi of memory do not hold what draws a pict"),
    "room for files": (POD, "sizeLimit: 768Mi", "sizeLimit: 512Mi", "512Mi of /tmp do not hold the files of 2"),
    "no room told": (POD, "emptyDir: {sizeLimit: 768Mi}", "emptyDir: {}", "0 of /tmp do not hold"),
    "slow bodies": ("overlays/production/ingress.yaml", "/v1/uploads", "/v1", "buffering is off for /v1"),
    "no uploads": ("overlays/production/ingress.yaml", "/v1/uploads", "/v1/files", "2m refuses uploads"),
    "limits of fewer": (
        "overlays/production/kustomization.yaml", "REPLICAS=3", "REPLICAS=2", "CRM_GATEWAY_REPLICAS is not 3",
    ),
    "all callers one": (
        "overlays/production/kustomization.yaml", "- CRM_TRUSTED", "- TRUSTED", "CRM_TRUSTED_PROXIES is not set",
    ),
    "short grace": (CONFIG, "DRAIN_SECONDS=20", "DRAIN_SECONDS=25", "do not hold preStop and a drain of 25 s"),
    "open network": ("base/network/kustomization.yaml", "  - default-deny.yaml\n", "", "no NetworkPolicy denies"),
    "no budget": ("base/gateway/kustomization.yaml", "  - disruption.yaml\n", "", "not exactly one PodDis"),
    "lost selector": (
        "base/gateway/service.yaml", "component: gateway}", "component: door}", "gateway: its selector finds no pod",
    ),
    "changing job": (
        MIGRATION, "          args: [migrate]", "          envFrom: [{configMapRef: {name: guanxi}}]", "Job cannot be",
    ),
    "no config": (SERVING, "configMapRef: {name: guanxi}", "configMapRef: {name: other}", "no ConfigMap other"),
}  # fmt: skip


def changed(folder: Path, file: str, before: str, after: str) -> Path:
    """A copy of the manifests with one change; its production overlay."""
    copy = folder / "k8s"
    shutil.copytree(ROOT / "deploy" / "k8s", copy)
    text = (copy / file).read_text()
    assert before in text
    (copy / file).write_text(text.replace(before, after))
    return copy / "overlays" / "production"


@pytest.mark.parametrize("overlay", sorted(path.name for path in (ROOT / "deploy/k8s/overlays").iterdir()))
def test_every_overlay_is_well(manifests: ModuleType, overlay: str) -> None:
    assert manifests.check(manifests.OVERLAYS / overlay) == []


@pytest.mark.parametrize("what", MISSPELT)
def test_a_misspelt_field_is_refused(manifests: ModuleType, production: list[Any], tmp_path: Path, what: str) -> None:
    file, before, after, refusal = MISSPELT[what]
    rendered, failure = manifests.render(changed(tmp_path, file, before, after))
    # What did not change is valid by another test; reading its schemas takes a second.
    problems = [failure, *manifests.schema_problems([resource for resource in rendered if resource not in production])]
    assert any(refusal in problem for problem in problems), problems


@pytest.mark.parametrize("what", UNWISE)
def test_what_breaks_a_policy_is_refused(manifests: ModuleType, tmp_path: Path, what: str) -> None:
    file, before, after, refusal = UNWISE[what]
    rendered, failure = manifests.render(changed(tmp_path, file, before, after))
    assert failure == ""
    problems = manifests.policy_problems(rendered)
    assert any(refusal in problem for problem in problems), problems


def test_the_oldest_and_the_newest_version_have_strict_schemas(manifests: ModuleType) -> None:
    nonsense = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}, "nonsense": 1}
    problems = manifests.schema_problems([nonsense])
    assert [problem.split(": ")[1] for problem in problems] == [f"Kubernetes {v}" for v in manifests.VERSIONS]


@pytest.mark.parametrize("overlay", sorted(path.name for path in (ROOT / "deploy/k8s/overlays").iterdir()))
def test_the_readme_says_how_many_connections_an_overlay_comes_to(manifests: ModuleType, overlay: str) -> None:
    needed = manifests.connections(manifests.OVERLAYS / overlay)
    assert f"| `overlays/{overlay}` | {needed} |" in (ROOT / "deploy/k8s/README.md").read_text()


def test_connections_are_those_of_all_services_while_each_is_rolled_out(manifests: ModuleType, tmp_path: Path) -> None:
    overlay = changed(tmp_path, CONFIG, "POOL_SIZE=10", "POOL_SIZE=20")
    # Four services with one pod more than three, ten connections more each.
    assert manifests.connections(overlay) - manifests.connections(manifests.OVERLAYS / "production") == 160


def test_every_setting_in_the_manifests_is_one_that_a_process_reads(
    manifests: ModuleType, production: list[Any]
) -> None:
    written = {name for config in manifests.of(production, "ConfigMap") for name in config["data"]}
    for workload in manifests.of(production, "Deployment", "Job"):
        for container in manifests.containers(workload):
            written |= {variable["name"] for variable in container["env"]}
    kinds = (ServiceSettings, GatewaySettings, MigrationSettings)
    fields = {name for kind in kinds for name in kind.__struct_fields__}
    read = {f"CRM_{name.upper()}" for name in fields} | OWN_SETTINGS | {"OMP_NUM_THREADS"}
    assert written <= read


def test_the_gateway_is_probed_where_nobody_else_comes(manifests: ModuleType, production: list[Any]) -> None:
    by_title = {manifests.title(resource): resource for resource in production}
    (server,) = manifests.containers(by_title["Deployment/gateway"])
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    probed = {ports[server[f"{kind}Probe"]["httpGet"]["port"]] for kind in ("startup", "liveness", "readiness")}
    (address,) = [each["value"] for each in server["env"] if each["name"] == "CRM_HEALTH_LISTEN_ADDRESS"]
    assert {f"0.0.0.0:{port}" for port in probed} == {address}
    assert [port["targetPort"] for port in by_title["Service/gateway"]["spec"]["ports"]] == ["http"]
    (opened,) = by_title["NetworkPolicy/to-gateway"]["spec"]["ingress"]
    assert opened["ports"] == [{"protocol": "TCP", "port": ports["http"]}]


def test_a_service_never_holds_the_password_of_its_schemas_owner(manifests: ModuleType, production: list[Any]) -> None:
    for deployment in manifests.of(production, "Deployment"):
        for container in manifests.containers(deployment):
            assert "CRM_MIGRATION_DATABASE_URL" not in {variable["name"] for variable in container["env"]}


@pytest.mark.parametrize("name", [name.replace("_", "-") for name in SERVICES])
def test_each_service_has_its_own_database_and_its_migration(
    manifests: ModuleType, production: list[Any], name: str
) -> None:
    by_title = {manifests.title(resource): resource for resource in production}
    serving = secrets(manifests, by_title[f"Deployment/{name}"])
    migrating = secrets(manifests, by_title[f"Job/{name}-migrate-0.1.0"])
    assert serving["CRM_DATABASE_URL"] == migrating["CRM_DATABASE_URL"] == (f"{name}-database", "url")
    assert migrating["CRM_MIGRATION_DATABASE_URL"] == (f"{name}-migration", "url")
    assert serving["CRM_NATS_URL"] == (f"{name}-nats", "url")


def test_every_secret_that_is_referred_to_is_explained(manifests: ModuleType, production: list[Any]) -> None:
    explained = (ROOT / "deploy/k8s/README.md").read_text()
    referred = set()
    for workload in manifests.of(production, "Deployment", "Job"):
        service = workload["metadata"]["labels"]["app.kubernetes.io/name"]
        for name, key in secrets(manifests, workload).values():
            in_general = name if name in OWN_SECRETS else name.replace(service, "<service>")
            referred.add(f"| `{in_general}` | `{key}` |")
    assert len(referred) == 10
    assert [row for row in referred if row not in explained] == []


def secrets(manifests: ModuleType, workload: object) -> dict[str, tuple[str, str]]:
    """Which Secret and key each variable of a workload comes from."""
    found = {}
    for container in manifests.containers(workload):
        for variable in container["env"]:
            if "valueFrom" in variable:
                source = variable["valueFrom"]["secretKeyRef"]
                found[variable["name"]] = (source["name"], source["key"])
    return found

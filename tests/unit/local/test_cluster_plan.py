"""What of rendered manifests could never run is said by name, before anything is started."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from crm_local.cluster.cluster import ROOT
from crm_local.cluster.containers import Sources, environment_of, expanded, setup_of, size_of
from crm_local.cluster.images import DOCKERFILE, image_of
from crm_local.cluster.manifests import read, rendered
from crm_local.cluster.plan import problems_of
from crm_local.failure import LocalFailure
from crm_local.settings import SERVICES

SECRETS = {
    "guanxi": {"page-token-key": "k" * 16},
    "customer-signing": {"key-secret": "s" * 16},
    "sales-identity": {"key": "i" * 32},
    "service-desk-channels": {"key-secret": "c" * 16},
    "gateway-nats": {"url": "nats://gateway:hush@nats.guanxi-data:4222"},
    **{
        f"{service.replace('_', '-')}-{what}": {"url": url}
        for service in SERVICES
        for what, url in (
            ("database", f"postgresql://crm_{service}:hush@postgres.guanxi-data:5432/crm_{service}"),
            ("migration", f"postgresql://crm_{service}_owner:hush@postgres.guanxi-data:5432/crm_{service}"),
            ("nats", f"nats://{service}:hush@nats.guanxi-data:4222"),
        )
    },
}
Change = Callable[[dict[str, Any]], None]


@pytest.fixture(scope="module")
def production() -> str:
    return rendered(ROOT / "deploy" / "k8s" / "overlays" / "production")


def said_of(text: str, change: Change | None = None) -> list[str]:
    """The problems of rendered manifests after a change of one of them, all by their titles."""
    resources = {f"{each['kind']}/{each['metadata']['name']}": each for each in yaml.safe_load_all(text)}
    if change:
        change(resources)
    manifests = read(yaml.safe_dump_all(resources.values()))
    sources = Sources(manifests.config_maps, SECRETS)
    return list(problems_of(manifests, sources, DOCKERFILE.read_text()))


def server(resources: dict[str, Any], workload: str) -> Any:
    return resources[workload]["spec"]["template"]["spec"]["containers"][0]


def misspell_secret(resources: dict[str, Any]) -> None:
    variable = next(each for each in server(resources, "Deployment/sales")["env"] if each["name"] == "CRM_NATS_URL")
    variable["valueFrom"]["secretKeyRef"]["name"] = "sales-natts"


def misspell_key(resources: dict[str, Any]) -> None:
    environment = server(resources, "Job/sales-migrate-0.1.0")["env"]
    variable = next(each for each in environment if each["name"] == "CRM_MIGRATION_DATABASE_URL")
    variable["valueFrom"]["secretKeyRef"]["key"] = "uri"


def lose_config(resources: dict[str, Any]) -> None:
    del resources[next(title for title in resources if title.startswith("ConfigMap/"))]


def unknown_image(resources: dict[str, Any]) -> None:
    server(resources, "Deployment/scoring")["image"] = "guanxi/scorring:0.1.0"


def probe_a_port_of_no_name(resources: dict[str, Any]) -> None:
    server(resources, "Deployment/gateway")["readinessProbe"]["httpGet"]["port"] = "htpp"


def target_a_port_of_no_name(resources: dict[str, Any]) -> None:
    resources["Service/customer"]["spec"]["ports"][0]["targetPort"] = "gprc"


def headless_on_another_port(resources: dict[str, Any]) -> None:
    resources["Service/customer"]["spec"]["ports"][0]["port"] = 7001


def select_nothing(resources: dict[str, Any]) -> None:
    resources["Service/gateway"]["spec"]["selector"] = {"app.kubernetes.io/component": "door"}


def as_root(resources: dict[str, Any]) -> None:
    resources["Deployment/customer"]["spec"]["template"]["spec"]["securityContext"]["runAsUser"] = 0


def another_hook(resources: dict[str, Any]) -> None:
    server(resources, "Deployment/customer")["lifecycle"] = {"preStop": {"exec": {"command": ["sleep", "5"]}}}


def call_another_port(resources: dict[str, Any]) -> None:
    change_setting(resources, "CRM_SALES_ADDRESS", "dns:///sales:7001")


def call_nobody(resources: dict[str, Any]) -> None:
    change_setting(resources, "CRM_SCORING_ADDRESS", "dns:///scorring:7000")


def change_setting(resources: dict[str, Any], name: str, value: str) -> None:
    config = next(each for title, each in resources.items() if title.startswith("ConfigMap/"))
    config["data"][name] = value


def keep_services_from_nats(resources: dict[str, Any]) -> None:
    del resources["NetworkPolicy/calls-nats"]


def keep_migrations_from_databases(resources: dict[str, Any]) -> None:
    policy = resources["NetworkPolicy/calls-postgres"]["spec"]
    policy["podSelector"]["matchExpressions"][0]["values"] = ["service"]


def keep_the_gateway_out(resources: dict[str, Any]) -> None:
    rule = resources["NetworkPolicy/to-services"]["spec"]["ingress"][0]
    rule["from"] = [{"podSelector": {"matchLabels": {"app.kubernetes.io/component": "service"}}}]


def open_another_port(resources: dict[str, Any]) -> None:
    resources["NetworkPolicy/calls-services"]["spec"]["egress"][0]["ports"][0]["port"] = 7001


BROKEN: dict[Change, str] = {
    call_another_port: "Deployment/gateway: server: CRM_SALES_ADDRESS: sales:7001: the Service has no port 7001",
    call_nobody: "Deployment/gateway: server: CRM_SCORING_ADDRESS: scorring:7000: there is no such Service",
    keep_services_from_nats: "Deployment/sales: server: CRM_NATS_URL: no NetworkPolicy lets it call nats.guanxi-data",
    keep_migrations_from_databases: "Job/sales-migrate-0.1.0: server: CRM_DATABASE_URL: no NetworkPolicy lets it call",
    keep_the_gateway_out: "Deployment/gateway: server: CRM_SALES_ADDRESS: sales:7000: no NetworkPolicy there lets",
    open_another_port: "Deployment/customer: server: CRM_SALES_ADDRESS: no NetworkPolicy lets it call sales:7000",
    misspell_secret: "Deployment/sales: server: CRM_NATS_URL: there is no Secret sales-natts",
    misspell_key: "Job/sales-migrate-0.1.0: server: CRM_MIGRATION_DATABASE_URL: Secret sales-migration has no key 'u",
    lose_config: "Deployment/gateway: server: there is no ConfigMap guanxi-",
    unknown_image: "Deployment/scoring: server: image guanxi/scorring:0.1.0: the Dockerfile has no stage 'scorring'",
    probe_a_port_of_no_name: "Deployment/gateway: server: readinessProbe: no container has a port named 'htpp'",
    target_a_port_of_no_name: "Service/customer: port 7000: no container has a port named 'gprc', only grpc",
    headless_on_another_port: "Service/customer: it is headless, so port 7001 is not mapped to the pods' 7000",
    select_nothing: "Service/gateway: its selector finds no pod",
    as_root: "Deployment/customer: server: runAsNonRoot is set and the image runs as root",
    another_hook: "Deployment/customer: server: lifecycle: only a preStop of sleep can be executed here",
}


@pytest.mark.parametrize("overlay", ["production", "local-cluster"])
def test_our_overlays_can_run(overlay: str) -> None:
    assert said_of(rendered(ROOT / "deploy" / "k8s" / "overlays" / overlay)) == []


@pytest.mark.parametrize("change", BROKEN, ids=lambda change: change.__name__)
def test_what_is_named_and_not_there_is_said_by_name(production: str, change: Change) -> None:
    assert any(problem.startswith(BROKEN[change]) for problem in said_of(production, change)), said_of(
        production, change
    )


@pytest.mark.parametrize(
    ("place", "field"), [("spec", "hostAliases"), ("container", "workingDir"), ("kind", "StatefulSet")]
)
def test_what_could_not_be_run_as_kubernetes_would_is_refused(production: str, place: str, field: str) -> None:
    def change(resources: dict[str, Any]) -> None:
        if place == "kind":
            resources["Deployment/sales"]["kind"] = field
        elif place == "spec":
            resources["Deployment/sales"]["spec"]["template"]["spec"][field] = []
        else:
            server(resources, "Deployment/sales")[field] = "/"

    with pytest.raises(LocalFailure, match=r"sales.*(hostAliases|workingDir|kind)"):
        said_of(production, change)


@pytest.mark.parametrize("stage", [*(service.replace("_", "-") for service in SERVICES), "gateway"])
def test_an_image_runs_what_its_dockerfile_says(stage: str) -> None:
    image = image_of(f"registry.example:5000/guanxi/{stage}:0.1.0", DOCKERFILE.read_text())
    assert image.entrypoint == ("python", "-m", f"crm_{stage.replace('-', '_')}")
    assert (image.user, image.folder) == ("10001:10001", "/tmp")
    assert image.variables["PYTHONUNBUFFERED"] == "1"


def test_an_environment_is_resolved_as_kubernetes_does() -> None:
    sources = Sources({"c": {"A": "config", "B": "config"}}, {"s": {"k": "secret"}})
    container = {
        "envFrom": [{"configMapRef": {"name": "c"}}],
        "env": [
            {"name": "B", "value": "own"},
            {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "D", "value": "$(C) and $(LATER), $$(C)"},
            {"name": "LATER"},
            {"name": "E", "valueFrom": {"secretKeyRef": {"name": "missing", "key": "k", "optional": True}}},
            {"name": "F", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}},
        ],
    }
    assert environment_of(container, sources) == {
        "A": "config",
        "B": "own",
        "C": "secret",
        "D": "secret and $(LATER), $(C)",
        "LATER": "",
        "F": "secret",
    }
    assert expanded("$(A)$$", {"A": "a"}) == "a$"


def test_a_command_replaces_the_images_and_its_arguments() -> None:
    image = image_of("guanxi/sales:1", DOCKERFILE.read_text())
    sources = Sources({}, {})
    with_args = setup_of({}, {"args": ["serve"]}, image, sources)
    with_command = setup_of({}, {"command": ["sh"]}, image, sources)
    assert with_args.command == ("python", "-m", "crm_sales", "serve")
    assert with_command.command == ("sh",)
    assert (with_args.user, with_args.read_only, with_args.keeps_rights) == (10001, False, True)


@pytest.mark.parametrize(("quantity", "size"), [("512Mi", 512 * 1024**2), ("2Gi", 2 * 1024**3), ("100", 100)])
def test_a_quantity_is_a_number_of_bytes(quantity: str, size: int) -> None:
    assert size_of(quantity) == size

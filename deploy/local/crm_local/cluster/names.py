"""What names mean in the cluster: ready pods for a headless service, an address of its own for another one."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from crm_local.cluster.manifests import Resource, labels_of, name_of, pod_of, port_number, selects, title
from crm_local.failure import LocalFailure

HOST_CONF = "multi on\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files\n"
USERS = "root:x:0:0:root:/:/none\n"


def make_etc(folder: Path) -> None:
    """What a slim image has there, as far as looking things up needs it."""
    for name, text in {
        "host.conf": HOST_CONF,
        "nsswitch.conf": NSSWITCH,
        "passwd": USERS,
        "group": "root:x:0:\n",
        "hosts": "",
    }.items():
        (folder / name).write_text(text)


def write_hosts(folder: Path, addresses: Mapping[str, Iterable[str]]) -> None:
    """Let names mean these addresses from now on; a reader sees all of the old or all of the new."""
    lines = ["127.0.0.1 localhost"]
    lines += [f"{address} {name}" for name, found in addresses.items() for address in found]
    part = folder / "hosts.part"
    part.write_text("\n".join(lines) + "\n")
    part.replace(folder / "hosts")


def names_of_service(service: Resource) -> str:
    """All that a pod of the same namespace may call it."""
    name, namespace = name_of(service), service["metadata"].get("namespace", "default")
    return " ".join((name, f"{name}.{namespace}", f"{name}.{namespace}.svc", f"{name}.{namespace}.svc.cluster.local"))


def is_headless(service: Resource) -> bool:
    return bool(service["spec"].get("clusterIP") == "None")


def service_problems(service: Resource, workloads: Iterable[Resource]) -> list[str]:
    """Why nobody can be reached by it: no pod has its labels, or none has its port."""
    chosen = [each for each in workloads if selects(service["spec"].get("selector", {}), labels_of(each))]
    if not chosen:
        return [f"{title(service)}: its selector finds no pod"]
    problems = []
    for workload in chosen:
        for port in service["spec"]["ports"]:
            try:
                number = target_port(port, workload)
            except LocalFailure as failure:
                problems.append(f"{title(service)}: port {port['port']}: {failure}")
                continue
            if is_headless(service) and number != port["port"]:
                problems.append(
                    f"{title(service)}: it is headless, so port {port['port']} is not mapped to the pods' {number}"
                )
    return problems


def target_port(port: Resource, workload: Resource) -> int:
    """The pods' port that a port of a service leads to."""
    return port_number(port.get("targetPort", port["port"]), pod_of(workload)["containers"])

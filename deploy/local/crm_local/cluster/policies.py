"""Whether the NetworkPolicies let a pod reach what its environment names. Pure: no packet is sent."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from crm_local.cluster.manifests import Manifests, Resource, labels_of, name_of, selects
from crm_local.cluster.names import target_port
from crm_local.failure import LocalFailure

# `dns:///customer:7000`, `postgresql://user:password@postgres.guanxi-data:5432/x`; neither 0.0.0.0:80 nor a bare name.
ADDRESS = re.compile(r"^(?:[a-z+]+:/{2,3})?(?:[^/@]*@)?([a-z][a-z0-9.-]*):(\d{1,5})(?:/|$)")
NAMESPACE = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True)
class Peer:
    """Who is at one end: a namespace, and the labels of a pod of ours; of other namespaces' pods none are known."""

    namespace: str
    labels: Mapping[str, str]


def unreachable(
    manifests: Manifests, namespace: str, source: Mapping[str, str], environment: Mapping[str, str]
) -> Iterator[str]:
    """The variables that name an address which a pod with these labels may not reach, or that is nobody's."""
    policies = manifests.of("NetworkPolicy")
    for variable, value in environment.items():
        found = ADDRESS.match(value)
        if found is None:
            continue
        host, port = found[1], int(found[2])
        try:
            targets = _targets(manifests, namespace, host, port)
        except LocalFailure as failure:
            yield f"{variable}: {host}:{port}: {failure}"
            continue
        for target, number in targets:
            here = Peer(namespace, source)
            if not _allowed(policies, "Egress", here, target, number):
                yield f"{variable}: no NetworkPolicy lets it call {host}:{port}"
            elif target.namespace == namespace and not _allowed(policies, "Ingress", target, here, number):
                yield f"{variable}: {host}:{port}: no NetworkPolicy there lets it in"


def matches(selector: Resource, labels: Mapping[str, str]) -> bool:
    """Whether a label selector chooses; an empty one chooses all."""
    wanted = selector.get("matchLabels", {})
    return wanted.items() <= labels.items() and all(
        _holds(expression, labels) for expression in selector.get("matchExpressions", ())
    )


def _targets(manifests: Manifests, namespace: str, host: str, port: int) -> list[tuple[Peer, int]]:
    """Who is behind a name, with the port there; LocalFailure when our namespace has nobody of that name."""
    name, *rest = host.removesuffix(".svc.cluster.local").removesuffix(".svc").split(".")
    if rest not in ([], [namespace]):
        # Names with more parts are the world's: whether it can be reached is no question of the manifests.
        return [(Peer(rest[0], {}), port)] if len(rest) == 1 else []
    service = next((each for each in manifests.of("Service") if name_of(each) == name), None)
    if service is None:
        raise LocalFailure("there is no such Service")
    behind = [each for each in manifests.of("Deployment") if selects(service["spec"]["selector"], labels_of(each))]
    ports = [each for each in service["spec"]["ports"] if each["port"] == port]
    if not ports:
        known = ", ".join(str(each["port"]) for each in service["spec"]["ports"])
        raise LocalFailure(f"the Service has no port {port}, only {known}")
    return [(Peer(namespace, labels_of(each)), target_port(ports[0], each)) for each in behind]


def _allowed(policies: Iterable[Resource], direction: str, pod: Peer, other: Peer, port: int) -> bool:
    """Whether the policies that hold for the pod allow it; a pod for which none holds may do anything."""
    holding = [
        each["spec"]
        for each in policies
        if matches(each["spec"].get("podSelector", {}), pod.labels) and direction in each["spec"]["policyTypes"]
    ]
    rules = [rule for each in holding for rule in each.get(direction.lower(), ())]
    end = "to" if direction == "Egress" else "from"
    return not holding or any(_permits(rule, end, pod.namespace, other, port) for rule in rules)


def _permits(rule: Resource, end: str, namespace: str, other: Peer, port: int) -> bool:
    ports = [each.get("port") for each in rule.get("ports", ()) if each.get("protocol", "TCP") == "TCP"]
    if "ports" in rule and port not in ports:
        return False
    return end not in rule or any(_is_peer(each, namespace, other) for each in rule[end])


def _is_peer(peer: Resource, namespace: str, other: Peer) -> bool:
    if "ipBlock" in peer:
        return False
    if "namespaceSelector" in peer:
        in_namespace = matches(peer["namespaceSelector"], {NAMESPACE: other.namespace})
    else:
        in_namespace = other.namespace == namespace
    return in_namespace and matches(peer.get("podSelector", {}), other.labels)


def _holds(expression: Resource, labels: Mapping[str, str]) -> bool:
    key, operator, values = expression["key"], expression["operator"], expression.get("values", ())
    match operator:
        case "In":
            return labels.get(key) in values
        case "NotIn":
            return labels.get(key) not in values
        case "Exists":
            return key in labels
    return key not in labels

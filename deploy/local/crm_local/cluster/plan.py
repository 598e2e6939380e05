"""What of the manifests could never run, said by name before anything is started."""

from collections.abc import Iterator

from crm_local.cluster.containers import Setup, Sources, setup_of
from crm_local.cluster.images import image_of
from crm_local.cluster.manifests import Manifests, Resource, labels_of, pod_of, title
from crm_local.cluster.names import service_problems
from crm_local.cluster.policies import unreachable
from crm_local.cluster.probing import PROBES, probe_of
from crm_local.failure import LocalFailure


def problems_of(manifests: Manifests, sources: Sources, dockerfile: str) -> Iterator[str]:
    """Secrets, ConfigMaps, keys, images and ports that are named and are not there, or may not be reached."""
    workloads = [*manifests.of("Deployment"), *manifests.of("Job")]
    for workload in workloads:
        pod = pod_of(workload)
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            where = f"{title(workload)}: {container['name']}"
            try:
                setup = _try_container(pod, container, sources, dockerfile)
            except LocalFailure as failure:
                yield f"{where}: {failure}"
                continue
            namespace = workload["metadata"].get("namespace", "default")
            for problem in unreachable(manifests, namespace, labels_of(workload), setup.environment):
                yield f"{where}: {problem}"
    for service in manifests.of("Service"):
        yield from service_problems(service, workloads)


def pre_stop_seconds(container: Resource) -> float:
    """How long it waits before it is asked to end; LocalFailure for hooks that could not be executed."""
    lifecycle = container.get("lifecycle", {})
    hook = lifecycle.get("preStop", {"sleep": {"seconds": 0}})
    if lifecycle.keys() - {"preStop"} or hook.keys() != {"sleep"}:
        raise LocalFailure("lifecycle: only a preStop of sleep can be executed here")
    return float(hook["sleep"]["seconds"])


def _try_container(pod: Resource, container: Resource, sources: Sources, dockerfile: str) -> Setup:
    setup = setup_of(pod, container, image_of(container["image"], dockerfile), sources)
    pre_stop_seconds(container)
    for probe in PROBES:
        probe_of(probe, container, "")
    return setup

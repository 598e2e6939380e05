"""How many connections to PostgreSQL the pods of an overlay may have at a time, which its server has to allow."""

from collections.abc import Iterator, Mapping

from crm_local.cluster.manifests import Manifests, Resource, pod_of, replicas_of

# One that readiness asks by, and one on which the relay hears of new events.
BESIDE_THE_POOL = 2
# A rollout starts the next pod before it ends one.
SURGE = 1
# Of migrations, commands and administrators, for whom PostgreSQL keeps three.
OTHERS = 8


def connections_of(manifests: Manifests, *, replicas: int | None = None) -> int:
    """Of all its services together, while every one of them is rolled out: `max_connections` of one server for all.

    `replicas` of each deployment that has any, or as many as its manifest says.
    """
    used = sum(
        (replicas_of(deployment, replicas) + SURGE) * (int(size) + BESIDE_THE_POOL)
        for deployment in manifests.of("Deployment")
        for size in _pool_sizes(deployment, manifests.config_maps)
    )
    return used + OTHERS


def _pool_sizes(deployment: Resource, config_maps: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Of each container that has a database."""
    for container in pod_of(deployment)["containers"]:
        settings = dict[str, str]()
        for source in container.get("envFrom", ()):
            settings |= config_maps.get(source.get("configMapRef", {}).get("name", ""), {})
        settings |= {each["name"]: each.get("value", "") for each in container.get("env", ())}
        if "CRM_DATABASE_URL" in settings:
            yield settings["CRM_DATABASE_POOL_SIZE"]

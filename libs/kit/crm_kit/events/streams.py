"""What the platform keeps at the broker: the stream of all events, and each service's place in it.

Versions of a service run side by side, and which of them comes last is chance. So none takes back what another relies
on: what is kept here grows, and only what no version has asked for lately is left out.
"""

from collections.abc import Collection
from typing import Any

from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

STREAM = "CRM"
# What the platform relies on of the stream. Ages are in seconds.
RELIED_ON: dict[str, Any] = {
    "subjects": ["crm.events.>"],
    "retention": RetentionPolicy.LIMITS,
    "max_age": 14 * 24 * 3600,
    "duplicate_window": 600,
}
# Other than these: the longer one serves whoever relies on the shorter.
AGES = ("max_age", "duplicate_window")


async def ensure_stream(stream: JetStreamContext) -> None:
    """Create the stream of all events where it is missing."""
    try:
        await stream.stream_info(STREAM)
    except NotFoundError:
        await stream.add_stream(StreamConfig(name=STREAM, **RELIED_ON))


async def bring_up_to_date(stream: JetStreamContext) -> None:
    """Give the stream what the platform relies on; the broker lets one service do so.

    Where and how often it is kept is the operator's: replicas, placement and limits of size stay as they are. So does
    what goes further than this version needs, because a newer one may need it.
    """
    kept = (await stream.stream_info(STREAM)).config
    wanted = relied_on(kept)
    if any(getattr(kept, name) != value for name, value in wanted.items()):
        await stream.update_stream(kept.evolve(**wanted))


def relied_on(kept: StreamConfig) -> dict[str, Any]:
    """What the stream has to have, so that this version and whoever set what is kept can rely on it."""
    subjects = [*(kept.subjects or ()), *(each for each in RELIED_ON["subjects"] if each not in (kept.subjects or ()))]
    ages = {name: longer(getattr(kept, name), RELIED_ON[name]) for name in AGES}
    return RELIED_ON | {"subjects": subjects} | ages


def longer(kept: float | None, wanted: float) -> float:
    """Of two ages the longer one; none is for ever."""
    return max(kept, wanted) if kept else 0.0


async def ensure_consumer(stream: JetStreamContext, name: str, subjects: Collection[str], *, ack_wait: float) -> None:
    """Have the broker send a service the events of these subjects, and no others.

    It waits at least `ack_wait` seconds before it gives what it sent to another process. Where the service stands in
    the stream stays as it is; to a new one it sends all that the stream has.
    """
    kept = await consumer_of(stream, name)
    config = ConsumerConfig(
        durable_name=name,
        filter_subjects=sorted(subjects),
        ack_policy=AckPolicy.EXPLICIT,
        ack_wait=longer(kept.ack_wait, ack_wait) if kept else ack_wait,
        # Without a limit: events that wait for another try would use it up. What is under way is what was fetched.
        max_ack_pending=-1,
    )
    await stream.add_consumer(STREAM, config)


async def is_sent(stream: JetStreamContext, name: str, subjects: Collection[str], *, ack_wait: float) -> bool:
    """Whether the broker does what `ensure_consumer` would have it do."""
    kept = await consumer_of(stream, name)
    return kept is not None and subjects_of(kept) == set(subjects) and longer(kept.ack_wait, ack_wait) == kept.ack_wait


async def consumer_of(stream: JetStreamContext, name: str) -> ConsumerConfig | None:
    """How the broker has a service's consumer, if it has it."""
    try:
        found: ConsumerConfig = (await stream.consumer_info(STREAM, name)).config
    except NotFoundError:
        return None
    return found


def subjects_of(kept: ConsumerConfig) -> set[str]:
    """The subjects that a consumer is sent."""
    return {*(kept.filter_subjects or ()), *filter(None, [kept.filter_subject])}

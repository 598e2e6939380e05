"""The whole story from beginning to end."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable

import httpx

from tests.e2e.story.complaint import complaint
from tests.e2e.story.customers import import_customers
from tests.e2e.story.deals import deal_to_money
from tests.e2e.story.hearing import hearing
from tests.e2e.story.leads import lead_to_customer
from tests.e2e.story.people import sign_in
from tests.e2e.story.scene import RIGHTS_SECONDS, Kill, People, Scene, new_run
from tests.e2e.story.teller import Teller
from tests.e2e.story.watching import watching
from tests.e2e.story.whole_picture import whole_picture

CAST = {
    "admin": ("The administrator", "admin@demo.example"),
    "manager": ("Sales manager", "sales.manager@demo.example"),
    "north": ("Salesperson north", "sales.north@demo.example"),
    "south": ("Salesperson south", "sales.south@demo.example"),
    "agent": ("Service agent", "service.agent@demo.example"),
}
REQUEST_SECONDS = 30.0

# Is shown an answer whose body is not read yet.
Look = Callable[[httpx.Response], Awaitable[None]]


async def play(
    url: str,
    password: str,
    *,
    rows: int = 5000,
    bad_rows: int = 37,
    teller: Teller | None = None,
    kill: Kill | None = None,
    look: Look | None = None,
    rights_seconds: float = RIGHTS_SECONDS,
    hears: bool = False,
) -> Scene:
    """Play the story on a running platform with the demo tenant; NotAsTold when a step does not hold.

    `kill` ends a process of the platform by its name; without it nothing is killed. `look` is shown every answer.
    `hears`: a program on this machine is told by a webhook; only a platform that runs here, for development, calls it.
    """
    teller = teller or Teller()
    hooks = {"response": [look] if look else []}
    async with httpx.AsyncClient(base_url=url, timeout=REQUEST_SECONDS, event_hooks=hooks) as http:
        signed_in = await asyncio.gather(*(sign_in(http, name, login, password) for name, login in CAST.values()))
        people = People(**dict(zip(CAST, signed_in, strict=True)))
        scene = Scene(people, new_run(random.Random()), rows, bad_rows, teller, kill, rights_seconds)
        async with contextlib.AsyncExitStack() as stack:
            watcher = await stack.enter_async_context(watching(people.admin, url))
            hearer = await stack.enter_async_context(hearing(people.admin, scene.run.mark)) if hears else None
            await import_customers(scene)
            await lead_to_customer(scene)
            await deal_to_money(scene)
            await complaint(scene)
            await whole_picture(scene)
            await watcher.has_seen(scene)
            if hearer is not None:
                await hearer.has_heard(scene, watcher)
    return scene

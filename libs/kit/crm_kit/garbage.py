"""How often Python looks for objects that only refer to each other."""

import gc

YOUNG = 20_000
"""New objects after which it looks through them; Python's own figure is 700."""


def collect_seldom() -> None:
    """Look seldom, and never again through what is there now. To be called once a program is set up.

    What a request makes is freed when it is answered; looking for cycles in it finds hardly any and costs a sixth of
    a batch of rows. A look at everything, modules and contracts included, holds up all requests meanwhile.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 20)

"""`python -m tests.e2e.story [--url http://127.0.0.1:8080] [--rows 5000]`: the main job, played for a person to watch.

Needs `make run` in another terminal; the password of the demo tenant's people is taken from its run folder, or from
CRM_DEMO_PASSWORD.
"""

import argparse
import asyncio
import os
import sys

import httpx
from crm_local.credentials import load_credentials
from crm_local.failure import LocalFailure
from crm_local.run_folder import RunFolder
from crm_local.settings import load_settings

from tests.e2e.story.people import NotAsTold
from tests.e2e.story.play import play
from tests.e2e.story.teller import Teller

HERE = frozenset({"127.0.0.1", "localhost"})


def place(url: str) -> tuple[str, str]:
    """URL and password of the platform; LocalFailure when none runs here and not both are given."""
    password = os.environ.get("CRM_DEMO_PASSWORD", "")
    if url and password:
        return url, password
    folder = RunFolder(load_settings().run_folder)
    holder = folder.holder()
    if holder is None and not (url and folder.secrets.exists()):
        raise LocalFailure(f"not running from {folder.path}: `make run` starts it")
    return url or (holder.url if holder else ""), password or load_credentials(folder.secrets).demo_password


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.e2e.story", description="The platform's main job, played.")
    parser.add_argument("--url", default="", help="the gateway; that of the platform running here when not given")
    parser.add_argument("--rows", type=int, default=5000, help="how many customers the spreadsheet has")
    parser.add_argument("--bad-rows", type=int, default=37, help="how many of them are wrong")
    options = parser.parse_args()
    teller = Teller()
    try:
        url, password = place(options.url)
        asyncio.run(
            play(
                url,
                password,
                rows=options.rows,
                bad_rows=options.bad_rows,
                teller=teller,
                hears=httpx.URL(url).host in HERE,
            )
        )
    except (NotAsTold, LocalFailure, httpx.HTTPError) as failure:
        print(f"\nThe story ends here: {failure or type(failure).__name__}", file=sys.stderr)
        return 1
    print(f"\n{teller.steps} steps held, {teller.seconds:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())

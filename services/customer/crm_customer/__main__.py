"""The customer service's commands: what every service can, and its own.

python -m crm_customer serve | migrate [REVISION] | dead-letters [replay] | republish MINUTES
python -m crm_customer create-tenant SLUG NAME ADMIN_LOGIN [--sandbox] | seed-demo | rotate-keys
"""

import sys
from pathlib import Path

from crm_kit.command_line import main
from crm_kit.settings import read_settings

from crm_customer.app import SETTINGS, build, built_in_keys
from crm_customer.command_line import command_of, run

command = command_of(sys.argv[1:])
if command is not None:
    settings = read_settings(SETTINGS)
    run(command, build(settings), settings)
else:
    main(Path(__file__).parent, lambda: build(read_settings(SETTINGS)), built_in_keys, sys.argv[1:])

"""The service desk's commands: what every service can.

python -m crm_service_desk serve | migrate [REVISION] | dead-letters [replay] | republish MINUTES
"""

import sys
from pathlib import Path

from crm_kit.command_line import main
from crm_kit.settings import read_settings

from crm_service_desk.app import SETTINGS, build, built_in_keys

main(Path(__file__).parent, lambda: build(read_settings(SETTINGS)), built_in_keys, sys.argv[1:])

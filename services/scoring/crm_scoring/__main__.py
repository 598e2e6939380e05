"""The scoring service's commands: what every service can, and its own.

python -m crm_scoring serve | migrate [REVISION] | dead-letters [replay] | republish MINUTES
python -m crm_scoring rebuild      adds up the stored facts anew, tenant by tenant
"""

import asyncio
import sys
from pathlib import Path

from crm_kit.background import Tenants
from crm_kit.command_line import main, with_database
from crm_kit.settings import read_settings

from crm_scoring.app import SETTINGS, build, built_in_keys
from crm_scoring.rebuild import rebuild_all

if sys.argv[1:] == ["rebuild"]:
    service = build(read_settings(SETTINGS))
    asyncio.run(with_database(service, lambda: rebuild_all(Tenants(service.database, service.clock))))
else:
    main(Path(__file__).parent, lambda: build(read_settings(SETTINGS)), built_in_keys, sys.argv[1:])

import os, subprocess, sys
from crm_kit.migrations import differences, migrate
from crm_scoring.tables import metadata
from pathlib import Path
import crm_scoring
async def test_x(servers):
    await servers.migrate("scoring")
    print("DIFF", differences(servers.migration_url("scoring"), metadata))
    env={**os.environ, **servers.environment("scoring")}
    r=subprocess.run([sys.executable,"-m","crm_scoring","rebuild"],env=env,capture_output=True,text=True); print("REBUILD", r.returncode, r.stderr[-300:])
    migrate(servers.migration_url("scoring"), Path(crm_scoring.__file__).parent/"migrations","base")
    print("DOWN ok"); migrate(servers.migration_url("scoring"), Path(crm_scoring.__file__).parent/"migrations"); print("UP ok")

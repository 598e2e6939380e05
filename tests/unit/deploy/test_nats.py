"""What the broker's rights say of each service."""

import re
from pathlib import Path

from crm_local.settings import SERVICES

AUTHORIZATION = Path(__file__).resolve().parents[3] / "deploy" / "nats" / "authorization.conf"


def test_each_service_has_the_same_rights_about_its_own_name_and_no_others() -> None:
    users = re.findall(r"\{\s+user: (\w+), password: \$(\w+)\n(.*?)\n    \}\n", AUTHORIZATION.read_text(), re.DOTALL)
    assert [(name, password) for name, password, _ in users] == [
        (service, f"CRM_NATS_{service.upper()}_PASSWORD") for service in SERVICES
    ]
    assert len({rights.replace(name, "SERVICE") for name, _, rights in users}) == 1
    for name, _, rights in users:
        assert [other for other in SERVICES if other != name and other in rights] == []

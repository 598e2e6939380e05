"""The demo tenant: a company that does not exist, and people who work there."""

from dataclasses import dataclass

from crm_customer.directory.roles.built_in import ANALYST, SALES_MANAGER, SALES_REP, SERVICE_AGENT

SLUG = "demo"
DISPLAY_NAME = "Huaxin Power"
ADMIN_LOGIN = "admin@demo.example"
ADMIN_NAME = "Administrator"


@dataclass(frozen=True, slots=True)
class DemoTeam:
    """A team, the name of the one above it, and the login of who leads it."""

    display_name: str
    parent: str = ""
    leader: str = ""


@dataclass(frozen=True, slots=True)
class DemoUser:
    """Somebody with a role, by the names of team and role."""

    login: str
    display_name: str
    team: str
    role: str


# Each after the one above it.
TEAMS = (
    DemoTeam("Sales", leader="sales.manager@demo.example"),
    DemoTeam("North", "Sales"),
    DemoTeam("South", "Sales"),
    DemoTeam("Service"),
)
USERS = (
    DemoUser("sales.manager@demo.example", "Sales manager", "Sales", SALES_MANAGER),
    DemoUser("sales.north@demo.example", "Salesperson north", "North", SALES_REP),
    DemoUser("sales.south@demo.example", "Salesperson south", "South", SALES_REP),
    DemoUser("service.agent@demo.example", "Service agent", "Service", SERVICE_AGENT),
    DemoUser("analyst@demo.example", "Analyst", "Sales", ANALYST),
)

"""How much of the gateway one client or one tenant may use at a time.

Connections do not say whose they are once a proxy brings them, and a slow line may keep a request for minutes; so
requests under way are counted too, and leave places for others.
"""

from collections import Counter

from crm_gateway.connections import Network, is_within, network_of
from crm_gateway.exchange import Exchange
from crm_gateway.problems import Problem, ProblemError


class Share:
    """So many requests of one owner may be under way; the others are refused with a 429, in the words of `text`."""

    def __init__(self, limit: int, text: str = "RATE_LIMITED.under_way") -> None:
        self._limit = limit
        self._text = text
        self._taken: Counter[str] = Counter()

    def take(self, owner: str, exchange: Exchange) -> None:
        """Count the request in until the exchange ends; ProblemError RATE_LIMITED when the owner has no place left."""
        if self._taken[owner] >= self._limit:
            raise ProblemError(_no_place_left(self._limit, self._text))
        self._taken[owner] += 1
        exchange.at_end.append(lambda: self._give_back(owner))

    def _give_back(self, owner: str) -> None:
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]


class AddressShare:
    """A share for each client's address, whoever brings its requests.

    A trusted proxy that does not say for whom it asks brings the requests of many, and is not counted.
    """

    def __init__(self, limit: int, proxies: tuple[Network, ...]) -> None:
        self._share = Share(limit)
        self._proxies = proxies

    def take(self, exchange: Exchange) -> None:
        """Count the request in until the exchange ends; ProblemError RATE_LIMITED when its address has too many."""
        if b"x-forwarded-for" in exchange.headers or not is_within(exchange.client, self._proxies):
            self._share.take(network_of(exchange.client), exchange)


def _no_place_left(limit: int, text: str) -> Problem:
    # Its body may never come: whoever sends it shall not keep the connection.
    close = ((b"connection", b"close"),)
    values = {"max_requests": str(limit)}
    return Problem(429, "RATE_LIMITED", retry_after=1, headers=close, text=text, values=values)

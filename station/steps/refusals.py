"""What a unit must refuse by itself: a server whose root it does not trust, and an endpoint without TLS (F-H2).

Both are proven while the unit belongs to the test environment, before it gets its real endpoint: it is sent to a server
of ours that nobody can trust, and what it does there is seen. A unit that a cut of power leaves in the middle of it is
known by the path of that endpoint, and configured anew.
"""

from collections.abc import Callable
from urllib.parse import urlsplit

from station.acceptance import Sight, Stranger, plain, stranger
from station.bench import Bench
from station.catalog.shipping import Method, Refusal
from station.clock import Deadline
from station.errors import Defect, UnitError
from station.model import Environment

PATH = "/a-server-to-refuse"
"""Path of the endpoint that a unit is sent to; no environment's endpoint may have it."""
URL = "ocpp_url"
WITHOUT_TLS = b"ws://"


def is_refused_endpoint(endpoint: str) -> bool:
    """Tell whether an endpoint is that of a server which a unit must refuse."""
    return urlsplit(endpoint).path == PATH


def prove_refusals(bench: Bench, prepare: Callable[[], None], deadline: Deadline) -> None:
    """Prove what the product promises that its units refuse, and note what is not proven of this one.

    The unit is left with an endpoint of no use: whoever calls this configures it afterwards.

    Args:
        bench: The unit, which has its test credentials.
        prepare: Gives the unit all that it needs to connect, but for the endpoint; called only where something is due.
        deadline: For everything.

    Raises:
        UnitError: It trusts a stranger, or speaks without TLS.
    """
    refusals = bench.recipe.product.refusals
    host = urlsplit(bench.recipe.environment(Environment.TEST).endpoint).hostname or ""
    untrusted = _due(bench, "untrusted_server", refusals.untrusted_server)
    over_cable = bench.recipe.product.endpoint.method is Method.SETTINGS
    without_tls = over_cable and _due(bench, "plain_endpoint", refusals.plain_endpoint)
    if not untrusted and not without_tls:
        return
    prepare()
    with stranger(bench.services.acceptance.config.host, host) as server:
        endpoint = f"wss://{host}:{server.port}{PATH}"
        if without_tls:
            _refuses_plain(bench, server, plain(endpoint), deadline)
        if untrusted:
            _refuses_stranger(bench, server, endpoint, deadline)


def _due(bench: Bench, name: str, refusal: Refusal) -> bool:
    """Tell whether a refusal is proven with this unit, and note why where it is not."""
    due = refusal.includes(bench.unit.serial)
    if not due:
        sampled = f"one unit of {refusal.every} is examined, and this is none of them"
        bench.note(**{f"{name}_refusal_not_performed": refusal.reason or sampled})
    return due


def _refuses_plain(bench: Bench, server: Stranger, endpoint: str, deadline: Deadline) -> None:
    """Give the unit an endpoint without TLS; one that takes it must not use it."""
    key = bench.recipe.product.configuration[URL].key
    taken = _takes(bench, key, endpoint, deadline)
    bench.measure("plain_endpoint_taken", taken)
    seen = None
    if taken:
        bench.restart(deadline)
        seen = server.wait(deadline.at_most(bench.recipe.product.limits.connect))
    if not bench.measure("plain_endpoint_used", seen is Sight.PLAIN, expected=False):
        raise UnitError(
            Defect.CONFIGURATION, "The unit connects without TLS, although its security profile forbids it."
        )


def _takes(bench: Bench, key: str, endpoint: str, deadline: Deadline) -> bool:
    """Write an endpoint without TLS and tell whether the device keeps it, or another one without."""
    try:
        bench.charger.write_settings({key: endpoint.encode()}, deadline)
    except UnitError as refusal:
        if refusal.defect is not Defect.CONFIGURATION:
            raise
    return (bench.charger.read_settings((key,), deadline)[key] or b"").lower().startswith(WITHOUT_TLS)


def _refuses_stranger(bench: Bench, server: Stranger, endpoint: str, deadline: Deadline) -> None:
    """Send the unit to a server that it can't trust, and see it break off."""
    key = bench.recipe.product.configuration[URL].key
    bench.charger.write_settings({key: endpoint.encode()}, deadline)
    bench.restart(deadline)
    seen = server.wait(deadline.at_most(bench.recipe.product.limits.connect))
    said = seen.value if seen else "not tried"
    if not bench.measure("untrusted_server", said, expected=Sight.REFUSED.value):
        raise UnitError(Defect.CERTIFICATE, _TOLD.get(said, "The unit does not connect, so nothing is known of it."))


_TOLD = {
    Sight.TRUSTED.value: "The unit trusts a server that bears no root of its environment.",
    Sight.PLAIN.value: "The unit speaks without TLS to a server that it should check.",
}

"""From the test endpoint to the ship endpoint over OCPP: told, read back, and never again without TLS.

# Ref: OCPP 2.0.1 edition 3, part 2, use cases B09 (SetNetworkProfile) and B10 (migrate to a new profile); OCPP 1.6 has
no key for the endpoint, so vendors have keys of their own.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from station.acceptance.messages import printable
from station.acceptance.sequence import Check, Exam, NotOfferedError
from station.acceptance.visit import CallRefused, ConnectionGone
from station.catalog.shipping import EndpointSwitch, Method
from station.errors import Defect, UnitError
from station.model import OcppVersion

PRIORITY = "OCPPCommCtrlr.NetworkConfigurationPriority"
ACTIVE = "OCPPCommCtrlr.ActiveNetworkProfile"
MESSAGE_TIMEOUT = 30
"""Seconds, in the profile of the ship endpoint."""
_WRITTEN = frozenset({"Accepted", "RebootRequired"})
_PROFILE_VERSION: Mapping[OcppVersion, str] = {OcppVersion.V201: "OCPP20", OcppVersion.V21: "OCPP21"}


@dataclass(frozen=True)
class Target:
    """Where a unit will live, and how it is told."""

    switch: EndpointSwitch
    url: str
    """Ship endpoint, without the identity."""
    security_profile: int
    plain_untried: str = ""
    """Why it is not proven that the unit refuses an endpoint without TLS; empty where it is."""

    @property
    def over_ocpp(self) -> bool:
        """Tell whether the unit is told over OCPP."""
        return self.switch.method is not Method.SETTINGS


def departure(target: Target, before_reset: Callable[[], None]) -> tuple[Check, ...]:
    """Return what a unit at the test endpoint goes through that is told over OCPP where it will live.

    Args:
        target: Where it will live; its method is one over OCPP.
        before_reset: Called once all is told, before the restart: from then on attempts on the test endpoint count.
    """
    tell = {Method.OCPP_KEY: _tell_by_key, Method.SET_NETWORK_PROFILE: _tell_by_profile}[target.switch.method]
    return (
        Check("tell ship endpoint", partial(tell, target), 30),
        Check("leave test endpoint", partial(_leave, before_reset), 180),
    )


def endpoint_checks(target: Target) -> tuple[Check, ...]:
    """Return what a unit proves of its endpoint once it is at the stand-in for it."""
    if target.switch.method is Method.OCPP_KEY:
        return (
            Check("ship endpoint read back", partial(_key_read_back, target), 15),
            Check("plain endpoint refused", partial(_plain_key_refused, target), 15),
        )
    if target.switch.method is Method.SET_NETWORK_PROFILE:
        return (
            Check("ship endpoint read back", partial(_priority_read_back, target), 15),
            Check("plain endpoint refused", partial(_plain_profile_refused, target), 15),
            Check("forget test endpoint", partial(_forget_test_profile, target), 15),
        )
    return ()


def plain(url: str) -> str:
    """Return an endpoint as it would be without TLS."""
    return f"ws{url.removeprefix('wss')}"


def _tell_by_key(target: Target, exam: Exam) -> None:
    key = target.switch.key
    word = exam.dialect.write(exam.visit, key, target.url, exam.deadline)
    exam.measure("ship_endpoint_word", printable(word))
    if word not in _WRITTEN:
        raise UnitError(Defect.CONFIGURATION, f"The unit refuses its ship endpoint for {key}: {printable(word)}.")
    if word == "Accepted":
        _key_read_back(target, exam)


def _key_read_back(target: Target, exam: Exam) -> None:
    found = exam.dialect.read(exam.visit, target.switch.key, exam.deadline) or ""
    if not exam.compare("ship_endpoint", found, target.url):
        told = f"{target.switch.key} reads '{printable(found)}', not '{target.url}'"
        raise UnitError(Defect.SHIP_STATE, f"{told}: the unit accepted its ship endpoint and did not keep it.")


def _tell_by_profile(target: Target, exam: Exam) -> None:
    slot = target.switch.slot
    word = _set_profile(exam, target, slot, target.url)
    exam.measure("ship_endpoint_word", word)
    if word != "Accepted":
        raise UnitError(Defect.CONFIGURATION, f"The unit refuses its ship endpoint as profile {slot}: {word}.")
    word = exam.dialect.write(exam.visit, PRIORITY, str(slot), exam.deadline)
    if word not in _WRITTEN:
        raise UnitError(Defect.CONFIGURATION, f"The unit refuses to use profile {slot}: {printable(word)}.")
    if word == "Accepted":
        _priority_read_back(target, exam, active=False)


def _priority_read_back(target: Target, exam: Exam, *, active: bool = True) -> None:
    wanted = str(target.switch.slot)
    found = exam.dialect.read(exam.visit, PRIORITY, exam.deadline) or ""
    if not exam.compare("network_configuration_priority", found, wanted):
        told = f"The unit would use profiles '{printable(found)}', not {wanted} alone, which is its ship endpoint."
        raise UnitError(Defect.SHIP_STATE, told)
    now = exam.dialect.read(exam.visit, ACTIVE, exam.deadline) if active else None
    if now is not None and not exam.compare("active_network_profile", now, wanted):
        raise UnitError(Defect.SHIP_STATE, f"The unit says that it uses profile '{printable(now)}', not {wanted}.")


def _set_profile(exam: Exam, target: Target, slot: int, url: str) -> str:
    data = {
        "ocppVersion": _PROFILE_VERSION[exam.visit.expected.version],
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": MESSAGE_TIMEOUT,
        "securityProfile": target.security_profile,
        "ocppInterface": target.switch.interface,
    }
    payload = {"configurationSlot": slot, "connectionData": data}
    return printable(exam.visit.call("SetNetworkProfile", payload, exam.deadline).status)


def _leave(before_reset: Callable[[], None], exam: Exam) -> None:
    """Restart the unit; it is gone once it has let go of its connection, which nobody else cuts."""
    visit = exam.visit
    before = len(visit.connections)
    before_reset()
    try:
        word = exam.dialect.reset(visit, exam.deadline).status
    except ConnectionGone:
        word = "Accepted"
        exam.notes.append("The unit restarted before it answered Reset.")
    if word not in {"Accepted", "Scheduled"}:
        raise UnitError(Defect.OCPP, f"The unit answered Reset with '{printable(word)}'.")
    left = visit.until(lambda: (visit.link is None or len(visit.connections) > before) or None, exam.deadline)
    if left is None:
        raise UnitError(Defect.SHIP_STATE, "The unit accepted its restart and stays at the test endpoint.")


def _plain_key_refused(target: Target, exam: Exam) -> None:
    _skip_plain(target)
    try:
        word = exam.dialect.write(exam.visit, target.switch.key, plain(target.url), exam.deadline)
    except CallRefused as refusal:
        word = refusal.code
    _judge_plain(exam, word)
    _key_read_back(target, exam)


def _plain_profile_refused(target: Target, exam: Exam) -> None:
    _skip_plain(target)
    try:
        word = _set_profile(exam, target, target.switch.test_slot, plain(target.url))
    except CallRefused as refusal:
        word = refusal.code
    _judge_plain(exam, word)


def _skip_plain(target: Target) -> None:
    if target.plain_untried:
        raise NotOfferedError(target.plain_untried)


def _judge_plain(exam: Exam, word: str) -> None:
    exam.measure("plain_endpoint_word", printable(word))
    if word in _WRITTEN:
        raise UnitError(Defect.SHIP_STATE, "The unit accepts an endpoint without TLS at its security profile.")


def _forget_test_profile(target: Target, exam: Exam) -> None:
    """Write the ship endpoint over the profile of the test endpoint, so that nothing leads back there."""
    slot = target.switch.test_slot
    word = _set_profile(exam, target, slot, target.url)
    if word != "Accepted":
        told = f"Profile {slot} still holds the test endpoint: the unit answered SetNetworkProfile with '{word}'."
        raise UnitError(Defect.SHIP_STATE, told)

"""OCPP 2.1 as the checks need it: 2.0.1 with what changed.

# Ref: OCPP 2.1 part 2, use cases A02 and G01; part 4 (JSON), message types SEND and CALLRESULTERROR.
"""

from typing import Any

from station.acceptance.v201 import Ocpp201
from station.acceptance.visit import Answer, Visit
from station.clock import Deadline


class Ocpp21(Ocpp201):
    """The OCPP 2.1 side of `Dialect`."""

    def certificate_signed(self, visit: Visit, chain: str, deadline: Deadline) -> Answer:
        """Give a chain under the number that the station gave its request, if it gave one."""
        asked = visit.messages("SignCertificate")
        number = asked[-1].payload.get("requestId") if asked else None
        data: dict[str, Any] = {"certificateChain": chain, "certificateType": "ChargingStationCertificate"}
        return visit.call("CertificateSigned", data | ({} if number is None else {"requestId": number}), deadline)

"""The renewal of the certificate, rehearsed before a unit leaves: asked for, refused where wrong, taken, used (F-D9).

The unit is first offered a chain for a key that nobody has. A unit that takes it would one day cut itself off, or
speak with a key that somebody else chose. That it accepts its own chain proves nothing either: the next TLS handshake
does.
"""

from pki.certificate.csr import CertificateRequest, read_request, request_of_pem
from pki.errors import RequestRefused
from station.acceptance.contract import Renewal, Renewed
from station.acceptance.messages import printable
from station.acceptance.sequence import Exam, NotOfferedError
from station.acceptance.visit import CallRefused
from station.errors import Defect, UnitError

CURVE = "P-256"
LONGEST_CHAIN = 10_000
"""Characters of a chain in CertificateSigned, where the unit states no lower limit (OCPP, CertificateSigned)."""


def renew(exam: Exam) -> None:
    """Let the unit ask for a certificate of a new key, refuse a foreign one, and accept its own."""
    renewal = _renewal(exam)
    request = _judged(exam, renewal, _asked(exam))
    longest = _longest_chain(exam)
    _offer_foreign(exam, renewal.probe(), longest)
    renewed = renewal.sign(request)
    # From here on the unit may come with either certificate: which one it uses is judged after the restart.
    exam.visit.expect_renewed(renewed)
    _offer_own(exam, renewed, longest)


def renewed_in_use(exam: Exam) -> None:
    """See the renewed certificate in a TLS handshake after the restart, and let nobody in with the old one any more."""
    _renewal(exam)
    visit = exam.visit
    wanted = f"{int(visit.expected.certificate_serial, 16):x}"
    if _presented(exam) != wanted and len(visit.connections) == visit.connections_before_reset:
        # It restarted without letting go of its connection, so no handshake has told yet which key it uses now.
        _reconnect(exam)
    found = _presented(exam)
    if not exam.compare("renewed_certificate_in_use", found, wanted):
        told = f"After the restart the unit presents certificate {found or 'none'}"
        raise UnitError(Defect.CERTIFICATE, f"{told}, not the renewed {wanted} that it accepted.")
    visit.forget_former()


def _renewal(exam: Exam) -> Renewal:
    if exam.renewal is None:
        raise NotOfferedError("The renewal of the certificate is not performed.")
    return exam.renewal


def _asked(exam: Exam) -> str:
    """Trigger the unit's certificate request and return it (PEM)."""
    visit, since = exam.visit, exam.visit.position
    visit.granted = {"SignCertificate": {"status": "Accepted"}}
    try:
        answer = exam.dialect.trigger_signing(visit, exam.deadline)
        if answer.status != "Accepted":
            told = printable(answer.status)
            raise UnitError(Defect.OCPP, f"The unit answered the request to renew its certificate with '{told}'.")
        found = visit.until(lambda: next(iter(visit.messages("SignCertificate", since)), None), exam.deadline)
    finally:
        visit.granted = {}
    if found is None:
        raise exam.missing("SignCertificate after it was triggered", exam.deadline)
    return str(found.payload.get("csr", ""))


def _judged(exam: Exam, renewal: Renewal, pem: str) -> CertificateRequest:
    """Judge the request by what it names, whose key it is for, and whether it proves that the unit has it."""
    try:
        request = read_request(request_of_pem(pem))
    except RequestRefused as error:
        told = f"The unit's renewal cannot be read: {error.message}."
        raise UnitError(Defect.CERTIFICATE, told) from error
    pairs = (
        ("common name", request.common_name, exam.visit.expected.serial),
        ("organisation", request.organization, renewal.organization),
        ("curve", request.curve, CURVE),
    )
    for name, found, wanted in pairs:
        if not exam.compare(f"request_{name.replace(' ', '_')}", found, wanted):
            told = f"'{printable(found)}'" if found else "nothing"
            raise UnitError(Defect.CERTIFICATE, f"The unit's certificate request has {told} as {name}, not '{wanted}'.")
    if not request.proven:
        raise UnitError(Defect.KEY, "The unit's certificate request does not prove possession of its key.")
    if request.key_sha256 in {shown.certificate.key_sha256 for shown in exam.visit.connections if shown.certificate}:
        raise UnitError(Defect.KEY, "The unit asks for a certificate of the key that it has, not of a new one.")
    return request


def _longest_chain(exam: Exam) -> int:
    stated = exam.dialect.read(exam.visit, exam.dialect.chain_limit, exam.deadline) or ""
    limit = int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 8 else LONGEST_CHAIN
    exam.measure("longest_chain", float(limit), "characters")
    return min(limit, LONGEST_CHAIN)


def _offer_foreign(exam: Exam, chain: str, longest: int) -> None:
    try:
        word = _offer(exam, chain, longest)
    except CallRefused as refusal:
        word = refusal.code
        exam.notes.append(refusal.message)
    exam.measure("foreign_chain", printable(word))
    if word == "Accepted":
        raise UnitError(Defect.CERTIFICATE, "The unit accepted a certificate of a key that it does not have.")


def _offer_own(exam: Exam, renewed: Renewed, longest: int) -> None:
    word = _offer(exam, renewed.chain_pem, longest)
    if word != "Accepted":
        raise UnitError(Defect.CERTIFICATE, f"The unit answered its renewed certificate with '{printable(word)}'.")
    exam.measure("renewed_certificate", renewed.serial)


def _offer(exam: Exam, chain: str, longest: int) -> str:
    if len(chain) > longest:
        told = f"The unit takes chains of at most {longest} characters; that of its environment has {len(chain)}."
        raise UnitError(Defect.CONFIGURATION, told)
    return exam.dialect.certificate_signed(exam.visit, chain, exam.deadline).status


def _presented(exam: Exam) -> str:
    """Return the serial number of the certificate of the latest handshake."""
    certificate = exam.visit.connections[-1].certificate if exam.visit.connections else None
    return certificate.serial if certificate else ""


def _reconnect(exam: Exam) -> None:
    visit, before = exam.visit, len(exam.visit.connections)
    visit.disconnect()
    if visit.until(lambda: len(visit.connections) > before or None, exam.deadline) is None:
        raise exam.missing("new connection", exam.deadline)

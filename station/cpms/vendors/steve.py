"""SteVe: a station is added by the form of its web page; its REST interface has no such request.

Written from the source of 3.15; untested against a live system. The form demands a session and a token against forgery,
and changing a station posts all of it again, so the adapter only adds and deletes. What SteVe has no field for stands
in the note: serial number, revision and certificate. Passwords are plain, of 16 to 20 characters.

URI: `steve+https://host[:port][?ca=FILE]`; the secret holds `name:password` of a user of the web page.
"""

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NoReturn
from urllib.parse import quote, urlencode

from station.cpms.contract import Body, Limits, Rejected
from station.cpms.registry import Occupied
from station.cpms.vendors.caller import Caller, Opening, whole
from station.cpms.vendors.registrar import CERTIFICATE, PASSWORD, SET, Registrar, Wanted
from station.cpms.vendors.steve_pages import Page, read_page
from station.http import Answer
from station.model import UnitRecord

LIMITS = Limits(2)
MANAGER = "/steve/manager"
STATIONS = f"{MANAGER}/chargepoints"
FORM: Mapping[str, str] = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
DETAILS = re.compile(r"/manager/chargepoints/details/(\d{1,18})$")
NOTE = re.compile(r"([a-z0-9_]{1,30})=(\S{1,100})")
ACCEPTED = "ACCEPTED"
PROFILE = "Profile_"
LONGEST_PAGE = 128 * 1024
KEPT = "Enter new password"
"""What the page says in place of a password that it has."""


@dataclass(frozen=True)
class Steve:
    """A SteVe, seen as its web page."""

    caller: Caller
    _signing_in: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def system(self) -> str:
        """Return what the system is called."""
        return "SteVe"

    def shape(self, record: UnitRecord, revision: int) -> Body:
        """Return profile, registration status, description, and what stands in the note."""
        return {
            "serial": record.serial,
            "revision": revision,
            CERTIFICATE: record.certificate_sha256.lower(),
            "security_profile": record.security_profile,
            "registration": ACCEPTED,
            "description": f"{record.vendor} {record.model}",
        }

    def find(self, wanted: Wanted) -> Body | None:
        """Return what the details page of a station says."""
        number = self._number(wanted.serial)
        if number is None:
            return None
        page = self._page(f"{STATIONS}/details/{number}")
        note = dict(NOTE.findall(page.values.get("note", "")))
        profile = page.values.get("securityProfile", "").removeprefix(PROFILE)
        return {
            "serial": note.get("serial"),
            "revision": whole(note.get("revision")),
            CERTIFICATE: note.get("certificate"),
            "security_profile": whole(profile),
            "registration": page.values.get("registrationStatus"),
            "description": page.values.get("description"),
            PASSWORD: SET if page.hints.get("authPassword") == KEPT else None,
        }

    def complete(self, wanted: Wanted, found: Body | None) -> None:
        """Add a station by the form; one that is there already can't be completed without replacing it."""
        if found is not None:
            message = f"SteVe has {wanted.serial} from elsewhere, and can't be given what is missing there."
            raise Rejected(message, hint="Ask the CPMS team whose station it is, and to delete it if it is ours.")
        shape = wanted.shape
        fields = {
            "chargeBoxId": wanted.serial,
            "insertConnectorStatusAfterTransactionMsg": "false",
            "registrationStatus": ACCEPTED,
            "securityProfile": f"{PROFILE}{shape['security_profile']}",
            "description": shape["description"],
            "note": f"serial={shape['serial']} revision={shape['revision']} certificate={shape[CERTIFICATE]}",
            "add": "Add",
        }
        if wanted.password is not None:
            fields["authPassword"] = wanted.password().reveal()
        answer = self._post(f"{STATIONS}/add/single", fields, self._page(f"{STATIONS}/add"))
        if answer.status == 200:
            self._refuse(wanted.serial, read_page(answer.content))

    def remove(self, serial: str) -> None:
        """Delete a station, with all that SteVe knows of it."""
        number = self._number(serial)
        if number is not None:
            self._post(f"{STATIONS}/delete/{number}", {}, self._page(f"{STATIONS}/details/{number}"))

    def notes(self) -> tuple[str, ...]:
        """Say what is special about it."""
        return ("outlets, firmware and model are what the station tells when it boots",)

    def close(self) -> None:
        """Close the connection."""
        self.caller.http.close()

    def _refuse(self, serial: str, page: Page) -> NoReturn:
        """Tell apart a form that was wrong, a name that is taken, and a fault of SteVe: all of them are pages."""
        told = "; ".join(error for error in page.errors if error.isprintable())
        if told:
            raise self.caller.rejected(f"refuses {serial}: {told[:200]}")
        names = self._page(f"{STATIONS}/query", {"chargeBoxId": serial}).links
        if any(name.lower() == serial.lower() for name in names):
            raise Occupied
        raise self.caller.http.away("its answer is a page of an error")

    def _number(self, serial: str) -> str | None:
        """Return SteVe's own number of a station; the search finds parts of names too."""
        page = self._page(f"{STATIONS}/query", {"chargeBoxId": serial})
        match = DETAILS.search(page.links.get(serial, ""))
        return match[1] if match else None

    def _page(self, path: str, params: Mapping[str, str] | None = None) -> Page:
        answer = self.caller.http.request("GET", path, params=params)
        if _is_sign_in(answer):
            self._sign_in()
            answer = self.caller.http.request("GET", path, params=params)
        if _is_sign_in(answer):
            raise self.caller.http.trouble("lets nobody in", "Ask the CPMS team what became of the station's user.")
        page = read_page(self.caller.must(answer, 200).content)
        if "_csrf" not in page.values:
            raise self.caller.http.nonsense("not a page of SteVe")
        return page

    def _sign_in(self) -> None:
        http = self.caller.http
        name, _, password = http.token().strip().partition(":")
        with self._signing_in:
            page = read_page(self.caller.must(http.request("GET", f"{MANAGER}/signin"), 200).content)
            answer = self._post(f"{MANAGER}/signin", {"username": name, "password": password}, page)
        if "signin" in answer.location:
            raise http.trouble("refuses name and password", "Write `name:password` of a user of SteVe as the token.")

    def _post(self, path: str, fields: Mapping[str, str], page: Page) -> Answer:
        """Post a form with the token of the page that it stands on; 302 says yes, 200 shows the form again."""
        content = urlencode({**fields, "_csrf": page.values.get("_csrf", "")}, quote_via=quote).encode()
        return self.caller.must(self.caller.http.send("POST", path, content=content, headers=FORM), 302, 200)


def open_steve(opening: Opening) -> Registrar:
    """Open a SteVe.

    Raises:
        ConfigError: An option is wrong.
        ServiceError: The station's certificate can't be had.
    """
    opening.options()
    http = replace(opening.http(lambda _: {}), most_bytes=LONGEST_PAGE)
    return Registrar(http.name, Steve(Caller(http)), opening.limits)


def _is_sign_in(answer: Answer) -> bool:
    return answer.status == 302 and "signin" in answer.location

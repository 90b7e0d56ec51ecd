"""Signatures of people, made and checked with OpenSSH: keys that they have already, in a file, a FIDO2 or a PIV token.

What is checked here can be checked without this program: `ssh-keygen -Y verify -f approvers -I NAME -n ROLE
-s FILE.sig < bundle.json`. The namespace of a signature is the role in which somebody signed, so that an approval can
never be taken for anything else, and nothing else for an approval. Ref: ssh-keygen(1), ALLOWED SIGNERS;
OpenSSH PROTOCOL.sshsig.
"""

import base64
import os
import re
import shlex
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from pathlib import Path

from station.errors import ConfigError
from station.strict import read_bounded, utf8_text

PERSON = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}")
MOST_BYTES = 100_000
CHECK_SECONDS = 10.0
SIGN_SECONDS = 120.0
"""How long somebody may look for a passphrase or touch a token."""
ARMOR = re.compile(rb"\s*-----BEGIN SSH SIGNATURE-----\s([A-Za-z0-9+/=\s]+)-----END SSH SIGNATURE-----\s*")
MAGIC = b"SSHSIG\x00\x00\x00\x01"
KEY_TYPES = re.compile(r"(sk-)?(ssh-ed25519|ecdsa-sha2-nistp(256|384|521)|ssh-rsa)(@openssh\.com)?")
OPTIONS = re.compile(r'(?:[a-z-]+(?:="[^"]*")?)(?:,[a-z-]+(?:="[^"]*")?)*')
ONE_OPTION = re.compile(r'([a-z-]+)(?:="([^"]*)")?')
CAUSES = (
    ("incorrect signature", "does not fit: the content was edited after signing, or it is of another one"),
    ("has expired", "is of a key that may sign no longer (valid-before)"),
    ("not yet valid", "is of a key that may not sign yet (valid-after)"),
    ("not permitted for use", "was made in a role that this person does not have"),
)
"""What OpenSSH says, and what it means here."""


class Role(StrEnum):
    """In which role somebody signs; the namespace of the signature."""

    AUTHOR = "author@charger-station"
    APPROVER = "approver@charger-station"
    OVERRIDE_LINE = "override-line@charger-station"
    OVERRIDE_QUALITY = "override-quality@charger-station"

    @property
    def word(self) -> str:
        """Return the role as commands and messages name it."""
        return self.value.partition("@")[0]


@dataclass(frozen=True)
class Signature:
    """A signature file, as far as it is needed to know whom to ask about it."""

    name: str
    """Of the file."""
    raw: bytes
    namespace: str
    key: bytes
    """The public key in OpenSSH's binary form."""

    @property
    def fingerprint(self) -> str:
        """Return the key's fingerprint as OpenSSH prints it."""
        return f"SHA256:{base64.b64encode(sha256(self.key).digest()).decode().rstrip('=')}"


@dataclass(frozen=True)
class Approvers:
    """The file of pinned keys: who may sign, with which key, in which role."""

    raw: bytes
    keys: tuple[tuple[bytes, str], ...]
    """Each key with its person."""

    def person(self, key: bytes) -> str:
        """Return whose key it is; empty where nobody has it."""
        return next((person for known, person in self.keys if known == key), "")

    def verify(self, signature: Signature, person: str, message: bytes) -> str:
        """Return why a signature does not count, as the end of a sentence, or nothing.

        Raises:
            ConfigError: OpenSSH is not installed or does not answer.
        """
        with tempfile.TemporaryDirectory(prefix="approvals-") as folder:
            pinned, made = Path(folder) / "approvers", Path(folder) / "made.sig"
            pinned.write_bytes(self.raw)
            made.write_bytes(signature.raw)
            who = ("-I", person, "-n", signature.namespace)
            done = _ssh_keygen("verify", "-f", str(pinned), *who, "-s", str(made), message=message)
        if done.returncode == 0:
            return ""
        said = done.stderr.decode(errors="replace")
        return next((meaning for words, meaning in CAUSES if words in said), "is not valid")


def load_approvers(path: Path) -> Approvers:
    """Read the station's file of approvers, in OpenSSH's format of allowed signers, one person and key a line.

    Raises:
        ConfigError: The file is missing, or has something by which people could not be told apart.
    """
    hint = "Write who may approve: 'station bundle --help' has an example."
    raw = read_bounded(path, str(path), MOST_BYTES, hint)
    text = utf8_text(raw, str(path))
    people: dict[bytes, str] = {}
    for number, line in _lines(text):
        person, key = _entry(line, f"{path}: line {number}")
        if people.setdefault(key, person) != person:
            message = f"{path}: line {number}: the key of '{person}' is also the key of '{people[key]}'"
            raise ConfigError(message, hint="Give each person a key of their own.")
    return Approvers(raw, tuple(people.items()))


def parse_signature(name: str, raw: bytes) -> Signature:
    """Read the outer form of a signature file.

    Raises:
        ConfigError: It is no signature of OpenSSH.
    """
    found = ARMOR.fullmatch(raw)
    try:
        blob = base64.b64decode(b"".join(found[1].split()), validate=True) if found else b""
        key, rest = _string(blob.removeprefix(MAGIC))
        namespace, _ = _string(rest)
        if found and blob.startswith(MAGIC):
            return Signature(name, raw, namespace.decode("ascii"), key)
    except ValueError:
        pass  # told below, as whatever else is no signature
    raise ConfigError(f"{name}: it is no signature of ssh-keygen", hint="Sign again.")


def sign(message: bytes, key: Path, role: Role) -> bytes:
    """Return somebody's signature; OpenSSH asks at the terminal for a passphrase or a touch.

    Raises:
        ConfigError: OpenSSH is not installed, the key can't be used, or nobody answered.
    """
    done = _ssh_keygen(
        "sign", "-n", role.value, "-f", str(key), message=message, seconds=SIGN_SECONDS, quiet=False
    )  # fmt: skip
    if done.returncode:
        raise ConfigError(f"{key}: ssh-keygen did not sign", hint="Check the key, and try again.")
    return bytes(done.stdout)


def how_to_sign(path: Path, role: Role) -> str:
    """Return the command with which somebody signs without this program."""
    return f"ssh-keygen -Y sign -n {role.value} -f KEY {shlex.quote(str(path))}"


def _ssh_keygen(
    act: str, *arguments: str, message: bytes, seconds: float = CHECK_SECONDS, quiet: bool = True
) -> subprocess.CompletedProcess[bytes]:
    """Run one operation of ssh-keygen on a message."""
    try:
        return subprocess.run(
            ("ssh-keygen", "-q", "-Y", act, *arguments), input=message, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if quiet else None, timeout=seconds, check=False, env=os.environ | {"LC_ALL": "C"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise ConfigError("ssh-keygen is not installed", hint="Install the package openssh-client.") from error
    except (subprocess.TimeoutExpired, OSError) as error:
        raise ConfigError(f"ssh-keygen does not work: {error}", hint="Try again.") from error


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            yield number, line.strip()


def _entry(line: str, where: str) -> tuple[str, bytes]:
    """Read one line: a person, the options, the key; what could stand for several people is refused."""
    person, _, rest = line.partition(" ")
    if not PERSON.fullmatch(person):
        raise ConfigError(f"{where}: '{person[:80]}' is not one person's name", hint="Write one name a line.")
    options, _, key = rest.strip().partition(" ")
    if not OPTIONS.fullmatch(options) or KEY_TYPES.fullmatch(options):
        raise ConfigError(f"{where}: 'namespaces=\"…\"' is missing", hint="Say in which roles this person may sign.")
    _check_options(dict(ONE_OPTION.findall(options)), where)
    return person, _key(key.split(), where)


def _check_options(options: dict[str, str], where: str) -> None:
    if "cert-authority" in options:
        message = f"{where}: 'cert-authority' would let one key make any number of people"
        raise ConfigError(message, hint="Pin the key of each person.")
    unknown = options.keys() - {"namespaces", "valid-after", "valid-before"}
    if unknown:
        raise ConfigError(f"{where}: option '{min(unknown)}' is not known here")
    roles = [role for role in options.get("namespaces", "").split(",") if role]
    known = {role.value for role in Role}
    if not roles or not known.issuperset(roles):
        raise ConfigError(f"{where}: namespaces: known are {', '.join(sorted(known))}, not {options.get('namespaces')}")


def _key(words: list[str], where: str) -> bytes:
    try:
        key = base64.b64decode(words[1], validate=True)
        if KEY_TYPES.fullmatch(words[0]) and _string(key)[0] == words[0].encode():
            return key
    except (ValueError, IndexError):
        pass  # told below, as a key of another kind
    raise ConfigError(f"{where}: this is no public key of OpenSSH", hint="Paste the line of KEY.pub.")


def _string(blob: bytes) -> tuple[bytes, bytes]:
    """Return the first length-prefixed string of OpenSSH's wire form, and what follows."""
    end = 4 + int.from_bytes(blob[:4], "big")
    if len(blob) < end or end > MOST_BYTES:
        raise ValueError("cut off")
    return blob[4:end], blob[end:]

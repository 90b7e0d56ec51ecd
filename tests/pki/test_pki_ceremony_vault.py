"""A ceremony with an offline root token: present for what it signs, absent for everything else."""

import json
import random
import signal
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

import pki.ceremony.parts
from fixtures.token import make_token, write_secret
from fixtures.warm import run
from pki.ceremony import Occasion, hold_ceremony, renew
from pki.ceremony.parts import all_parts, order_renewal
from pki.ceremony.rehearsal import rehearse
from pki.environment import Plant, Ship, Test
from pki.errors import KeystoreError, ProfileError, RequestRefused
from pki.issue import open_factory
from pki.ledger import open_ledger
from pki.plan import Layout, read_plan
from pki.roles import caller

UNIT = "AC22-000001-7"
ROOT = Path(__file__).parents[2]
POINTS = 76
"""Files, keys, signatures and searches of a ceremony with a vault."""
DYING = """
import os, pathlib, signal, sys
from pki.ceremony import hold_ceremony
from pki.keystore import Keystore
turns = int(sys.argv[3])
def counted(function):
    def count(*given, **named):
        global turns
        turns -= 1
        if turns < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*given, **named)
    return count
pathlib.Path.rename = counted(pathlib.Path.rename)
for name in ("create", "sign", "bind"):
    setattr(Keystore, name, counted(getattr(Keystore, name)))
hold_ceremony(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
"""


def verify(*arguments: str | Path) -> int:
    command = ["openssl", "verify", "-x509_strict", *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, timeout=30).returncode


def files(directory: Path, pattern: str = "*.pem") -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob(pattern))}


def openssl_accepts(directory: Path, transcript: Path) -> bool:
    """What the README tells an auditor to do, with openssl alone."""
    certificate = ("x509", "-in", directory / "certificates" / "audit.pem", "-noout", "-pubkey")
    public = subprocess.run(["openssl", *certificate], check=True, capture_output=True, timeout=30).stdout
    key = directory.parent / "audit.pub"
    key.write_bytes(public)
    command = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", transcript / "transcript.sig"]
    answer = subprocess.run([*command, transcript / "transcript.json"], check=False, capture_output=True, timeout=30)
    return answer.stdout == b"Verified OK\n"


def transcript(directory: Path, number: int) -> dict:
    return json.loads((directory / "transcripts" / f"{number:04d}" / "transcript.json").read_bytes())


def test_daily_work_needs_no_vault(vault_directory, safe, device):
    """F-D1: the offline token is absent afterwards; issuing, signing and checking go on."""
    factory = open_factory(vault_directory)
    issuer = factory.issuer(Ship)
    device.make_key()
    certificate = issuer.issue(issuer.adopt(UNIT, "station", device.request(UNIT), UNIT, ""))
    assert factory.check() == []
    assert certificate.chain_pem.count("BEGIN CERTIFICATE") == 3
    factory.close()


def test_second_ceremony_needs_no_vault_and_changes_nothing(vault_directory, vault_file, safe):
    before = files(vault_directory, "*.json") | files(vault_directory)
    assert hold_ceremony(vault_file, vault_directory) == []
    assert files(vault_directory, "*.json") | files(vault_directory) == before


def test_missing_vault_is_asked_for_by_name(vault_file, tmp_path):
    directory = tmp_path / "pki"

    make_token(directory, "line3")
    make_token(directory / "vault", "other")
    write_secret(directory, "vault-pin", "1234")
    with pytest.raises(KeystoreError, match="'vault' is missing") as refused:
        hold_ceremony(vault_file, directory)
    assert "bring it for this ceremony" in refused.value.hint


def test_intermediate_stands_between_root_and_issuing(vault_directory):
    certificates = vault_directory / "certificates"
    chain = ("-CAfile", certificates / "ship-root.pem", "-untrusted", certificates / "ship-intermediate.pem")
    assert verify(*chain, certificates / "ship-issuing.pem") == 0
    assert verify("-CAfile", certificates / "ship-root.pem", certificates / "ship-issuing.pem") != 0
    assert verify("-CAfile", certificates / "test-root.pem", *chain[2:], certificates / "ship-issuing.pem") != 0


def test_cas_that_sleep_have_a_list_from_the_ceremony(vault_directory):
    """RFC 5280 section 5: openssl checks the issuing CA against lists that were signed while the vault was there."""
    certificates, lists = vault_directory / "certificates", sorted((vault_directory / "crl").glob("*.crl"))
    assert [path.stem for path in lists] == ["plant-root", "ship-intermediate", "ship-root", "test-root"]
    crls = [word for path in lists for word in ("-CRLfile", pem_list(path))]
    chain = ("-CAfile", certificates / "ship-root.pem", "-untrusted", certificates / "ship-intermediate.pem")
    assert verify("-crl_check_all", *crls, *chain, certificates / "ship-issuing.pem") == 0
    assert verify("-crl_check_all", *chain, certificates / "ship-issuing.pem") != 0


def pem_list(path: Path) -> Path:
    pem = path.with_suffix(".pem")
    command = ["openssl", "crl", "-inform", "DER", "-in", path, "-out", pem]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    return pem


def test_transcript_tells_every_key_and_certificate(vault_directory, vault_file):
    """F-D1: file digest, keys with the policy that the token reports, certificates, versions, who and when."""
    told = transcript(vault_directory, 1)
    names = {part.name for part in all_parts(read_plan(vault_file), ()).keys}
    assert set(told["keys"]) == names
    assert set(told["certificates"]) == {path.stem for path in (vault_directory / "certificates").glob("*.pem")}
    assert {told["keys"][name]["token"] for name in ("ship-root", "ship-intermediate", "firmware")} == {"vault"}
    assert (told["number"], told["previous"], told["done"][-1]) == (1, "0" * 64, "issued certificate plant-server")


@pytest.mark.parametrize("damage", [b"", b'{"at":'])
def test_transcript_is_verified_by_openssl_alone(vault_directory, damage):
    path = vault_directory / "transcripts" / "0001"
    assert openssl_accepts(vault_directory, path)
    (path / "transcript.json").write_bytes(damage + (path / "transcript.json").read_bytes()[1:])
    assert not openssl_accepts(vault_directory, path)


def dead(ceremony_file: Path, directory: Path, turns: int) -> bool:
    command = [sys.executable, "-c", DYING, str(ceremony_file), str(directory), str(turns)]
    done = run(command, timeout=60, modules=["pki.ceremony"])
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode != 0


def test_ceremony_has_so_many_points_to_be_killed_at(vault_file, vault_tokens, tmp_path):
    """Those that are drawn from are all that there are."""
    for name, turns in (("last", POINTS - 1), ("none", POINTS)):
        vault_tokens(tmp_path / name)
        assert dead(vault_file, tmp_path / name, turns) == (name == "last")


@pytest.mark.parametrize("turns", sorted(random.Random(3).sample(range(POINTS), 4)))
def test_ceremony_killed_anywhere_is_continued(vault_file, vault_tokens, tmp_path, turns):
    """Killed at a file, a key, a signature or a search; no key or certificate that was there is made again."""
    directory = tmp_path / "pki"
    vault_tokens(directory)
    assert dead(vault_file, directory, turns)
    before = files(directory)
    hold_ceremony(vault_file, directory)
    assert before.items() <= files(directory).items()
    assert hold_ceremony(vault_file, directory) == []
    assert openssl_accepts(directory, directory / "transcripts" / "0001")
    keys = [made["spki"] for made in transcript(directory, 1)["keys"].values()]
    assert len(set(keys)) == len(keys)


def test_dry_run_tells_all_and_touches_nothing(vault_file, tmp_path):
    directory = tmp_path / "pki"
    lines = rehearse(vault_file, directory)
    assert "would make key ship-root (p256) in token vault" in lines
    assert (
        "would issue certificate ship-issuing 'Example Ship Issuing CA', 10 years, signed by ship-intermediate" in lines
    )
    assert not directory.exists()


def test_dry_run_after_the_ceremony_has_nothing_to_say(vault_directory, vault_file, safe):
    assert rehearse(vault_file, vault_directory) == []


def test_renewed_issuing_ca_stands_beside_the_old_one(vault_directory, device, another_device):
    """The old certificate keeps its chain; the new one has the new CA; clients of both are verified."""
    factory = open_factory(vault_directory)
    device.make_key()
    old = factory.issuer(Ship).issue(factory.issuer(Ship).adopt(UNIT, "station", device.request(UNIT), UNIT, ""))
    factory.close()
    before = files(vault_directory)
    assert "issued certificate ship-issuing-2" in renew(vault_directory, "ship-issuing", "ends in a year")
    assert before.items() <= files(vault_directory).items()
    factory = open_factory(vault_directory)
    issuer, other = factory.issuer(Ship), another_device()
    other.make_key()
    new = issuer.issue(issuer.adopt("AC22-000002-5", "station", other.request("AC22-000002-5"), "AC22-000002-5", ""))
    assert issuer.certificate(UNIT).chain_pem == old.chain_pem
    assert (old.issuer, new.issuer) == (
        "CN=Example Ship Issuing CA,O=Example Chargers",
        "CN=Example Ship Issuing CA G2,O=Example Chargers",
    )
    assert factory.client_roots(Ship).count(b"BEGIN CERTIFICATE") == 4
    assert factory.check() == []
    factory.close()


def test_renewal_needs_the_vault_and_waits_for_it(vault_directory, safe, vault_file):
    """Ordered, refused for want of the vault, and done once by the next ceremony with it."""
    (vault_directory / "secrets" / "vault-pin").unlink()
    write_secret(vault_directory, "vault-pin", (safe / "secrets" / "hsm-pin").read_text())
    with pytest.raises(KeystoreError, match="softhsm") as refused:
        renew(vault_directory, "test-issuing", "ends soon")
    assert "bring it for this ceremony" in refused.value.hint
    factory = open_factory(vault_directory)
    assert [problem for problem in factory.check() if "test-issuing-2" in problem]
    assert factory.current("test-issuing") == "test-issuing"
    factory.close()
    safe.rename(vault_directory / "vault")
    assert "issued certificate test-issuing-2" in hold_ceremony(vault_file, vault_directory)


def test_renewed_server_is_served_without_the_vault(vault_directory, safe):
    renew(vault_directory, "test-server", "lost in an audit")
    factory = open_factory(vault_directory)
    files = factory.server_files(Test)
    assert (files.chain.name, files.key.name) == ("test-server-2.pem", "test-server-2.pem")
    assert factory.server_files(Plant).chain.name == "plant-server.pem"
    told = transcript(vault_directory, 2)
    assert [(entry["name"], entry["reason"]) for entry in told["renewals"]] == [("test-server-2", "lost in an audit")]
    assert told["keys"]["ship-root"] == transcript(vault_directory, 1)["keys"]["ship-root"]
    factory.close()


@pytest.mark.parametrize(
    ("family", "reason", "message"),
    [
        ("ship-root", "why not", "can't be renewed: whoever trusts it"),
        ("nonsense", "why not", "can't be renewed"),
        ("ship-issuing", " ", "needs a reason"),
        ("ship-issuing", "a\nb", "needs a reason"),
    ],
)
def test_unfit_renewal_is_refused_before_it_is_ordered(vault_directory, family, reason, message):
    with pytest.raises(RequestRefused, match=message):
        renew(vault_directory, family, reason)
    assert not (vault_directory / "renewals").exists()


def test_renewal_is_ordered_once(vault_directory):
    layout = Layout(vault_directory)
    plan = read_plan(layout.plan)
    first = order_renewal(layout, plan, "ship-issuing", "first", "root")
    assert order_renewal(layout, plan, "ship-issuing", "second", "root") == first


def amended(path: Path, old: str, new: str, tmp_path: Path) -> Path:
    file = tmp_path / "amended.toml"
    file.write_text(path.read_text().replace(old, new))
    return file


def test_amended_file_takes_the_place_of_the_old_one(vault_directory, vault_file, safe, tmp_path):
    """Officers come and go; keys and CAs stay, and so does the old file."""
    me = caller()
    file = tmp_path / "amended.toml"
    file.write_text(vault_file.read_text() + f'\n[roles]\nofficers = ["{me}", "alice"]\n')
    with pytest.raises(ProfileError, match="differs from the ceremony file"):
        hold_ceremony(file, vault_directory)
    assert hold_ceremony(file, vault_directory, Occasion("alice has joined"))[0].endswith("alice has joined")
    assert (vault_directory / "pki.toml").read_bytes() == file.read_bytes()
    assert (vault_directory / "plans" / "0001.toml").read_bytes() == vault_file.read_bytes()
    assert transcript(vault_directory, 2)["plan"] != transcript(vault_directory, 1)["plan"]


def test_new_file_gives_nobody_a_role_by_his_own_word(vault_directory, vault_file, tmp_path):
    """F-K1: who is no officer of the adopted file does not become one by an amended file."""
    (vault_directory / "pki.toml").write_text(vault_file.read_text() + '\n[roles]\nofficers = ["alice"]\n')
    file = tmp_path / "amended.toml"
    file.write_text(vault_file.read_text() + f'\n[roles]\nofficers = ["{caller()}"]\n')
    with pytest.raises(RequestRefused, match="is none of this PKI's officers"):
        hold_ceremony(file, vault_directory, Occasion("I say so"))
    assert not (vault_directory / "plans").exists()


def test_server_with_other_names_is_made_anew(vault_directory, vault_file, safe, tmp_path):
    file = amended(vault_file, '"csms.ship.example"', '"csms.moved.example"', tmp_path)
    assert "would renew ship-server: its names have changed" in rehearse(file, vault_directory)
    done = hold_ceremony(file, vault_directory, Occasion("the CSMS has moved"))
    assert "ordered the renewal of ship-server: its names have changed" in done
    factory = open_factory(vault_directory)
    assert factory.server_files(Ship).chain.name == "ship-server-2.pem"
    assert factory.server_names(Ship) == ("csms.moved.example",)
    factory.close()
    assert hold_ceremony(file, vault_directory) == []


def test_server_near_its_end_is_made_anew(vault_directory, vault_file, safe, monkeypatch):
    class Later(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.now(tz) + timedelta(days=270)

    monkeypatch.setattr(pki.ceremony.parts, "datetime", Later)
    done = hold_ceremony(vault_file, vault_directory)
    assert "issued certificate test-server-2" in done
    assert len(list((vault_directory / "renewals").iterdir())) == 3


def test_other_cas_are_no_amendment(vault_directory, vault_file, tmp_path):
    file = amended(vault_file, "Example Ship Root", "Another Root", tmp_path)
    with pytest.raises(ProfileError, match="belongs to another ceremony file"):
        hold_ceremony(file, vault_directory, Occasion("why not"))


def test_ceremony_is_in_the_audit_log(vault_directory, vault_file):
    """F-K3: every key, certificate and transcript with the user who made it."""
    ledger = open_ledger(Layout(vault_directory).ledger, "auditor")
    entries = [json.loads(entry.entry) for entry in ledger.audit_entries()]
    ledger.close()
    made = [entry["subject"] for entry in entries if entry["act"] == "key-made"]
    assert len(made) == len(set(made)) == len(list((vault_directory / "certificates").glob("*.pem")))
    assert {entry["actor"] for entry in entries} == {transcript(vault_directory, 1)["by"]}
    assert entries[-1]["act"] == "ceremony"


def test_every_certificate_is_of_its_own_key(vault_directory):
    paths = sorted((vault_directory / "certificates").glob("*.pem"))
    keys = {x509.load_pem_x509_certificate(path.read_bytes()).public_key().public_numbers() for path in paths}
    assert len(keys) == len(paths) == 14

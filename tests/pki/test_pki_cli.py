"""The command line as an officer meets it: help with examples, JSON, one sentence and a next step, roles."""

import json
import os
import pty
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from fixtures.token import make_token
from pki.cli import main
from pki.environment import Test
from pki.errors import RequestRefused
from pki.issue import grant_quota, open_factory
from pki.plan import read_plan
from pki.roles import caller

UNIT = "AC22-000001-7"
ROOT = Path(__file__).parents[2]


def run(*arguments: str | Path) -> tuple[int, str]:
    answer = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return answer.exit_code, answer.output


def test_status_tells_everything_as_json(pki_directory):
    code, text = run("status", "--dir", pki_directory, "--json")
    report = json.loads(text)
    assert code == 0
    assert report["problems"] == []
    assert report["tokens"][0]["label"] == "line3"


@pytest.mark.parametrize("damage", ["DROP TABLE events", "DROP TRIGGER keys_no_update"])
def test_status_fails_on_a_damaged_ledger(pki_directory, damage):
    connection = sqlite3.connect(pki_directory / "ledger.sqlite")
    connection.execute(damage)
    connection.close()
    code, text = run("status", "--dir", pki_directory)
    assert code == 1
    assert f"PROBLEM      the ledger lacks {damage.split()[-1]}" in text


@pytest.mark.parametrize(("breakage", "expected"), [("plan", 2), ("pin", 3), ("ledger", 1)])
def test_exit_codes_say_whose_turn_it_is(pki_directory, breakage, expected):
    if breakage == "plan":
        (pki_directory / "pki.toml").write_text("nonsense = 1")
    elif breakage == "pin":
        (pki_directory / "secrets" / "hsm-pin").write_text("00000000")
    else:
        (pki_directory / "ledger.sqlite").unlink()
    code, text = run("status", "--dir", pki_directory)
    assert code == expected
    assert len(text.splitlines()) == 2


def test_issue_by_hand(pki_directory, device, tmp_path):
    device.make_key()
    request = tmp_path / "request.der"
    request.write_bytes(device.request("AC22-000001-7"))
    asked = ("issue", request, "--environment", "test", "--unit", "AC22-000001-7", "--dir", pki_directory)
    code, chain = run(*asked)
    assert code == 0
    assert chain.count("BEGIN CERTIFICATE") == 2
    assert run(*asked) == (0, chain)


@pytest.mark.parametrize("command", sorted(main.commands))
def test_help_has_an_example(command):
    code, text = run(command, "--help")
    assert code == 0
    assert re.search(rf"Examples?:\n    pki {command} ", text)


def test_readme_shows_a_whole_ceremony_file(tmp_path):
    """Whoever copies it gets a plan, and no other names than those of the section before."""
    block = re.search(r"```toml\n(.*?)```", (ROOT / "pki" / "README.md").read_text(), re.DOTALL)
    file = tmp_path / "factory.toml"
    file.write_text(textwrap.dedent(block[1]))
    plan = read_plan(file)
    assert (set(plan.tokens), plan.keys.roots, plan.daily) == ({"online", "vault"}, "vault", ("online",))


def test_readme_names_commands_that_there_are():
    named = set(re.findall(r"`pki ([a-z][a-z-]*)", (ROOT / "pki" / "README.md").read_text()))
    assert named <= set(main.commands)
    assert named >= {"ceremony", "status", "renew", "revoke", "crl", "quota", "serve", "audit"}


def test_ceremony_by_command(ceremony_file, pki_directory):
    assert run("ceremony", ceremony_file, "--dir", pki_directory) == (0, "Nothing to do: the ceremony is complete.\n")


def with_roles(directory: Path, **roles: list[str]) -> None:
    """Give the PKI roles, as if its reviewed file had them."""
    lines = [f"{role} = {json.dumps(users)}" for role, users in roles.items()]
    with (directory / "pki.toml").open("a") as file:
        file.write("\n[roles]\n" + "\n".join(lines) + "\n")


REVOKE = ("revoke", "--environment", "test", "--unit", UNIT, "--reason", "superseded", "--detail", "rework")
OFFICERS = [
    ("renew", "test-server", "--reason", "why not"),
    REVOKE,
    ("quota", "WO-1", "--units", "5"),
    ("enrol-code", "--environment", "test", "--unit", UNIT, "--order", "WO-1"),
    ("kek", "batch-1"),
    ("crl", "--roots"),
    ("identity", "line3", "--reason", "why not"),
]


@pytest.mark.parametrize("command", OFFICERS, ids=lambda command: command[0])
def test_officer_commands_refuse_everybody_else(pki_directory, command):
    """F-K1: checked before anything is done, with the names of those who may."""
    with_roles(pki_directory, officers=["alice"], issuers=["line"])
    code, text = run(*command, "--dir", pki_directory)
    assert code == 1
    assert text.splitlines()[0] == f"Error: '{caller()}' is none of this PKI's " + text.splitlines()[0].split("'s ")[1]
    assert text.splitlines()[1] == "Ask alice."
    assert not list(pki_directory.glob("renewals/*"))


@pytest.mark.parametrize("command", OFFICERS, ids=lambda command: command[0])
def test_officer_may(pki_directory, device, command):
    factory = open_factory(pki_directory)
    device.make_key()
    factory.issuer(Test).issue(factory.issuer(Test).adopt(UNIT, "station", device.request(UNIT), UNIT, ""))
    factory.close()
    with_roles(pki_directory, officers=[caller()])
    assert run(*command, "--dir", pki_directory)[0] == 0


def test_officer_does_not_issue(pki_directory, device, tmp_path):
    """F-K1: nobody may both approve and issue."""
    with_roles(pki_directory, officers=[caller()], issuers=["line"])
    device.make_key()
    (tmp_path / "request.der").write_bytes(device.request(UNIT))
    asked = ("issue", tmp_path / "request.der", "--environment", "test", "--unit", UNIT, "--dir", pki_directory)
    assert run(*asked) == (1, f"Error: '{caller()}' is none of this PKI's issuers\nAsk line.\n")


@pytest.mark.parametrize("role", ["approvers", "officers"])
def test_who_approves_and_issues_is_refused_at_load(pki_directory, role):
    with_roles(pki_directory, **{"officers": ["alice"], role: ["bob"], "issuers": ["bob"]})
    code, text = run("status", "--dir", pki_directory)
    assert code == 2
    assert f"roles.{role} and roles.issuers share 'bob': nobody may both approve and issue" in text


def test_status_says_who_may_do_what(pki_directory):
    assert "whoever reads the PIN may do everything" in run("status", "--dir", pki_directory)[1]
    with_roles(pki_directory, officers=["alice"], issuers=["line"])
    found = json.loads(run("status", "--dir", pki_directory, "--json")[1])
    assert found["roles"] == {"officers": ["alice"], "approvers": [], "issuers": ["line"]}


def test_status_tells_keys_as_the_token_reports_them(pki_directory):
    found = json.loads(run("status", "--dir", pki_directory, "--json")[1])
    policies = [key["policy"] for key in found["keys"]]
    assert all(one["sensitive"] and one["never_extractable"] and not one["extractable"] for one in policies)
    assert found["tokens"][0]["transports"]
    assert {entry["name"] for entry in found["certificates"]} == {key["name"] for key in found["keys"]}


def test_status_without_the_vault_tells_what_the_transcript_told(vault_directory, safe):
    found = json.loads(run("status", "--dir", vault_directory, "--json")[1])
    root = next(key for key in found["keys"] if key["name"] == "ship-root")
    assert (found["problems"], root["reported"], root["policy"]["never_extractable"]) == ([], "transcript 0001", True)


def test_status_notices_a_key_that_was_not_always_safe(vault_directory, safe):
    path = vault_directory / "transcripts" / "0001" / "transcript.json"
    told = json.loads(path.read_bytes())
    told["keys"]["ship-root"]["policy"]["never_extractable"] = False
    path.write_text(json.dumps(told))
    code, text = run("status", "--dir", vault_directory)
    assert code == 1
    assert "key ship-root: token vault reports never_extractable false" in text


@pytest.mark.parametrize("damage", ["transcript.json", "transcript.sig", ""])
def test_status_notices_a_changed_transcript(pki_directory, damage):
    path = pki_directory / "transcripts" / "0001"
    if damage:
        data = (path / damage).read_bytes()
        (path / damage).write_bytes(data[:-2] + bytes([data[-2] ^ 1]) + data[-1:])
    else:
        shutil.rmtree(path)
    code, text = run("status", "--dir", pki_directory)
    assert code == 1
    assert "transcript" in next(line for line in text.splitlines() if line.startswith("PROBLEM"))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit SET entry = CAST(replace(entry, 'key-made', 'key-lost') AS BLOB) WHERE id = 3",
        "DELETE FROM audit WHERE id = 3",
        "DELETE FROM audit WHERE id > 10",
    ],
)
def test_status_notices_a_changed_audit_log(pki_directory, damage):
    """F-K3: an edit, a cut inside and a cut at the end, by somebody who took the triggers away and put them back."""
    connection = sqlite3.connect(pki_directory / "ledger.sqlite")
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    statements = [f"DROP TRIGGER {name}" for name, _ in triggers] + [damage] + [sql for _, sql in triggers]
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    code, text = run("status", "--dir", pki_directory)
    assert code == 1
    assert "audit" in next(line for line in text.splitlines() if line.startswith("PROBLEM"))


def test_work_order_brings_its_quota_by_an_approver_only(pki_directory, monkeypatch):
    """F-K1: the station's user, who issues, can't allow himself more; who he says he is counts for nothing."""
    with_roles(pki_directory, officers=["alice"], approvers=["carol"], issuers=[caller()])
    monkeypatch.setenv("LOGNAME", "carol")
    with pytest.raises(RequestRefused, match="is none of this PKI's officers or approvers"):
        grant_quota(pki_directory, "WO-1", 1000, 0)
    assert run("quota", "--dir", pki_directory) == (0, "no work order has a quota\n")


def test_quota_is_set_and_told(pki_directory):
    assert run("quota", "WO-1", "--units", "5", "--rework", "2", "--dir", pki_directory)[0] == 0
    found = json.loads(run("quota", "--dir", pki_directory, "--json")[1])
    assert [(one["environment"], one["left"]) for one in found] == [("test", 7), ("ship", 7)]
    assert "quota        WO-1 ship station: 7 left of 5 and 2 for rework" in run("status", "--dir", pki_directory)[1]


def test_revoked_certificate_is_on_the_published_list(pki_directory, device):
    factory = open_factory(pki_directory)
    device.make_key()
    made = factory.issuer(Test).issue(factory.issuer(Test).adopt(UNIT, "station", device.request(UNIT), UNIT, ""))
    factory.close()
    assert made.serial in run(*REVOKE, "--dir", pki_directory)[1]
    assert "published the CRL of test-issuing" in run("crl", "--dir", pki_directory)[1]
    assert run("crl", "--dir", pki_directory) == (0, "Nothing to do: every list is fresh.\n")
    command = ["openssl", "crl", "-inform", "DER", "-noout", "-text", "-in", pki_directory / "crl" / "test-issuing.crl"]
    assert made.serial in subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


def test_revoked_ca_is_on_the_list_of_its_root(vault_directory):
    """The vault's list is published by whoever brings the vault."""
    code, text = run(
        "revoke", "--part", "ship-issuing", "--reason", "superseded", "--detail", "G2", "--dir", vault_directory
    )
    assert code == 0
    assert "published the CRL of ship-intermediate" in run("crl", "--roots", "--dir", vault_directory)[1]
    command = [
        "openssl",
        "crl",
        "-inform",
        "DER",
        "-noout",
        "-text",
        "-in",
        vault_directory / "crl/ship-intermediate.crl",
    ]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout
    assert text.split()[2] in listed
    assert "Superseded" in listed


def test_audit_log_is_exported_signed(pki_directory, tmp_path):
    """F-K3: whoever has the audit certificate checks the export with nothing of ours."""
    file = tmp_path / "audit.jsonl"
    assert run("audit", "--export", file, "--dir", pki_directory)[0] == 0
    entries = [json.loads(line) for line in file.read_bytes().splitlines()]
    audit = load_pem_x509_certificate((pki_directory / "certificates" / "audit.pem").read_bytes())
    signature = (tmp_path / "audit.jsonl.sig").read_bytes()
    audit.public_key().verify(signature, file.read_bytes(), ec.ECDSA(hashes.SHA256()))
    assert {entry["act"] for entry in entries} >= {"key-made", "certificate-issued", "ceremony"}
    assert (entries[-1]["act"], entries[-1]["subject"]) == ("audit-exported", "audit.jsonl")
    assert len(json.loads(run("audit", "--last", "3", "--json", "--dir", pki_directory)[1])) == 3


def test_firmware_is_signed_by_its_own_key(vault_directory, tmp_path):
    """OCPP A00.FR.602: the manufacturer's hierarchy; the key lies in the vault."""
    image = tmp_path / "image.bin"
    image.write_bytes(b"firmware")
    assert run("firmware-sign", image, "--dir", vault_directory)[0] == 0
    key = tmp_path / "firmware.pub"
    certificate = vault_directory / "certificates" / "firmware.pem"
    subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey", "-out", key], check=True, timeout=30)
    command = ["openssl", "dgst", "-sha256", "-verify", key, "-signature", f"{image}.sig", image]
    assert subprocess.run(command, check=False, capture_output=True, timeout=30).stdout == b"Verified OK\n"


def test_batch_key_leaves_once_for_its_programmer(pki_directory, tmp_path):
    """Mode C of delivery: the key in the envelope is an AES-256 key that only the programmer's key opens."""
    private, public, out = (tmp_path / name for name in ("programmer.key", "programmer.pem", "batch.kek"))
    subprocess.run(["openssl", "genrsa", "-out", private, "2048"], check=True, capture_output=True, timeout=30)
    subprocess.run(
        ["openssl", "rsa", "-in", private, "-pubout", "-out", public], check=True, capture_output=True, timeout=30
    )
    code, text = run("kek", "batch-7", "--for", public, "--out", out, "--dir", pki_directory)
    assert code == 0
    digest = text.split()[-1]
    options = ["rsa_padding_mode:oaep", f"rsa_oaep_md:{digest}", f"rsa_mgf1_md:{digest}"]
    command = ["openssl", "pkeyutl", "-decrypt", "-inkey", private, "-in", out]
    command += [word for option in options for word in ("-pkeyopt", option)]
    assert len(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout) == 32
    assert run("kek", "batch-7", "--dir", pki_directory)[0] != 0


def test_serve_answers_until_it_is_told_to_end(pki_directory):
    """The service's own tests know it better; here it is started and ended as systemd does it."""
    command = [sys.executable, "-m", "pki.cli", "serve", "--dir", pki_directory, "--http", "127.0.0.1:0", "--https", ""]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as served:
        port = served.stderr.readline().split()[-1]
        answer = urlopen(f"http://127.0.0.1:{port}/ca/test-issuing.cer", timeout=30).read()
        served.send_signal(signal.SIGTERM)
        served.communicate(timeout=30)
    own = load_pem_x509_certificate((pki_directory / "certificates" / "test-issuing.pem").read_bytes())
    assert answer == own.public_bytes(Encoding.DER)
    assert served.returncode == 0


def test_password_is_sealed_and_the_same_again(pki_directory, tmp_path):
    """F-D7: only the recipient's key opens it; a new one needs a reason."""
    key, certificate, out = (tmp_path / name for name in ("cpo.key", "cpo.pem", "sealed.cms"))
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=CPO", "-keyout", key]
    subprocess.run([*made, "-out", certificate], check=True, capture_output=True, timeout=30)
    asked = ("password", "--environment", "ship", "--unit", UNIT, "--kind", "ocpp", "--for", certificate, "--out", out)
    assert run(*asked, "--dir", pki_directory)[0] == 0
    first = out.read_bytes()
    command = ["openssl", "cms", "-decrypt", "-inform", "DER", "-inkey", key, "-in", out]
    opened = json.loads(subprocess.run(command, check=True, capture_output=True, timeout=30).stdout)
    assert (opened["unit"], len(opened["password"]) >= 16) == (UNIT, True)
    assert opened["password"] not in run(*asked, "--dir", pki_directory)[1]
    assert out.read_bytes() == first
    assert run(*asked, "--reason", "leaked", "--dir", pki_directory)[0] == 0
    assert out.read_bytes() != first


@pytest.mark.parametrize("address", ["8080", "host:", "host:99999", "host:http"])
def test_serve_refuses_what_is_no_address(pki_directory, address):
    code, text = run("serve", "--dir", pki_directory, "--http", address)
    assert code == 2
    assert "is no HOST:PORT" in text


def at_terminal(command: list[str], typed: bytes) -> tuple[int, bytes]:
    """Run a command at a pseudo-terminal and type when it asks; return exit code and everything that was shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        os.execv(command[0], command)
    shown = b""
    with suppress(OSError):  # Linux tells the end of the other side so
        while chunk := os.read(terminal, 1024):
            if not shown and b": " in chunk:
                os.write(terminal, typed)
            shown += chunk
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def test_pin_is_asked_for_at_a_terminal_and_never_shown(pki_directory):
    """PIN only through `secret()`: credential, file, or a person; here a pseudo-terminal plays the person."""
    pin = (pki_directory / "secrets" / "hsm-pin").read_bytes()
    (pki_directory / "secrets" / "hsm-pin").unlink()
    command = [sys.executable, "-m", "pki.cli", "status", "--dir", str(pki_directory)]
    code, shown = at_terminal(command, pin + b"\n")
    assert code == 0, shown
    assert shown.startswith(b"PIN of token 'line3': ")
    assert pin not in shown


def test_missing_pin_without_a_terminal_is_a_sentence(pki_directory):
    (pki_directory / "secrets" / "hsm-pin").unlink()
    command = [sys.executable, "-m", "pki.cli", "status", "--dir", pki_directory]
    answer = subprocess.run(
        command, check=False, capture_output=True, text=True, timeout=60, cwd=ROOT, stdin=subprocess.DEVNULL
    )
    assert answer.returncode == 2
    assert answer.stderr.splitlines()[0] == "Error: secret 'hsm-pin' is missing: No such file or directory"


def test_what_the_disk_refuses_is_a_sentence(ceremony_file, tmp_path):
    (tmp_path / "file").write_text("no directory")
    code, text = run("ceremony", ceremony_file, "--dir", tmp_path / "file" / "pki")
    assert (code, len(text.splitlines())) == (2, 2)
    assert text.startswith("Error: ")


def test_dry_run_writes_nothing(ceremony_file, tmp_path):
    code, text = run("ceremony", ceremony_file, "--dir", tmp_path / "new", "--dry-run")
    assert code == 0
    assert "would make key ship-root (p256) in token online" in text
    assert not (tmp_path / "new").exists()


def test_ceremony_tells_its_progress_and_witnesses(ceremony_file, tmp_path):
    directory = tmp_path / "pki"
    make_token(directory, "line3")
    code, text = run("ceremony", ceremony_file, "--dir", directory, "--witness", "Q. A. Lead")
    told = json.loads((directory / "transcripts" / "0001" / "transcript.json").read_bytes())
    assert code == 0
    assert text.splitlines()[-1] == "signed transcript 0001"
    assert (told["witnesses"], told["by"]) == (["Q. A. Lead"], caller())

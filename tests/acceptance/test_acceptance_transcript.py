"""What a transcript keeps, and what it must not."""

import json

import pytest

from pki.passwords import Password, Verifier
from station.acceptance.transcript import REDACTED, Recorder, redact
from station.clock import utc_now

HIDDEN = {
    "1.6 write": {"key": "AuthorizationKey", "value": "S3CRET"},
    "1.6 read": {"configurationKey": [{"key": "AuthorizationKey", "readonly": False, "value": "S3CRET"}]},
    "2.0.1 write": {"setVariableData": [{"variable": {"name": "BasicAuthPassword"}, "attributeValue": "S3CRET"}]},
    "2.0.1 report": {"variable": {"name": "BasicAuthPassword"}, "variableAttribute": [{"value": "S3CRET"}]},
    "network profile": {"connectionData": {"basicAuthPassword": "S3CRET", "apn": {"apnPassword": "S3CRET"}}},
    "vendor key": {"key": "WifiPassphrase", "value": "S3CRET"},
}


@pytest.mark.parametrize("shape", HIDDEN)
def test_secrets_are_replaced_wherever_a_version_carries_them(shape: str) -> None:
    redacted = json.dumps(redact([2, "1", "Action", HIDDEN[shape]]))
    assert "S3CRET" not in redacted
    assert REDACTED in redacted


def test_other_values_stay() -> None:
    payload = [2, "1", "SetVariables", {"variable": {"name": "HeartbeatInterval"}, "attributeValue": "300"}]
    assert redact(payload) == payload


@pytest.mark.parametrize("secret", ["Tr0ub4dor3xQ9zKp2Lm8", "plain-and-long-enough", "x" * 16])
def test_a_known_secret_is_replaced_in_any_form(secret: str) -> None:
    recorder, frames = (
        Recorder(10_000, Verifier(Password(secret))),
        [secret, secret.encode().hex(), secret.encode().hex().upper()],
    )
    for text in frames:
        recorder.frame("in", 1, json.dumps([2, "1", "DataTransfer", {"data": f"<{text}>"}]), utc_now())
        recorder.frame("in", 1, f"broken {text}", utc_now())
    lines = [json.loads(line)["frame"] for line in recorder.export().data.splitlines()]
    assert len(lines) == 6
    assert not [line for line in lines if secret in line or secret.encode().hex() in line.lower()]


def test_a_full_transcript_says_how_much_is_missing() -> None:
    recorder = Recorder(300)
    for number in range(10):
        recorder.frame("in", 1, f'[2,"{number}","Heartbeat",{{}}]', utc_now())
    lines = [json.loads(line) for line in recorder.export().data.splitlines()]
    assert len(lines) < 10
    assert lines[-1] == {"event": "transcript full", "dropped": 11 - len(lines)}

"""Worlds for the driver's tests: simulated chargers, real Zephyr servers, and a device that says what a test wants."""

import binascii
import hashlib
import itertools
import os
import select
import struct
import threading
import tty
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cbor2
import pytest

from fixtures.charger.options import Options
from fixtures.charger.process import SimulatedCharger
from fixtures.firmware import FACTORY_IMAGE, PUBLIC_KEY, Recipe, build_release
from fixtures.zephyr import ZephyrServer, servers
from station.catalog.firmware import check_image, load_release
from station.catalog.source import Folder
from station.drivers.mcuboot import McubootCharger, open_charger
from station.records import open_records, upgrade
from tests.drivers.firmware_world import Line, load, make_catalog, open_order


@dataclass(frozen=True)
class Image:
    """A firmware image, and the digest under which a device lists it."""

    content: bytes
    digest: bytes


@dataclass
class World:
    """One charger in one slot, whoever plays it."""

    find_node: Callable[[], str | None]
    good: Image
    """Newer than what runs."""
    broken: Image
    """The device takes it and its bootloader refuses it."""
    folder: str
    """Where the device keeps files."""
    replug: Callable[[], None]
    """Pull the cable and put it back; the device stays powered and appears under another name."""
    charger: McubootCharger = field(init=False)

    def __post_init__(self) -> None:
        self.charger = open_charger(self.find_node)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small release of the AC22."""
    folder = tmp_path_factory.mktemp("catalog") / "firmware" / "ac22-1.4.0"
    build_release(folder, Recipe(size=12 * 1024))
    return folder


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def simulate(tmp_path: Path, release: Path, stack: ExitStack) -> Callable[..., SimulatedCharger]:
    """Start simulated chargers, unpaced unless a test says otherwise."""
    numbers = itertools.count()

    def start(**changes: Any) -> SimulatedCharger:
        number = next(numbers)
        given = {"firmware": release / FACTORY_IMAGE, "release_key": release / PUBLIC_KEY}
        given |= {"baud": 0, "boot_seconds": 0.05, "flash_seconds_per_kib": 0.0}
        options = Options(tmp_path / f"unit{number}", tmp_path / "ports", f"usb-{number}", **(given | changes))
        return stack.enter_context(SimulatedCharger(options))

    return start


@pytest.fixture
def simulated(simulate: Callable[..., SimulatedCharger], release: Path, stack: ExitStack) -> Callable[..., World]:
    """Start a world with a simulated charger."""

    def start(**changes: Any) -> World:
        charger = simulate(**changes)
        rule = load_release(Folder(release.parents[1]), release.name).image[0]
        content = rule.path.read_bytes()
        good = Image(content, check_image(content, rule).digest)
        broken = Image(_flip(content), good.digest)

        def replug() -> None:
            charger.unplug()
            charger.plug()

        world = World(lambda: charger.node, good, broken, "/lfs", replug)
        stack.callback(world.charger.close)
        return world

    return start


@pytest.fixture
def product_line(request: Any, tmp_path: Path, simulate: Callable, stack: ExitStack) -> Iterator[Line]:
    """A line that builds the product that the test asks for, by default the AC22."""
    product, _, encrypted = getattr(request, "param", "ac22").partition(" ")
    catalog = make_catalog(tmp_path, product, encrypted=bool(encrypted))
    recipe = load(catalog, f"{product}-eu")
    upgrade(f"sqlite:///{tmp_path / 'station.db'}")
    records = stack.enter_context(open_records(f"sqlite:///{tmp_path / 'station.db'}", "line1"))
    open_order(records, recipe)
    line = Line(records, catalog, recipe, simulate)
    yield line
    for charger in line.chargers:
        charger.close()


@pytest.fixture
def zephyr(stack: ExitStack) -> Callable[..., World]:
    """Start a world with a real Zephyr server."""

    def start(name: str, **changes: Any) -> World:
        server = servers()[name]
        running = stack.enter_context(ZephyrServer(server, **changes))
        good = _newer(server.image) if server.emulated else Image(b"", b"")
        broken = Image(_flip(good.content), good.digest) if server.emulated else good
        world = World(lambda: running.node, good, broken, "/lfs1", running.replug)
        stack.callback(world.charger.close)
        return world

    return start


def _flip(content: bytes) -> bytes:
    return content[:0x300] + bytes([content[0x300] ^ 1]) + content[0x301:]


def _newer(image: bytes) -> Image:
    """Return the server's own image as version 0.3.0: these images are hashed, not signed."""
    content = bytearray(image)
    content[21] = 3
    header, protected, size = struct.unpack_from("<HHI", content, 8)
    end = header + size + protected
    digest = hashlib.sha256(content[:end]).digest()
    assert struct.unpack_from("<HH", content, end + 4) == (0x10, 32)
    content[end + 8 : end + 40] = digest
    return Image(bytes(content), digest)


Reply = dict[str, Any] | bytes | None
"""A body, raw bytes for the wire, or no answer at all."""
IDENTITY = {"uid": b"\x01\x02\x03\x04\x05\x06\x07\x08", "model": "AC22", "key": False, "cert": False, "locked": False}


class Peer:
    """A device on a pty that answers each command with what a test put there; knows no SMP library."""

    def __init__(self) -> None:
        self.replies: dict[tuple[int, int, int], Callable[[dict[str, Any]], Reply] | Reply] = {
            (0, 0, 6): {"buf_size": 1024, "buf_count": 4},
            (0, 64, 0): IDENTITY,
        }
        """By operation (0 read, 2 write), group and command."""
        self.requests: list[bytes] = []
        """Every SMP message received, as it came."""
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.node: str | None = os.ttyname(self._slave)
        self._stop = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def asked(self, group: int, command: int) -> list[bytes]:
        """Return the messages received for a command, without their sequence number."""
        wanted = (group.to_bytes(2), command)
        return [m[:6] + b"\0" + m[7:] for m in self.requests if (m[4:6], m[7]) == wanted]

    def send(self, data: bytes) -> None:
        os.write(self._master, data)

    def close(self) -> None:
        os.write(self._stop[1], b".")
        self._thread.join(timeout=5)
        for descriptor in (self._master, self._slave, *self._stop):
            os.close(descriptor)

    def _run(self) -> None:
        text, pending = b"", b""
        while self._stop[0] not in select.select([self._master, self._stop[0]], [], [])[0]:
            *lines, pending = (pending + os.read(self._master, 65536)).split(b"\n")
            for line in lines:
                text = line[2:] if line.startswith(b"\x06\x09") else text + line[2:]
                raw = b64decode(text)
                if len(raw) >= 2 + int.from_bytes(raw[:2]):
                    assert binascii.crc_hqx(raw[2:], 0) == 0
                    self._answer(raw[2:-2])

    def _answer(self, message: bytes) -> None:
        self.requests.append(message)
        reply = self.replies.get((message[0] & 7, int.from_bytes(message[4:6]), message[7]), {"rc": 8})
        if callable(reply):
            reply = reply(cbor2.loads(message[8:]))
        if reply is not None:
            self.send(reply if isinstance(reply, bytes) else framed(respond(message, reply)))


def respond(request: bytes, body: dict[str, Any]) -> bytes:
    """Return the answer message to a request."""
    data = cbor2.dumps(body)
    return bytes([request[0] + 1, 0]) + len(data).to_bytes(2) + request[4:8] + data


def framed(message: bytes) -> bytes:
    """Return the lines that carry a message over a serial port."""
    raw = message + binascii.crc_hqx(message, 0).to_bytes(2)
    text = b64encode(len(raw).to_bytes(2) + raw)
    pieces = [text[at : at + 120] for at in range(0, len(text), 120)]
    return b"".join((b"\x04\x14" if at else b"\x06\x09") + piece + b"\n" for at, piece in enumerate(pieces))


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


@pytest.fixture
def wire() -> Any:
    """How the peer's answers are put on the wire: `respond` and `framed`."""

    class Wire:
        respond = staticmethod(respond)
        framed = staticmethod(framed)

    return Wire


@pytest.fixture
def sim_ask() -> Callable[[str, bytes], dict[str, Any]]:
    """Send one SMP message to a device file and return the body of the answer, without any SMP library."""

    def ask(node: str, message: bytes) -> dict[str, Any]:
        descriptor = os.open(node, os.O_RDWR | os.O_NOCTTY)
        try:
            tty.setraw(descriptor)
            os.write(descriptor, framed(message))
            return dict(cbor2.loads(_receive(descriptor)[8:]))
        finally:
            os.close(descriptor)

    return ask


def _receive(descriptor: int) -> bytes:
    pending, text = b"", b""
    while select.select([descriptor], [], [], 10)[0]:
        *lines, pending = (pending + os.read(descriptor, 65536)).split(b"\n")
        for line in lines:
            text += line[2:]
            raw = b64decode(text)
            if len(raw) >= 2 + int.from_bytes(raw[:2]):
                return raw[2:-2]
    raise TimeoutError("no answer")

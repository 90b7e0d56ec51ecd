"""Serial ports as udev knows them; the only owner of pyudev."""

import threading

import pyudev

from station.detect.ports import Sighting, in_order, split_path
from station.errors import ConfigError
from station.model import Port


class UdevPorts:
    """The ttys of this computer that hang on a bus with port paths.

    Ports without ID_PATH (consoles, ttys that udev has not finished with) do not exist for us: the next hint or tick
    shows them when they are ready.
    """

    def __init__(self) -> None:
        """Open libudev and subscribe to tty events.

        Raises:
            ConfigError: libudev or its event socket is not available.
        """
        try:
            self._context = pyudev.Context()
            # libudev contexts are not thread-safe: the monitor gets its own, the other is used under the lock.
            self._monitor = pyudev.Monitor.from_netlink(pyudev.Context())
            self._monitor.filter_by("tty")
            self._monitor.start()
        except (ImportError, OSError) as error:
            raise ConfigError(f"udev is not available: {error}", hint="Install libudev1, or use 'dir:PATH'.") from error
        self._lock = threading.Lock()
        self._watching = threading.Lock()
        self._closed = threading.Event()

    def list(self) -> tuple[Port, ...]:
        """Return the ports that exist now, ordered by path and interface."""
        with self._lock:
            seen = [_sighting(device) for device in self._context.list_devices(subsystem="tty")]
        return in_order([port for port in seen if port is not None])

    def wait(self, timeout: float) -> bool:
        """Return True as soon as something may have changed, False after `timeout` seconds."""
        if self._closed.is_set():
            return False
        with self._watching:
            hinted = self._monitor.poll(timeout) is not None
            while self._monitor.poll(0) is not None:
                pass
        return hinted

    def close(self) -> None:
        """Stop watching; a waiting call returns at its timeout."""
        self._closed.set()


def _sighting(device: pyudev.Device) -> Port | None:
    properties = device.properties
    if device.device_node is None or "ID_PATH" not in properties:
        return None
    try:
        path, interface = split_path(properties["ID_PATH"])
    except ValueError:
        return None
    return Sighting(
        path=path,
        node=device.device_node,
        interface=interface + _converter_port(device),
        product=_product(properties),
        arrival=properties.get("USEC_INITIALIZED", ""),
    )


def _converter_port(device: pyudev.Device) -> str:
    """Tell the ports of a multi-port converter apart where they share one interface, as udev's by-path links do."""
    converter = device.find_parent("usb-serial")
    number = converter.attributes.get("port_number", b"0") if converter is not None else b"0"
    return "" if number.strip() in (b"", b"0") else f"-port{number.decode('ascii', 'replace').strip()}"


def _product(properties: pyudev.device._device.Properties) -> str:
    numbers = ":".join(properties.get(name, "") for name in ("ID_VENDOR_ID", "ID_MODEL_ID"))
    text = f"{numbers.strip(':')} {properties.get('ID_MODEL', '')}".strip()
    return "".join(letter for letter in text if letter.isprintable())[:80]

"""An answer that never ends is cut off in whichever part of it the bytes drip (time is bounded as a whole)."""

import socket
import threading
import time
from dataclasses import replace

import pytest

from station.cpms import open_cpms
from station.errors import ServiceError

ABSENT = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
DRIPS = {
    "headers": (b"HTTP/1.1 404 Not Found\r\nX-Long: ", b"x", b"\r\nContent-Length: 0\r\n\r\n"),
    "interim answers": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", ABSENT),
    "chunk extension": (b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n0;x=", b"x", b"\r\n\r\n"),
}


class Dripping:
    """Answers one request at once and the next, on the same connection, drop by drop; in the end it is whole."""

    def __init__(self, begin, drop, end):
        self.begin, self.drop, self.end = begin, drop, end
        self.cut_off = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"staging+http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(ABSENT)
            connection.recv(65536)
            try:
                connection.sendall(self.begin)
                for _ in range(60):
                    connection.sendall(self.drop)
                    time.sleep(0.05)
                connection.sendall(self.end)
            except OSError:
                self.cut_off = True


@pytest.mark.parametrize("part", DRIPS)
def test_what_drips_is_cut_off_in_every_part_of_an_answer(part):
    """Each byte comes in time, the answer does not; the connection was in use before."""
    server = Dripping(*DRIPS[part])
    cpms = open_cpms(server.url, lambda: "token")
    hurried = replace(cpms, store=replace(cpms.store, http=replace(cpms.store.http, seconds=0.5)))
    assert cpms.read("AC22-000001-7") is None
    with pytest.raises(ServiceError, match="no answer in time"):
        hurried.read("AC22-000001-7")
    cpms.close()
    server.listener.close()
    server.thread.join(10)
    assert server.cut_off

"""A phone on loopback for the real adb client: the daemon's side of adb's protocol before a `fake_android.Android`."""

import os
import socket
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from fake_android import Android

_HEADER = struct.Struct("<4s5I")
_MAX_PAYLOAD = 65536
_BANNER = b"device::ro.product.name=fake;ro.product.model=Fake Phone;ro.product.device=fake;features=shell_v2,cmd"
_STDOUT, _STDERR, _EXIT = 1, 2, 3


class FakePhone:
    """Accepts adb clients until it is unplugged, which drops them all."""

    def __init__(self, android: Android) -> None:
        self.android = android
        self._server = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.unplug()

    @property
    def serial(self) -> str:
        return f"127.0.0.1:{self._server.getsockname()[1]}"

    def unplug(self) -> None:
        # Closing alone does not wake the threads that wait on a socket.
        for connection in (self._server, *self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            self._connections.append(connection)
            threading.Thread(target=_Transport(connection, self.android).serve, daemon=True).start()


class _Transport:
    """One client: messages in, streams out."""

    def __init__(self, connection: socket.socket, android: Android) -> None:
        self._connection, self._android = connection, android
        self._writing = threading.Lock()
        self._streams: dict[int, _Stream] = {}

    def send(self, command: bytes, first: int, second: int, data: bytes = b"") -> None:
        magic = struct.unpack("<I", command)[0] ^ 0xFFFFFFFF
        message = _HEADER.pack(command, first, second, len(data), sum(data) & 0xFFFFFFFF, magic) + data
        with self._writing:
            self._connection.sendall(message)

    def serve(self) -> None:
        try:
            while True:
                command, first, second, length, _, _ = _HEADER.unpack(self._receive(_HEADER.size))
                self._handle(command, first, second, self._receive(length))
        except OSError:
            for stream in list(self._streams.values()):
                stream.close()

    def _receive(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            part = self._connection.recv(length - len(data))
            if not part:
                raise ConnectionError
            data += part
        return data

    def _handle(self, command: bytes, first: int, second: int, data: bytes) -> None:
        stream = self._streams.get(second)
        if command == b"CNXN":
            self.send(b"CNXN", 0x01000000, _MAX_PAYLOAD, _BANNER)
        elif command == b"OPEN":
            opened = _Stream(self, len(self._streams) + 1, first)
            self._streams[opened.local] = opened
            self.send(b"OKAY", opened.local, first)
            service = data.rstrip(b"\0").decode()
            threading.Thread(target=_serve, args=(service, opened, self._android), daemon=True).start()
        elif command == b"OKAY" and stream:
            stream.acknowledged.release()
        elif command == b"WRTE" and stream:
            stream.feed(data)
            self.send(b"OKAY", stream.local, first)
        elif command == b"CLSE" and stream:
            stream.close()


class _Stream:
    """A two-way channel with one unacknowledged message at most."""

    def __init__(self, transport: _Transport, local: int, remote: int) -> None:
        self._transport, self.local, self._remote = transport, local, remote
        self.acknowledged = threading.Semaphore(1)
        self._data, self._closed, self._changed = b"", False, threading.Condition()

    def write(self, data: bytes) -> None:
        for start in range(0, len(data), _MAX_PAYLOAD):
            self.acknowledged.acquire()
            self._transport.send(b"WRTE", self.local, self._remote, data[start : start + _MAX_PAYLOAD])

    def read(self, length: int) -> bytes:
        with self._changed:
            self._changed.wait_for(lambda: len(self._data) >= length or self._closed)
            data, self._data = self._data[:length], self._data[length:]
        return data

    def feed(self, data: bytes) -> None:
        with self._changed:
            self._data += data
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify()
        self.acknowledged.release()

    def finish(self) -> None:
        self.acknowledged.acquire(timeout=5)
        self._transport.send(b"CLSE", self.local, self._remote)


def _serve(service: str, stream: _Stream, android: Android) -> None:
    try:
        if service == "sync:":
            _sync(stream, android)
        else:
            kind, _, command = service.partition(":")
            _shell(stream, android, command, framed=kind.startswith("shell,v2"))
        stream.finish()
    except OSError:
        return  # the cable was pulled


def _shell(stream: _Stream, android: Android, command: str, *, framed: bool) -> None:
    status, output, error = android.run(command)
    if not framed:
        stream.write(output)
        return
    for kind, data in ((_STDOUT, output), (_STDERR, error.encode()), (_EXIT, bytes([status]))):
        if data:
            stream.write(struct.pack("<BI", kind, len(data)) + data)


def _sync(stream: _Stream, android: Android) -> None:
    while len(header := stream.read(8)) == 8 and header[:4] != b"QUIT":
        argument = stream.read(struct.unpack("<I", header[4:])[0]).decode()
        if header[:4] == b"STAT":
            stream.write(b"STAT" + struct.pack("<III", *_stat(android.place(argument))))
        elif header[:4] == b"SEND":
            _send(stream, android, argument.rpartition(",")[0])


def _stat(path: Path) -> tuple[int, int, int]:
    if not path.exists():
        return 0, 0, 0
    facts = path.stat()
    return facts.st_mode, facts.st_size, int(facts.st_mtime)


def _send(stream: _Stream, android: Android, target: str) -> None:
    data = b""
    while (header := stream.read(8))[:4] == b"DATA":
        data += stream.read(struct.unpack("<I", header[4:])[0])
    refusal = android.receive(target, data)
    if refusal is None:
        stream.write(b"OKAY" + bytes(4))
    else:
        stream.write(b"FAIL" + struct.pack("<I", len(refusal)) + refusal.encode())


@contextmanager
def adb_server(home: Path, port: int) -> Iterator[None]:
    """An adb server of its own on ``port``, stopped at the end; the caller sets ANDROID_ADB_SERVER_PORT and HOME."""
    home.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(home), "ANDROID_ADB_SERVER_PORT": str(port)}
    subprocess.run(["adb", "start-server"], env=environment, capture_output=True, check=True)
    try:
        yield
    finally:
        subprocess.run(["adb", "kill-server"], env=environment, capture_output=True, check=False)

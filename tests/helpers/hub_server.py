"""A hub on the loopback interface: as much of its protocol as huggingface_hub asks for, and its faults on demand."""

import base64
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import repeat
from threading import Event, Thread
from typing import Any, BinaryIO

LARGE = (".safetensors", ".bin")


@dataclass
class Repository:
    """One repository at one commit.

    ``status`` other than 200 is the answer to every request, ``page`` its body; ``file_page`` is sent for every file.
    ``cut`` closes the connection after that many bytes of a large file. ``headers`` replace those of every file,
    ``oid`` and ``sha`` what the listing calls files and the commit. ``stall`` waits before a large file, ``drip`` sends
    it byte by byte, and ``endless`` without a length and without an end.
    """

    name: str
    files: dict[str, bytes]
    commit: str = "a" * 40
    status: int = 200
    page: bytes | None = None
    file_page: bytes | None = None
    error_code: str | None = None
    moved_to: str | None = None
    cut: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    oid: str | None = None
    sha: str | None = None
    stall: float = 0
    drip: bool = False
    drip_headers: bool = False
    endless: bool = False
    requests: list[str] = field(default_factory=list)
    posted: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    agents: set[str] = field(default_factory=set)

    def entry(self, path: str) -> dict[str, object]:
        data = self.files[path]
        listed: dict[str, object] = {"type": "file", "path": path, "size": len(data), "oid": self.oid or git_id(data)}
        if path.endswith(LARGE):
            oid = self.oid or hashlib.sha256(data).hexdigest()
            listed["lfs"] = {"oid": oid, "size": len(data), "pointerSize": 130}
        return listed


def git_id(data: bytes) -> str:
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


class _Slow(BaseHTTPRequestHandler):
    before: Callable[[BinaryIO], None]

    def handle_one_request(self) -> None:
        self.before(self.wfile)
        super().handle_one_request()


@contextmanager
def serve(repository: Repository) -> Iterator[str]:
    """The endpoint of a server that holds ``repository`` until the block ends."""

    over = Event()

    class Handler(_Slow):
        protocol_version = "HTTP/1.1"
        before = staticmethod(partial(drip, repository, over))

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def do_POST(self) -> None:
            """What a commit is made of: every file comes inside of its request."""
            path = self.path.partition("?")[0]
            lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
            given = [json.loads(line) for line in lines]
            repository.posted += [(path, each) for each in given]
            status, headers, data = accept(repository, path, given, f"http://{self.headers['Host']}")
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(data))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def answer(self, *, body: bool) -> None:
            path = self.path.partition("?")[0]
            repository.requests.append(f"{self.command} {path}")
            repository.agents.add(self.headers.get("User-Agent", ""))
            status, headers, data = respond(repository, path)
            large = body and path.startswith("/cdn/")
            if large:
                over.wait(repository.stall)
            if not large or not repository.endless:
                headers = {"Content-Length": str(len(data))} | headers
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.close_connection = large and (repository.drip or repository.endless or repository.cut is not None)
            with suppress(OSError):
                for block in blocks(repository, data, large=large) if body else ():
                    self.wfile.write(block)
                    if over.wait(0.05 if repository.drip else 0):
                        return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        server.server_close()
        thread.join()


def drip(repository: Repository, over: Event, file: BinaryIO) -> None:
    """Where the repository asks for it, send the head of an answer byte by byte, for minutes."""
    with suppress(OSError):
        for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"a" * 10_000 if repository.drip_headers else b"":
            file.write(bytes([byte]))
            if over.wait(0.05):
                return


def blocks(repository: Repository, data: bytes, *, large: bool) -> Iterable[bytes]:
    """How the bytes of an answer are sent."""
    if large and repository.endless:
        return repeat(bytes(1 << 20))
    if large and repository.drip:
        return (data[at : at + 1] for at in range(len(data)))
    return [data[: repository.cut] if large else data]


def accept(
    repository: Repository, path: str, given: list[dict[str, Any]], endpoint: str
) -> tuple[int, dict[str, str], bytes]:
    """The answer to a POST; the files of a commit are kept under their paths."""
    if repository.status != 200:
        return repository.status, {}, b"{}"
    found: dict[str, object] = {}
    if path == "/api/repos/create":
        found = {"url": f"{endpoint}/{repository.name}", "name": repository.name}
    elif "/preupload/" in path:
        files = [file["path"] for file in given[0]["files"]]
        found = {"files": [{"path": file, "uploadMode": "regular", "shouldIgnore": False} for file in files]}
    elif "/commit/" in path:
        for entry in given:
            if entry["key"] == "deletedFile":
                del repository.files[entry["value"]["path"]]
            if entry["key"] == "file":
                repository.files[entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
        home = f"{endpoint}/{repository.name}"
        found = {
            "commitUrl": f"{home}/commit/{repository.commit}",
            "commitOid": repository.commit,
            "pullRequestUrl": f"{home}/discussions/1",
        }
    return 200, {}, json.dumps(found).encode()


def respond(repository: Repository, path: str) -> tuple[int, dict[str, str], bytes]:
    name, commit = repository.name, repository.commit
    if repository.page is not None or repository.status != 200:
        headers = {"X-Error-Code": repository.error_code} if repository.error_code else {}
        return repository.status, headers, repository.page or b"{}"
    if path.startswith(f"/cdn/{name}/"):
        data = repository.files[path.removeprefix(f"/cdn/{name}/")]
        headers = {"X-Repo-Commit": commit, "ETag": f'"{hashlib.sha256(data).hexdigest()}"'}
        return 200, headers, repository.file_page or data
    if repository.moved_to is not None and f"/{name}" in path and f"/{repository.moved_to}" not in path:
        return 307, {"Location": path.replace(f"/{name}", f"/{repository.moved_to}")}, b""
    name = repository.moved_to or name
    if path == f"/api/models/{name}" or path.startswith(f"/api/models/{name}/revision/"):
        if path.rpartition("/revision/")[2] not in (commit, "main", path):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b"{}"
        info = {
            "id": name,
            "sha": repository.sha or commit,
            "siblings": [{"rfilename": file} for file in repository.files],
        }
        return 200, {}, json.dumps(info).encode()
    if path.startswith(f"/api/models/{name}/tree/"):
        return 200, {}, json.dumps([repository.entry(file) for file in repository.files]).encode()
    for resolved in (f"/{name}/resolve/{commit}/", f"/{name}/resolve/main/"):
        file = path.removeprefix(resolved)
        if path.startswith(resolved) and file in repository.files:
            return file_answer(repository, file)
        if path.startswith(resolved):
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": commit}, b"{}"
    return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"


def file_answer(repository: Repository, file: str) -> tuple[int, dict[str, str], bytes]:
    """Small files come at once; large ones are redirected to where they are stored."""
    data = repository.files[file]
    headers = {"X-Repo-Commit": repository.commit, "ETag": f'"{git_id(data)}"'} | repository.headers
    if not file.endswith(LARGE):
        return 200, headers, repository.file_page or data
    linked = {
        "Location": f"/cdn/{repository.name}/{file}",
        "X-Linked-ETag": f'"{hashlib.sha256(data).hexdigest()}"',
        "X-Linked-Size": str(len(data)),
    }
    return 302, headers | linked | repository.headers, b""

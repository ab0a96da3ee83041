"""What a hub's server answers, looked at before huggingface_hub names files by it or waits for more of it.

The library calls a cached file what the server's ETag says, "../../x" as well. An answer that is none of the hub's is a
ValueError, whoever gave it: the hub, a mirror, or what stands between.
"""

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from threading import local
from time import monotonic
from typing import Any

# Read once, when the library is imported: it needs no account of what is installed here, and its second way to download
# goes around what this module looks at.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_XET", "1")

import httpx2
from huggingface_hub.utils import _http

from squeezebert_mobile.files import MAX_BYTES, MAX_JSON_BYTES

# For everything but the bytes of files, and for those before they have to come at a modem's rate.
PATIENCE_SECONDS = 60.0
_SLOWEST_BYTES_PER_SECOND = 10_000
_WAIT_SECONDS = 10.0
_COMMIT = re.compile("[0-9a-f]{40}")
# git's and SHA-256 digests.
_DIGEST = re.compile("[0-9a-f]{40}(?:[0-9a-f]{24})?")
_API = "/api/"


@contextmanager
def guarded() -> Iterator[None]:
    """Look at every answer that huggingface_hub gets in this block, in each of its threads."""
    watch = _Watch()
    # A client that lost its connection is replaced, so that hooks on the present one would be lost; the library has
    # no public way to ask for the maker of clients that it has.
    make = _http._GLOBAL_CLIENT_FACTORY

    def make_guarded() -> httpx2.Client:
        client = make()
        hooks = client.event_hooks
        client.event_hooks = {
            "request": [*hooks["request"], watch.ask],
            "response": [*hooks["response"], watch.look],
        }
        # Neither has the client a public way to its connections.
        for transport in (client._transport, *client._mounts.values()):
            if (pool := getattr(transport, "_pool", None)) is not None:
                pool._network_backend = _Network(pool._network_backend, watch)
        return client

    _http.set_client_factory(make_guarded)
    try:
        yield
    finally:
        _http.set_client_factory(make)


class _Watch:
    def __init__(self) -> None:
        self._ends = monotonic() + PATIENCE_SECONDS
        # Of each thread, until when the headers that it reads have to be there.
        self._headers = local()

    def ask(self, request: httpx2.Request) -> None:
        """Give the server no longer than is left, and have it send what it stores."""
        left = self._ends - monotonic()
        if left <= 0:
            raise httpx2.ReadTimeout(f"no answer in {PATIENCE_SECONDS:.0f} s", request=request)
        given = request.extensions.get("timeout") or {}
        waits = {step: min(left, given.get(step) or _WAIT_SECONDS) for step in ("connect", "read", "write", "pool")}
        request.extensions["timeout"] = waits
        self._headers.until = self._ends
        request.headers["Accept-Encoding"] = "identity"

    def look(self, response: httpx2.Response) -> None:
        """Raise ValueError for an answer that would name a file, or have no end."""
        self._headers.until = None
        length = _length(response.headers.get("content-length"))
        _length(response.headers.get("x-linked-size"))
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ValueError("an encoding that was not asked for")
        limit = MAX_JSON_BYTES if length is None or response.url.path.startswith(_API) else length
        response.stream = _Bounded(response.stream, self, limit)
        if response.request.method == "HEAD" and not _is_passed_on(response):
            _require_names(response.headers)
        elif response.url.path.startswith(_API) and response.is_success:
            response.read()
            _require_listing(response.content)

    def wait(self, timeout: float | None) -> float | None:
        """How long to wait for the next bytes: headers that come one by one are late together."""
        until: float | None = getattr(self._headers, "until", None)
        if until is None:
            return timeout
        if (left := until - monotonic()) <= 0:
            raise httpx2.ReadTimeout(f"no whole answer in {PATIENCE_SECONDS:.0f} s")
        return left if timeout is None else min(timeout, left)

    def prolong(self, seconds: float) -> None:
        """What was spent on bytes that came fast enough is not waiting."""
        self._ends += seconds


class _Network:
    """What connects a client: its connections wait as long as the watch says."""

    def __init__(self, inner: Any, watch: _Watch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def connect_tcp(self, *given: Any, **named: Any) -> "_Stream":
        """A connection to a host."""
        return _Stream(self._inner.connect_tcp(*given, **named), self._watch)


class _Stream:
    """A connection."""

    def __init__(self, inner: Any, watch: _Watch) -> None:
        self._inner, self._watch = inner, watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The bytes that are there."""
        found: bytes = self._inner.read(max_bytes, self._watch.wait(timeout))
        return found

    def start_tls(self, *given: Any, **named: Any) -> "_Stream":
        """The connection, encrypted."""
        return _Stream(self._inner.start_tls(*given, **named), self._watch)


class _Bounded(httpx2.SyncByteStream):
    """The bytes of an answer: not more than ``limit``, and not slower than a modem."""

    def __init__(self, stream: object, watch: _Watch, limit: int) -> None:
        assert isinstance(stream, httpx2.SyncByteStream)
        self._stream, self._watch, self._limit = stream, watch, limit

    def __iter__(self) -> Iterator[bytes]:
        start, received = monotonic(), 0
        for block in self._stream:
            received += len(block)
            if received > self._limit:
                raise ValueError(f"more than {self._limit} bytes")
            if monotonic() - start > PATIENCE_SECONDS + received / _SLOWEST_BYTES_PER_SECOND:
                raise httpx2.ReadTimeout(f"{received} bytes in {monotonic() - start:.0f} s")
            yield block
        self._watch.prolong(monotonic() - start)

    def close(self) -> None:
        self._stream.close()


def _length(text: str | None) -> int | None:
    """The number of bytes that a header states."""
    if text is None:
        return None
    if not re.fullmatch("[0-9]{1,15}", text) or int(text) > MAX_BYTES:
        raise ValueError(f"a length of {text[:30]}")
    return int(text)


def _is_passed_on(response: httpx2.Response) -> bool:
    """True for an answer that leads to another of the same server, whose names the library takes instead."""
    if not response.has_redirect_location:
        return False
    target = response.url.join(response.headers["location"])
    return (target.scheme, target.netloc) == (response.url.scheme, response.url.netloc)


def _require_names(headers: httpx2.Headers) -> None:
    """What the library calls the file and its folder."""
    for name in ("etag", "x-linked-etag"):
        value = headers.get(name)
        if value is not None and not _DIGEST.fullmatch(value.removeprefix("W/").strip('"')):
            raise ValueError(f"an {name} that is no digest")
    commit = headers.get("x-repo-commit")
    if commit is not None and not _COMMIT.fullmatch(commit):
        raise ValueError("a commit that is none")


def _require_listing(data: bytes) -> None:
    """The commit of a repository, or the digests of its files."""
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("a listing without end") from None
    match content:
        case {"sha": sha} if not (isinstance(sha, str) and _COMMIT.fullmatch(sha)):
            raise ValueError("a commit that is none")
        case [*entries]:
            held = [entry for entry in entries if isinstance(entry, dict)]
            stored = [entry["lfs"] for entry in held if isinstance(entry.get("lfs"), dict)]
            if not all(_DIGEST.fullmatch(str(entry.get("oid"))) for entry in [*held, *stored]):
                raise ValueError("a file whose name is no digest")

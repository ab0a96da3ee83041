"""An Android phone as adb's shell sees it: it refuses what Android 11 to 15 refuse, and knows no other commands.

A folder stands in for its storage. The shell may not make an app's folder before the app did, the app writes its files
for itself alone, and `run-as` enters a debuggable app only. A test sets the phone's state, and its ``replies`` where a
model answers otherwise.
"""

import shlex
import shutil
import stat
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

APP = "org.squeezebert.demo.app"
DENIED, MISSING = "Permission denied", "No such file or directory"
Reply = tuple[int, bytes, str]
Extras = Mapping[str, str]


class Refused(Exception):
    """A command's failure, in the words of the device."""


def idle(_: "Android", __: Extras) -> None:
    """An app that measures nothing and lives on."""


@dataclass
class Android:
    """The state of a phone. ``app`` is what runs when a measurement is started; ``acl`` is whether Android lets the
    shell into the folder that an app made, as it should."""

    root: Path
    sdk: int = 34
    abis: str = "arm64-v8a,armeabi-v7a"
    user: int = 0
    installed_for: tuple[int, ...] = (0, 10)
    acl: bool = True
    debuggable: bool = True
    room: bool = True
    awake: bool = True
    locked: bool = False
    saver: bool = False
    doze: str = "ACTIVE"
    timeout_ms: int = 120_000
    contract: int = 4
    log: str = "FATAL EXCEPTION: pool-1-thread-1\njava.lang.OutOfMemoryError"
    process: str | None = None
    app: Callable[["Android", Extras], None] = idle
    replies: dict[str, Reply] = field(default_factory=dict)
    slow: dict[str, float] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def run(self, command: str) -> Reply:
        """The answer to a command of the shell: exit status, stdout, stderr."""
        self.asked.append(command)
        for begin, seconds in self.slow.items():
            if command.startswith(begin):
                time.sleep(seconds)
        for begin, reply in self.replies.items():
            if command.startswith(begin):
                return reply
        return self._execute(shlex.split(command), by_app=False)

    def _execute(self, words: list[str], *, by_app: bool) -> Reply:
        name, *arguments = words
        method = getattr(self, "_" + name.replace("-", "_"), None)
        if method is None or name not in _COMMANDS:
            return 127, b"", f"/system/bin/sh: {name}: inaccessible or not found"
        try:
            return 0, method(arguments, by_app), ""
        except Refused as error:
            return 1, b"", f"{name}: {error}"

    def place(self, path: str) -> Path:
        """Where a path of the phone lies here."""
        return self.root / path.replace("/sdcard/", "/storage/emulated/0/", 1).lstrip("/")

    def app_folder(self, extras: Extras) -> Path:
        """The folder that the app was told to use."""
        private = extras.get("folder") == "private"
        return self.place(f"/data/user/{self.user}/{APP}/files") if private else self._external / "files"

    @property
    def _external(self) -> Path:
        return self.place(f"/storage/emulated/{self.user}/Android/data/{APP}")

    def app_writes(self, path: Path, text: str) -> None:
        """As the app does: folders and files for itself, then opened to all readers."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644 if self.acl else 0o600)

    def receive(self, target: str, data: bytes) -> str | None:
        """Take a file from adb's sync service, which changes its owner; the words of the refusal, or None."""
        if not self.room:
            return "couldn't write: No space left on device"
        if "/Android/data/" in target:
            return "fchown failed: Operation not permitted"
        if not target.startswith("/data/local/tmp/"):
            return f"couldn't create file: {DENIED}"
        path = self.place(target)
        path.parent.mkdir(mode=0o771, parents=True, exist_ok=True)
        path.write_bytes(data)
        path.chmod(0o600)
        return None

    def _check(self, path: str, by_app: bool, *, write: bool) -> Path:
        """The place of a path that shell or app may read or write."""
        found = self.place(path)
        in_tmp, external = path.startswith("/data/local/tmp/"), found.is_relative_to(self._external)
        private = found.is_relative_to(self.place(f"/data/user/{self.user}/{APP}"))
        if by_app:
            allowed = private or (in_tmp and not write and _open_to_all(found, self.place("/data/local/tmp")))
        elif external:
            allowed = self._external.exists() if write else True
            allowed = allowed and (self.acl or (not write and _open_to_all(found, self._external.parent)))
        else:
            allowed = in_tmp
        if not allowed and not (external and not write and not self._external.exists()):
            raise Refused(f"{path}: {DENIED}")
        return found

    def _getprop(self, words: list[str], _: bool) -> bytes:
        return {"ro.build.version.sdk": str(self.sdk), "ro.product.cpu.abilist": self.abis}.get(words[0], "").encode()

    def _pm(self, words: list[str], _: bool) -> bytes:
        if int(words[words.index("--user") + 1]) not in self.installed_for:
            raise Refused("")
        return f"package:/data/app/{APP}/base.apk".encode()

    def _settings(self, words: list[str], _: bool) -> bytes:
        known = {"low_power": str(int(self.saver)), "screen_off_timeout": str(self.timeout_ms)}
        return known.get(words[-1], "null").encode()

    def _dumpsys(self, words: list[str], _: bool) -> bytes:
        said = {
            "power": f"POWER MANAGER (dumpsys power)\n  mWakefulness={'Awake' if self.awake else 'Asleep'}",
            "window policy": f"KeyguardServiceDelegate\n showing={str(self.locked).lower()}\n secure=true",
            "deviceidle get deep": self.doze,
        }
        return said[" ".join(words)].encode()

    def _am(self, words: list[str], _: bool) -> bytes:
        if words == ["get-current-user"]:
            return str(self.user).encode()
        user = words[words.index("--user") + 1]
        if words[0] == "force-stop":
            self.process = None
            return b""
        if user != str(self.user):
            return b"Status: ok"  # a start that nobody sees
        extras = {words[i + 1]: words[i + 2] for i, word in enumerate(words) if word in ("--es", "--ei")}
        self.process = "42"
        for folder in (self._external / "files", self.app_folder({"folder": "private"})):
            self.app_writes(folder / "ready.json", f'{{"contract":{self.contract}}}')
        shell_alone = f"{APP}/.Measure" in words
        if "run_id" in extras and (self.debuggable or shell_alone):
            threading.Thread(target=self._measure, args=(extras,), daemon=True).start()
        return b"Starting: Intent\nStatus: ok"

    def _measure(self, extras: Extras) -> None:
        pushed = self.app_folder(extras) / "pushed"
        wanted = [pushed / file.partition("/")[0] for file in extras["artifacts"].split(",")]
        shut = [p for top in wanted for p in (top, *top.rglob("*")) if not _open_to_all(p, pushed)]
        if shut and extras.get("folder") != "private":
            self.report(extras, "failed", 0, f"{shut[0]}: {DENIED}")
        else:
            with suppress(OSError):  # the phone was unplugged and its folder is gone
                self.app(self, extras)

    def report(self, extras: Extras, state: str, fraction: float, error: str | None = None) -> None:
        """Write the app's status file."""
        said = "null" if error is None else f'"{error}"'
        text = f'{{"run_id":"{extras["run_id"]}","state":"{state}","fraction":{fraction},"error":{said}}}'
        self.app_writes(self.app_folder(extras) / f"runs/{extras['run_id']}.status.json", text)

    def _pidof(self, _: list[str], __: bool) -> bytes:
        if self.process is None:
            raise Refused("")
        return self.process.encode()

    def _logcat(self, words: list[str], _: bool) -> bytes:
        return f"logcat {' '.join(words)}\n{self.log}".encode()

    def _run_as(self, words: list[str], _: bool) -> bytes:
        if not self.debuggable:
            raise Refused(f"package not debuggable: {words[0]}")
        rest = words[3:] if words[1] == "--user" else words[1:]
        status, output, error = self._execute(rest, by_app=True)
        if status:
            raise Refused(error)
        return output

    def _cat(self, words: list[str], by_app: bool) -> bytes:
        path = self._check(words[0], by_app, write=False)
        if not path.is_file():
            raise Refused(f"{words[0]}: {MISSING}")
        return path.read_bytes()

    def _stat(self, words: list[str], by_app: bool) -> bytes:
        return str(len(self._cat(words[-1:], by_app))).encode()

    def _find(self, words: list[str], by_app: bool) -> bytes:
        top = self._check(words[0], by_app, write=False)
        if not top.exists():
            raise Refused(f"{words[0]}: {MISSING}")
        files = [path for path in sorted(top.rglob("*")) if path.is_file()]
        return "\n".join(f"{p.stat().st_size} {words[0]}/{p.relative_to(top)}" for p in files).encode()

    def _mkdir(self, words: list[str], by_app: bool) -> bytes:
        self._check(words[-1], by_app, write=True).mkdir(mode=0o700, parents=True, exist_ok=True)
        return b""

    def _rm(self, words: list[str], by_app: bool) -> bytes:
        for path in words[1:]:
            shutil.rmtree(self._check(path, by_app, write=True), ignore_errors=True)
        return b""

    def _mv(self, words: list[str], by_app: bool) -> bytes:
        source, target = (self._check(path, by_app, write=True) for path in words)
        source.rename(target)
        return b""

    def _cp(self, words: list[str], by_app: bool) -> bytes:
        source, target = self._check(words[1], by_app, write=False), self._check(words[2], by_app, write=True)
        if by_app and (shut := [p for p in source.rglob("*") if not _open_to_all(p, self.place("/data/local/tmp"))]):
            raise Refused(f"{shut[0].name}: {DENIED}")
        shutil.copytree(source, target)
        for path in (target, *target.rglob("*")):  # as with a umask of 077
            path.chmod(path.stat().st_mode & ~0o077)
        return b""

    def _chmod(self, words: list[str], by_app: bool) -> bytes:
        top = self._check(words[-1], by_app, write=True)
        for path in (top, *top.rglob("*")):
            path.chmod(path.stat().st_mode | (0o555 if path.is_dir() else 0o444))
        return b""


_COMMANDS = (
    *("getprop", "pm", "settings", "dumpsys", "am", "pidof", "logcat", "run-as"),
    *("cat", "stat", "find", "mkdir", "rm", "mv", "cp", "chmod"),
)


def _open_to_all(path: Path, below: Path) -> bool:
    """Whether all may read a file, or pass a folder, and pass every folder above it up to ``below``."""
    if not path.exists():
        return True
    above = [parent for parent in path.parents if parent.is_relative_to(below) and parent != below]
    read = stat.S_IXOTH if path.is_dir() else stat.S_IROTH
    return bool(path.stat().st_mode & read) and all(parent.stat().st_mode & stat.S_IXOTH for parent in above)

"""The adb client as a few calls with clean errors: which devices there are, shell, push and reading files."""

import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from squeezebert_mobile.errors import EnvironmentFault

_COMMAND_SECONDS = 60
_PUSH_SECONDS = 1800
# What adb says when the cable or the device is gone, as opposed to a command that failed on the device.
_GONE = ("not found", "offline", "no devices", "closed", "protocol fault", "connection reset", "broken pipe")
_STEPS = {
    "unauthorized": "unlock the device and allow this computer's key",
    "offline": "plug the device in again, or restart it",
    "no permissions": "add a udev rule for the device, or run adb as its user",
    "recovery": "start Android on the device",
    "bootloader": "start Android on the device",
}


@dataclass(frozen=True)
class Listed:
    """One line of ``adb devices -l``: serial, state and the model where adb knows it."""

    serial: str
    state: str
    model: str | None


@dataclass(frozen=True)
class Adb:
    """One device, ready for commands. Every method raises EnvironmentFault where the device is gone."""

    serial: str

    @classmethod
    def connect(cls, serial: str) -> Self:
        """The device of that serial number. Raises EnvironmentFault where it is not attached or not ready."""
        found = {device.serial: device for device in listed()}
        if serial not in found:
            have = ", ".join(found) or "none"
            raise _fault(serial, "is not attached", found=have, fix="plug it in, or choose one of those found")
        _require_ready(found[serial])
        return cls(serial)

    def shell(self, *command: str) -> str:
        """What a command on the device writes; its words are quoted for the device's shell.

        Raises EnvironmentFault where it fails.
        """
        return self._run("shell", shlex.join(command)).decode(errors="replace")

    def succeeds(self, *command: str) -> bool:
        """Whether a command on the device exits with 0."""
        return self.shell("sh", "-c", f"{shlex.join(command)} >/dev/null 2>&1 && echo yes || echo no").strip() == "yes"

    def read(self, path: str) -> bytes | None:
        """The bytes of a file on the device, None where there is none."""
        if not self.succeeds("test", "-f", path):
            return None
        return self._run("exec-out", shlex.join(("cat", path)))

    def push(self, source: Path, target: str) -> None:
        """Copy a file to a path on the device."""
        self._run("push", str(source), target, seconds=_PUSH_SECONDS)

    def _run(self, *arguments: str, seconds: float = _COMMAND_SECONDS) -> bytes:
        done = _adb("-s", self.serial, *arguments, seconds=seconds)
        if done.returncode == 0:
            return done.stdout
        message = " ".join((done.stderr + done.stdout).decode(errors="replace").split())[-300:]
        if any(sign in message.lower() for sign in _GONE):
            fix = "plug it in again and repeat the command, which also removes what was left on it"
            raise _fault(self.serial, f"was lost: {message}", fix=fix)
        if "no space left" in message.lower():
            raise _fault(self.serial, "has no space left", fix="free storage on the device")
        raise _fault(self.serial, f"refused {arguments[0]}: {message}", fix="see what the device says")


def listed() -> list[Listed]:
    """All devices that adb sees, ready or not. Raises EnvironmentFault without adb."""
    done = _adb("devices", "-l", seconds=_COMMAND_SECONDS)
    if done.returncode:
        what = f"cannot list devices: {done.stderr.decode(errors='replace').strip()[-200:]}"
        raise _fault("adb", what, fix="adb kill-server, then again")
    return [_parse(line) for line in done.stdout.decode(errors="replace").splitlines()[1:] if line.strip()]


def ready() -> list[Adb]:
    """Every attached device. Raises EnvironmentFault where there is none, or one that is not ready."""
    found = listed()
    if not found:
        raise _fault("adb", "sees no device", fix="plug in a phone with USB debugging switched on")
    for device in found:
        _require_ready(device)
    return [Adb(device.serial) for device in found]


def _parse(line: str) -> Listed:
    serial, _, rest = line.partition(" ")
    state = "no permissions" if rest.strip().startswith("no permissions") else rest.split()[0]
    models = [word.removeprefix("model:") for word in rest.split() if word.startswith("model:")]
    return Listed(serial, state, models[0] if models else None)


def _require_ready(device: Listed) -> None:
    if device.state != "device":
        step = _STEPS.get(device.state, "look at the device's screen")
        raise _fault(device.serial, "is not ready", found=device.state, expected="device", fix=step)


def _adb(*arguments: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    if shutil.which("adb") is None:
        raise _fault("adb", "is not installed", fix="install Android's platform-tools, or Debian's package adb")
    try:
        return subprocess.run(["adb", *arguments], capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        fix = "plug the device in again"
        raise _fault("adb", f"gave no answer to {arguments[-1][:80]!r} in {seconds:g} s", fix=fix) from None


def _fault(
    file: str, what: str, *, fix: str, found: str | None = None, expected: str | None = None
) -> EnvironmentFault:
    return EnvironmentFault(file, what, fix=fix, found=found, expected=expected)

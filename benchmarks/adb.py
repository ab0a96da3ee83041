"""One Android device through the adb client: its commands' answers, and what adb says where there is none."""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from squeezebert_mobile import console
from squeezebert_mobile.errors import EnvironmentFault

PREFIX = "adb:"
_COMMAND_SECONDS = 60
_PUSH_SECONDS = 1800
_PUSH_PROGRESS_SECONDS = 2.0
# What adb itself says when the cable or the device is gone; a command that fails on the device may use the same words.
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
class Answer:
    """What a command on the device wrote, and its exit status."""

    status: int
    output: bytes
    error: str

    @property
    def text(self) -> str:
        """The output without the space around it."""
        return self.output.decode(errors="replace").strip()

    @property
    def words(self) -> str:
        """The end of all that was written, on one line."""
        return " ".join(f"{self.error} {self.text}".split())[-300:]


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
            raise fault(serial, "is not attached", found=have, fix="plug it in, or choose one of those found")
        _require_ready(found[serial])
        return cls(serial)

    def ask(self, *command: str) -> Answer:
        """The answer to a command on the device, failed or not; its words are quoted for the device's shell."""
        done = _adb("-s", self.serial, "shell", shlex.join(command), seconds=_COMMAND_SECONDS)
        answer = Answer(done.returncode, done.stdout, done.stderr.decode(errors="replace"))
        if answer.status:
            self._require_attached(answer)
        return answer

    def shell(self, *command: str) -> str:
        """What a command on the device writes. Raises EnvironmentFault where it fails."""
        answer = self.ask(*command)
        if answer.status:
            raise self._refused(next(word for word in command if word != "run-as"), answer)
        return answer.text

    def size(self, path: str) -> int | None:
        """The bytes of a file on the device, None where it cannot say."""
        said = self.ask("stat", "-c", "%s", path).text
        return int(said) if said.isdecimal() else None

    def push(self, source: Path, target: str, report: Callable[[int], None] = lambda _: None) -> None:
        """Copy a file to a path on the device, reporting the bytes that are there.

        Raises EnvironmentFault where it fails.
        """
        client = _client()
        with subprocess.Popen(
            [client, "-s", self.serial, "push", str(source), target], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as running:
            try:
                output, error = self._watched(running, target, report)
            except BaseException:
                running.kill()
                raise
        answer = Answer(running.returncode, output, error.decode(errors="replace"))
        if answer.status:
            self._require_attached(answer)
            raise self._refused("push", answer)

    def _watched(
        self, running: subprocess.Popen[bytes], target: str, report: Callable[[int], None]
    ) -> tuple[bytes, bytes]:
        for _ in range(round(_PUSH_SECONDS / _PUSH_PROGRESS_SECONDS)):
            try:
                return running.communicate(timeout=_PUSH_PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                report(self.size(target) or 0)
        raise fault(self.serial, f"took no file in {_PUSH_SECONDS:g} s", fix="plug the device in again")

    def _require_attached(self, answer: Answer) -> None:
        said = answer.error.lower()
        by_adb = said.startswith(("error:", "adb:")) and any(sign in said for sign in _GONE)
        if by_adb or (not answer.words and _adb("-s", self.serial, "get-state", seconds=_COMMAND_SECONDS).returncode):
            fix = "plug it in again and repeat the command, which also removes what was left on it"
            raise fault(self.serial, f"was lost: {answer.words}", fix=fix)

    def _refused(self, command: str, answer: Answer) -> EnvironmentFault:
        if "no space left" in answer.words.lower():
            return fault(self.serial, "has no space left", fix="free storage on the device")
        said = answer.words or f"exit status {answer.status}"
        return fault(self.serial, f"refused {command}: {said}", fix="see what the device says")


def listed() -> list[Listed]:
    """All devices that adb sees, ready or not. Raises EnvironmentFault without adb."""
    done = _adb("devices", "-l", seconds=_COMMAND_SECONDS)
    if done.returncode:
        what = f"cannot list devices: {done.stderr.decode(errors='replace').strip()[-200:]}"
        raise fault("adb", what, fix="adb kill-server, then again")
    return [_parse(line) for line in done.stdout.decode(errors="replace").splitlines()[1:] if line.strip()]


def ready() -> list[Adb]:
    """Every attached device. Raises EnvironmentFault where there is none, or one that is not ready."""
    found = listed()
    if not found:
        raise fault("adb", "sees no device", fix="plug in a phone with USB debugging switched on")
    for device in found:
        _require_ready(device)
    return [Adb(device.serial) for device in found]


def fault(file: str, what: str, *, fix: str, found: str | None = None, expected: str | None = None) -> EnvironmentFault:
    """What went wrong on a device, as an error to raise."""
    return EnvironmentFault(file, what, fix=fix, found=found, expected=expected)


def _parse(line: str) -> Listed:
    serial, _, rest = line.partition(" ")
    state = "no permissions" if rest.strip().startswith("no permissions") else rest.split()[0]
    models = [word.removeprefix("model:") for word in rest.split() if word.startswith("model:")]
    return Listed(serial, state, models[0] if models else None)


def _require_ready(device: Listed) -> None:
    if device.state != "device":
        step = _STEPS.get(device.state, "look at the device's screen")
        raise fault(device.serial, "is not ready", found=device.state, expected="device", fix=step)


def _client() -> str:
    found = shutil.which("adb")
    if found is None:
        raise fault("adb", "is not installed", fix="install Android's platform-tools, or Debian's package adb")
    return found


def _adb(*arguments: str, seconds: float) -> subprocess.CompletedProcess[bytes]:
    command = [_client(), *arguments]
    try:
        return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        fix = "plug the device in again"
        raise fault("adb", f"gave no answer to {arguments[-1][:80]!r} in {seconds:g} s", fix=fix) from None


def text(found: Sequence[Listed]) -> str:
    """The attached devices, for people."""
    rows = [(f"{PREFIX}{device.serial}", device.state, device.model or "-") for device in found]
    return console.table(("device", "state", "model"), rows) if rows else "no device is attached"

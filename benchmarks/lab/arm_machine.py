"""An emulated 64-bit ARM machine in the cache folder: Debian's ARM Python under QEMU, with the runtimes' ARM wheels.

The first use fetches the system from Debian and the wheels from PyPI, in the versions that are installed here. The
folder holds ``system`` (the file system), a folder of packages for each runtime, and for each `Cpu` a root with the
/proc/cpuinfo of that core: QEMU 7.2 would show the host's, which the runtimes read as an ARM one and then crash.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import squeezebert_mobile
from squeezebert_mobile.atomic import staged_folder
from squeezebert_mobile.benchmarks.peers import cache_folder
from squeezebert_mobile.errors import EnvironmentFault, UsageError
from squeezebert_mobile.files import sha256
from squeezebert_mobile.tasks import Runtime

_SYSTEM = (
    *("libc6", "libgcc-s1", "libstdc++6", "zlib1g", "libbz2-1.0", "libexpat1", "libffi8", "liblzma5", "libsqlite3-0"),
    *("libssl3", "libuuid1", "python3.11-minimal", "libpython3.11-minimal", "libpython3.11-stdlib"),
)
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
# What the package's own engines import.
_OURS = ("numpy", "packaging", "pydantic")
# Each runtime, and the torch that its extension is linked to.
_THEIRS: dict[Runtime, tuple[str, ...]] = {"onnx": ("onnxruntime",), "executorch": ("executorch", "torch")}
# A full-size fp32 file takes twenty minutes for its golden texts on a busy core; this only ends what hangs.
_LIMIT_SECONDS = 7200
_STUBS = "cuda-stubs"
_TOOLS = "aarch64-linux-gnu-"
_LIBRARY = re.compile(r"\(NEEDED\).*\[(lib(?:cu|nv|nccl)\S*)\]")
_SYMBOL = re.compile(r" UND (\w+)(?:@(\S+) \(\d+\))?$", re.MULTILINE)
_UNVERSIONED = re.compile(r"_*(cu|nv|nccl)")
# Asked for without a version, a symbol may come from any of them.
_COMMON = "libcudart"

Call = Callable[[Sequence[str]], str]


def write_stubs(libraries: Path, target: Path, call: Call) -> None:
    """Write to ``target`` a stub for each CUDA library that those in ``libraries`` need and do not have beside them.

    PyPI's torch for 64-bit ARM is the CUDA build, linked to two gigabytes of libraries of which an inference on the
    processor calls none. Each stub has the names and the symbol versions that torch's own libraries ask for. ``call``
    runs a command and returns what it prints; its errors are passed on.
    """
    needed: set[str] = set()
    wanted: defaultdict[str, set[str]] = defaultdict(set)
    present = sorted(libraries.glob("*.so*"))
    for library in present:
        said = call([f"{_TOOLS}readelf", "--wide", "--dynamic", "--dyn-syms", str(library)])
        needed |= set(_LIBRARY.findall(said))
        for symbol, version in _SYMBOL.findall(said):
            wanted[version].add(symbol)
    target.mkdir()
    for name in sorted(needed - {library.name for library in present}):
        # NVSHMEM alone does not name its version after its file.
        version = "NVSHMEM" if "nvshmem" in name else name
        common = {s for s in wanted[""] if _UNVERSIONED.match(s)} if name.startswith(_COMMON) else set()
        _link(target / name, wanted[version], version, common, call)


def _link(path: Path, versioned: set[str], version: str, common: set[str], call: Call) -> None:
    """A shared library whose functions all return 1, an error in each of those interfaces."""
    with tempfile.TemporaryDirectory() as scratch:
        source, script, built = (str(Path(scratch) / name) for name in ("stub.s", "stub.map", "stub.o"))
        labels = "".join(f".globl {s}\n.type {s}, %function\n{s}:\n" for s in sorted(versioned | common))
        Path(source).write_text(f"{labels} mov x0, 1\n ret\n")
        Path(script).write_text(f"{version} {{ global: {''.join(f'{s}; ' for s in sorted(versioned))}}};\n")
        versions = ["--version-script", script] if versioned else []
        call([f"{_TOOLS}as", source, "-o", built])
        call([f"{_TOOLS}ld", "-shared", *versions, "-soname", path.name, built, "-o", str(path)])


@dataclass(frozen=True)
class Cpu:
    """A core by QEMU's name, its MIDR_EL1 (Arm's id, by which runtimes choose kernels), and LLVM's model of it."""

    name: str
    midr: int
    model: str

    @property
    def folder(self) -> str:
        """The name of its root."""
        return self.name.partition(",")[0]

    def cpuinfo(self) -> str:
        """What Linux shows of one such core as /proc/cpuinfo."""
        fields = {
            "processor": "0",
            "CPU implementer": f"0x{self.midr >> 24:02x}",
            "CPU architecture": "8",
            "CPU variant": f"0x{self.midr >> 20 & 0xF:x}",
            "CPU part": f"0x{self.midr >> 4 & 0xFFF:03x}",
            "CPU revision": f"{self.midr & 0xF}",
        }
        return "".join(f"{name}\t: {value}\n" for name, value in fields.items()) + "\n"


# An old core without dot product, such as the Cortex-A75 of a Pixel 3 (both schedule 3 instructions and one 128-bit
# multiply-add a cycle); one with it, whose twin the Neoverse N1 is; and all that QEMU knows, matrix products among it,
# with vectors of 128 bits as in phones (QEMU's own have 512), scheduled as a Neoverse N2, the Cortex-A710's twin.
# QEMU's SME gave ONNX Runtime 1.24 and newer wrong int8 products (0.97 relative error), so that one extension is off.
CPUS = (
    Cpu("cortex-a57", 0x411FD070, "cortex-a57"),
    Cpu("cortex-a76", 0x414FD0B1, "neoverse-n1"),
    Cpu("max,sme=off,sve-max-vq=1", 0x000F0510, "neoverse-n2"),
)


def cpu_named(name: str) -> Cpu:
    """The core that ``--cpu`` names. Raises UsageError for another."""
    for cpu in CPUS:
        if cpu.name == name:
            return cpu
    expected = ", ".join(cpu.name for cpu in CPUS)
    raise UsageError("--cpu", "unknown CPU", found=name, expected=expected, fix="name one of them")


def counts(said: str) -> list[int]:
    """The instructions between each two marks, from what `Machine.run` gave; empty without a plugin."""
    marks = [int(line.split()[1]) for line in said.splitlines() if line.startswith("icount ")]
    return [end - start for start, end in zip(marks[::2], marks[1::2], strict=True)]


@dataclass(frozen=True)
class Machine:
    """A machine that is set up. ``plugin`` counts and traces instructions; None without a C compiler."""

    folder: Path
    plugin: Path | None

    def run(self, cpu: Cpu, runtime: Runtime, program: Path, *arguments: str | Path, trace: Path | None = None) -> str:
        """What a Python program in the machine writes to stderr; ``trace`` gets what ran between its marks.

        Raises EnvironmentFault where the program fails.
        """
        python = self.folder / "system/usr"
        packages = self.folder / _packages(runtime)
        traced = "" if trace is None else f",out={trace}"
        counting = [] if self.plugin is None else ["-plugin", f"{self.plugin}{traced}"]
        emulator = ["qemu-aarch64", "-L", str(self.folder / cpu.folder), "-cpu", cpu.name, *counting]
        with tempfile.TemporaryDirectory() as ours:
            (Path(ours) / "squeezebert_mobile").symlink_to(Path(squeezebert_mobile.__file__).parent)
            settings = {
                "PYTHONPATH": f"{ours}:{packages}",
                "PYTHONDONTWRITEBYTECODE": "1",
                "LD_LIBRARY_PATH": str(packages / _STUBS),
                "OMP_NUM_THREADS": "1",
            }
            try:
                done = subprocess.run(
                    [*emulator, "-E", f"PYTHONHOME={python}", str(python / "bin/python3.11"), str(program)]
                    + [str(argument) for argument in arguments],
                    env={"PATH": os.environ["PATH"], **settings},
                    capture_output=True,
                    text=True,
                    timeout=_LIMIT_SECONDS,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                what = f"gave no answer in {_LIMIT_SECONDS} s"
                raise EnvironmentFault(f"emulated {cpu.name}", what, fix="measure a smaller model") from None
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1][:300]
            what = f"ended with {done.returncode}: {last}"
            raise EnvironmentFault(f"emulated {cpu.name}", what, fix=f"remove {self.folder} and set it up again")
        return done.stderr


def set_up(runtimes: Sequence[Runtime]) -> Machine:
    """The machine with these runtimes, fetched where it is not in the cache.

    Raises EnvironmentFault with what is missing.
    """
    _require("qemu-aarch64", "apt-get install qemu-user")
    folder = cache_folder() / "arm"
    folder.mkdir(parents=True, exist_ok=True)
    _once(folder / "system", _fetch_system)
    for cpu in CPUS:
        _once(folder / cpu.folder, lambda stage, cpu=cpu: _root(stage, cpu))  # type: ignore[misc]
    for runtime in runtimes:
        _once(folder / _packages(runtime), _fetch_onnxruntime if runtime == "onnx" else _fetch_executorch)
    return Machine(folder, _plugin(folder))


def qemu_version() -> str:
    """The emulator's version. Raises EnvironmentFault where it is not installed."""
    _require("qemu-aarch64", "apt-get install qemu-user")
    said = subprocess.run(["qemu-aarch64", "--version"], capture_output=True, text=True, check=True).stdout
    return said.split()[2]


def _once(target: Path, make: Callable[[Path], None]) -> None:
    """Make a folder where it is not there, whole or not at all."""
    if not target.is_dir():
        with staged_folder(target, may_replace=lambda _: False, force=False) as stage:
            make(stage)


def _root(stage: Path, cpu: Cpu) -> None:
    """The file system of a machine with one core of that kind; it finds its libraries in ``system`` beside it."""
    for name in ("lib", "usr"):
        (stage / name).symlink_to(f"../system/{name}")
    (stage / "proc").mkdir()
    (stage / "proc/cpuinfo").write_text(cpu.cpuinfo())
    cores = stage / "sys/devices/system/cpu"
    cores.mkdir(parents=True)
    for name in ("possible", "present"):
        (cores / name).write_text("0\n")


def _fetch_system(stage: Path) -> None:
    """Debian's ARM Python under ``stage``, by an apt of its own: the host's package lists stay as they are."""
    for tool in ("apt-get", "dpkg-deb"):
        _require(tool, "run this on Debian 12")
    with tempfile.TemporaryDirectory() as scratch:
        state = Path(scratch)
        (state / "lists/partial").mkdir(parents=True)
        (state / "archives/partial").mkdir(parents=True)
        (state / "status").touch()
        options = ["-o", "APT::Architecture=arm64", "-o", "APT::Architectures=arm64", "-o", f"Dir::State={state}"]
        options += ["-o", f"Dir::State::status={state / 'status'}", "-o", f"Dir::Cache={state}"]
        options += ["-o", "APT::Sandbox::User=root"]
        _call(["apt-get", "-qq", *options, "update"])
        _call(["apt-get", "-qq", *options, "download", *_SYSTEM], cwd=state)
        for package in sorted(state.glob("*.deb")):
            _call(["dpkg-deb", "--extract", str(package), str(stage)])
    # Documentation is shared between packages by links, also into packages that are not taken.
    for path in stage.rglob("*"):
        if path.is_symlink() and not path.exists():
            path.unlink()


def _packages(runtime: Runtime) -> str:
    """The name of a runtime's folder of packages: another one where any of them is another."""
    name = _THEIRS[runtime][0]
    pins = " ".join(_pins(*_OURS, *_THEIRS[runtime]))
    return f"{name}-{metadata.version(name)}-{sha256(pins.encode())[:8]}"


def _pins(*names: str) -> list[str]:
    """The packages in the versions of this machine, as pip is asked for them; options stay as they are."""
    return [name if name.startswith("-") else f"{name}=={metadata.version(name).partition('+')[0]}" for name in names]


def _fetch_onnxruntime(stage: Path) -> None:
    _install(stage, *_OURS, *_THEIRS["onnx"])


def _fetch_executorch(stage: Path) -> None:
    """ExecuTorch and the torch that it is linked to, without the rest of what exporting with them takes."""
    _require("aarch64-linux-gnu-ld", "apt-get install binutils-aarch64-linux-gnu, or --runtime onnx")
    _install(stage, *_OURS)
    _install(stage, "--no-deps", *_THEIRS["executorch"])
    write_stubs(stage / "torch/lib", stage / _STUBS, _call)


def _install(stage: Path, *names: str) -> None:
    """ARM wheels of packages, in the versions of this machine."""
    wanted = _pins(*names)
    wheels = ["--only-binary=:all:", "--python-version", "3.11", "--target", str(stage)]
    for platform in _PLATFORMS:
        wheels += ["--platform", platform]
    _call([sys.executable, "-m", "pip", "install", "--quiet", *wheels, *wanted])


def _plugin(folder: Path) -> Path | None:
    """The compiled plugin; None without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    built = folder / "trace.so"
    if not built.is_file() and compiler is not None:
        source = Path(__file__).with_name("trace.c")
        _call([compiler, "-O1", "-shared", "-fPIC", "-o", str(built), str(source)])
    return built if built.is_file() else None


def _require(tool: str, fix: str) -> None:
    if shutil.which(tool) is None:
        raise EnvironmentFault(tool, "is not installed", fix=fix)


def _call(command: Sequence[str], cwd: Path | None = None) -> str:
    """What a command writes to stdout. Raises EnvironmentFault where it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-300:]
        raise EnvironmentFault(command[0], f"failed: {said}", fix="check the network, then again")
    return done.stdout

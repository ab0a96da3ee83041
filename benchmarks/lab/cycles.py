"""Estimated cycles of files on ARM cores, by operator: executed instructions scheduled by LLVM's model of the core.

`apt-get install gcc llvm-19 qemu-user`, then
`python -m squeezebert_mobile.benchmarks.lab.cycles [NAME=]FILE... [--cpu NAME]... [--tokens N]... [-o FILE]`

Compute alone: branches are predicted and caches hit. Beside it stands the bound of memory, for which no operator moves
more than 8 bytes a cycle. The same method is tried each time on kernels of known shape on this machine, predicted
against measured. A .pte is estimated as a whole.
"""

import platform
import shutil
import subprocess
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np

from squeezebert_mobile import console
from squeezebert_mobile.atomic import replace_file
from squeezebert_mobile.batch import Batch
from squeezebert_mobile.benchmarks import candidates, environment, peers, tables
from squeezebert_mobile.benchmarks.candidates import PlainFile
from squeezebert_mobile.benchmarks.cycles import CyclesRun, Estimate, Operator, Trial, read
from squeezebert_mobile.benchmarks.lab import arm_guest, arm_machine, mca, pieces, pieces_guest
from squeezebert_mobile.benchmarks.lab.arm_machine import CPUS, Cpu, Machine
from squeezebert_mobile.benchmarks.lab.mca import Section, Target
from squeezebert_mobile.benchmarks.measure import Report
from squeezebert_mobile.errors import EnvironmentFault
from squeezebert_mobile.files import sha256_file
from squeezebert_mobile.reports.document import NONE
from squeezebert_mobile.tasks import Runtime

_BYTES_A_CYCLE = 8
# Instructions that are scheduled, of a file and at most of one operator; a hundred thousand take LLVM some ten seconds.
_SAMPLED, _MOST, _LEAST = 100_000, 10_000, 1_000
# The kernels' flags and LLVM's name for a host; on others nothing is tried.
_HOSTS = {
    "x86_64": ("-march=x86-64-v3", "x86_64-linux-gnu"),
    "aarch64": ("-mcpu=native", "aarch64-linux-gnu"),
}
_CHAIN_CYCLES = 1_000_000  # of kernels.c
_IDS = 100


def measure(
    files: dict[str, Path],
    *,
    cpus: Sequence[Cpu] = CPUS,
    lengths: Sequence[int] = (128,),
    report: Report = lambda _: None,
) -> CyclesRun:
    """Estimates of ``files`` by name on every core, for texts of each length.

    Raises EnvironmentFault where the machine cannot be set up or trace, InputFileError for a file that is no model.
    """
    llvm = mca.version()
    report("set up the machine")
    runtimes: dict[str, Runtime] = {name: _runtime(path) for name, path in files.items()}
    machine = arm_machine.set_up(sorted(set(runtimes.values())))
    if machine.plugin is None:
        raise EnvironmentFault("a C compiler", "is not installed, and traces need one", fix="apt-get install gcc")
    found = []
    for name, path in files.items():
        for tokens in lengths:
            for cpu in cpus:
                report(f"{name}, {tokens} tokens, {cpu.name}")
                whole = runtimes[name] == "executorch"
                operators = () if whole else _by_operator(machine, cpu, path, tokens)
                totals = _whole(machine, cpu, path, tokens) if whole else _sum(operators)
                found.append(
                    Estimate(
                        cpu=cpu.name, name=name, sha256=sha256_file(path), tokens=tokens, operators=operators, **totals
                    )
                )
    report("try the method on this machine")
    return CyclesRun(
        qemu=arm_machine.qemu_version(),
        llvm=llvm,
        versions=tuple(environment.versions()),
        trials=tuple(_trials(machine.plugin)),
        estimates=tuple(found),
    )


def _runtime(path: Path) -> Runtime:
    return "executorch" if path.suffix == ".pte" else "onnx"


def _sum(operators: Sequence[Operator]) -> dict[str, int | None]:
    return {
        "instructions": sum(each.instructions for each in operators),
        "cycles": sum(each.cycles for each in operators),
        "bounded": sum(each.bounded for each in operators),
    }


def _by_operator(machine: Machine, cpu: Cpu, path: Path, tokens: int) -> tuple[Operator, ...]:
    """Every distinct node of an ONNX file, traced alone, summed by kind; the kind that takes most comes first."""
    found = pieces.pieces(path, tokens)
    with tempfile.TemporaryDirectory() as scratch:
        for number, piece in enumerate([pieces.nothing(), *found]):
            (Path(scratch) / f"{number}.onnx").write_bytes(piece.model)
            np.savez(Path(scratch) / f"{number}.npz", **piece.feeds)  # type: ignore[arg-type]  # see arm_guest
        trace = Path(scratch) / "trace"
        machine.run(cpu, "onnx", Path(pieces_guest.__file__), scratch, str(1 + len(found)), trace=trace)
        call, *sections = mca.read(trace)
    counts = [max(section.executed - call.executed, 0) for section in sections]
    totals = [count * piece.times for count, piece in zip(counts, found, strict=True)]
    rates = _rates(sections, totals, cpu)
    kinds: defaultdict[str, list[tuple[int, int, float, float]]] = defaultdict(list)
    for piece, total, rate in zip(found, totals, rates, strict=True):
        bound = piece.times * piece.moved / _BYTES_A_CYCLE
        kinds[piece.name].append((piece.times, total, total * rate, max(total * rate, bound)))
    summed = {name: [round(sum(column)) for column in zip(*rows, strict=True)] for name, rows in kinds.items()}
    operators = [
        Operator(operator=name, nodes=nodes, instructions=instructions, cycles=taken, bounded=bounded)
        for name, (nodes, instructions, taken, bounded) in summed.items()
    ]
    return tuple(sorted(operators, key=lambda each: -each.cycles))


def _rates(sections: Sequence[Section], totals: Sequence[int], cpu: Cpu) -> list[float]:
    """Cycles an instruction of each section, sampled by its share; one too short to be sampled takes the average."""
    share = _SAMPLED / max(sum(totals), 1)
    samples = [
        section.sample(min(_MOST, max(_LEAST, round(share * total))))
        for section, total in zip(sections, totals, strict=True)
    ]
    found = mca.cycles(samples, Target("aarch64-linux-gnu", cpu.model))
    known = [(rate, total) for rate, total in zip(found, totals, strict=True) if rate is not None]
    average = sum(rate * total for rate, total in known) / max(sum(total for _, total in known), 1)
    return [average if rate is None else rate for rate in found]


def _whole(machine: Machine, cpu: Cpu, path: Path, tokens: int) -> dict[str, int | None]:
    """A whole inference of a .pte."""
    ids = np.random.default_rng(0).integers(0, _IDS, (1, tokens), dtype=np.int64)
    with tempfile.TemporaryDirectory() as scratch:
        given, answered, trace = (Path(scratch) / name for name in ("inputs.npz", "outputs.npz", "trace"))
        arrays = {f"{arm_guest.COUNTED} {tokens}/{name}": array for name, array in Batch.of_ids(ids).arrays().items()}
        np.savez(given, **arrays)  # type: ignore[arg-type]
        program = Path(arm_guest.__file__)
        machine.run(cpu, "executorch", program, path.resolve(), "executorch", "[]", given, answered, trace=trace)
        (section,) = mca.read(trace)
    (rate,) = mca.cycles([section.sample(_SAMPLED)], Target("aarch64-linux-gnu", cpu.model))
    assert rate is not None
    return {"instructions": section.executed, "cycles": round(section.executed * rate), "bounded": None}


def _trials(plugin: Path) -> list[Trial]:
    """Kernels of known shape on this machine; none on a machine whose flags are not known."""
    if platform.machine() not in _HOSTS or shutil.which(f"qemu-{platform.machine()}") is None:
        return []
    flags, triple = _HOSTS[platform.machine()]
    with tempfile.TemporaryDirectory() as scratch:
        built, trace = Path(scratch) / "kernels", Path(scratch) / "trace"
        source = Path(__file__).with_name("kernels.c")
        command = ["gcc", "-O3", "-ffast-math", flags, "-o", str(built), str(source), "-lm"]
        subprocess.run(command, check=True)
        said = subprocess.run([built, "time"], capture_output=True, text=True, check=True).stdout
        emulator = [f"qemu-{platform.machine()}", "-cpu", "max", "-plugin", f"{plugin},out={trace}"]
        subprocess.run([*emulator, str(built)], capture_output=True, check=True)
        sections = mca.read(trace)
    rates = mca.cycles([section.sample(_MOST) for section in sections], Target(triple, "native"))
    times = [(name, float(time)) for time, name in (line.split(" ", 1) for line in said.splitlines())]
    nanoseconds = times[0][1] / _CHAIN_CYCLES
    return [
        Trial(kernel=name, measured=round(time / nanoseconds), predicted=round(section.executed * rate))
        for (name, time), section, rate in list(zip(times, sections, rates, strict=True))[1:]
        if rate is not None
    ]


HEADS = ("CPU", "file", "tokens", "million instructions", "million cycles", "bound by memory", "cycles by operator")


def cells(estimate: Estimate) -> tuple[str, ...]:
    """The texts of a row, one for each of `HEADS`."""
    return (
        estimate.cpu,
        estimate.name,
        str(estimate.tokens),
        f"{estimate.instructions / 1e6:.1f}",
        f"{estimate.cycles / 1e6:.1f}",
        NONE if estimate.bounded is None else f"{estimate.bounded / 1e6:.1f}",
        estimate.shares or NONE,
    )


def _tried(run: CyclesRun) -> list[tuple[str, ...]]:
    return [
        (t.kernel, f"{t.measured / 1e3:.0f}", f"{t.predicted / 1e3:.0f}", f"{t.predicted / t.measured - 1:+.0%}")
        for t in run.trials
    ]


_TRIED = ("kernel, on this machine", "thousand cycles measured", "predicted", "error")


def text(run: CyclesRun) -> str:
    """The estimates, and below them how the method did on this machine."""
    return "\n\n".join([console.table(HEADS, map(cells, run.estimates)), console.table(_TRIED, _tried(run))])


def markdown(run: CyclesRun) -> str:
    """Both as Markdown tables."""
    both = (tables.lines(HEADS, list(map(cells, run.estimates))), tables.lines(_TRIED, _tried(run)))
    return "\n\n".join(map("\n".join, both)) + "\n"


def write(path: Path, run: CyclesRun) -> None:
    """Keep a run; estimates of a file that is there stay, but for those that are made anew."""
    old = read(path).estimates if path.exists() else ()
    merged = {(each.name, -each.tokens, each.cpu): each for each in (*old, *run.estimates)}
    kept = run.model_copy(update={"estimates": tuple(merged[key] for key in sorted(merged))})
    replace_file(path, kept.model_dump_json(indent=1).encode() + b"\n")


def main() -> None:
    """Estimate and print."""
    import typer

    def command(
        files: Annotated[list[str] | None, typer.Argument(metavar="[NAME=]FILE...")] = None,
        peer: Annotated[list[str] | None, typer.Option(help="repeatable; its plain and int8 ONNX files")] = None,
        cpu: Annotated[list[str] | None, typer.Option(help=f"repeatable; of {', '.join(c.name for c in CPUS)}")] = None,
        tokens: Annotated[list[int] | None, typer.Option(min=1, max=512, help="repeatable; default: 128")] = None,
        output: Annotated[
            Path | None, typer.Option("-o", "--output", help="keep the run as JSON, added to what is there")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json")] = False,
    ) -> None:
        named = {name or file: Path(file) for name, _, file in (text.rpartition("=") for text in files or ())}
        plain = candidates.from_peers(peers.parse(peer or ()), ("onnx",), tokens=128, tokenizer=None)
        named |= {each.label: each.source.path for each in plain if isinstance(each.source, PlainFile)}
        chosen = [arm_machine.cpu_named(name) for name in cpu or ()] or CPUS
        screen = console.Screen(as_json=as_json)
        with screen.progress("emulating") as step:
            found = measure(named, cpus=chosen, lengths=tokens or (128,), report=step)
        if output is not None:
            write(output, found)
        screen.show(found, text)

    console.run(command)


if __name__ == "__main__":
    main()

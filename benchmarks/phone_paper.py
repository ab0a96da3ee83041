"""The paper's comparison on a phone: the files of each setting in turns, one setting after the other.

All files of a run are in the phone's memory at once, so only those that are compared with each other share one.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from squeezebert_mobile.benchmarks import benchmark as library
from squeezebert_mobile.benchmarks import candidates, peers, phones
from squeezebert_mobile.benchmarks.adb import Adb, fault
from squeezebert_mobile.benchmarks.options import COOL_DOWN_SECONDS, BenchmarkOptions, ReproduceOptions
from squeezebert_mobile.benchmarks.peers import PAPER, Peer
from squeezebert_mobile.benchmarks.phones import PUSH_BYTES_PER_SECOND, Target
from squeezebert_mobile.benchmarks.protocol import Protocol
from squeezebert_mobile.benchmarks.published import PUBLISHED_SECONDS, SETTINGS
from squeezebert_mobile.benchmarks.results import Result
from squeezebert_mobile.bundle import archive
from squeezebert_mobile.steps import Step, Steps

# To export a full-size model, to quantize it and to seal its file.
_EXPORT_SECONDS = 20.0
# What int8 gains over fp32, at least.
_INT8_SPEEDUP = 2.0
# adb pushes a file to where the phone copies it from, and the app takes a copy of its own.
_COPIES = 3


def connect(device: str) -> Adb:
    """The one phone that ``device`` names, awake and with the app: what is asked before minutes of exports.

    Raises as `phones.connect` and `phones.open_app`, and EnvironmentFault for several.
    """
    attached = phones.connect(device)
    if len(attached) > 1:
        found = ", ".join(adb.serial for adb in attached)
        raise fault(device, "is several phones", found=found, expected="one", fix="name one of them")
    phones.open_app(attached[0])
    return attached[0]


def measure(adb: Adb, options: ReproduceOptions, steps: Steps) -> Result:
    """Measure all files on a phone and, with ``output``, keep the samples; ``steps`` are followed as `planned`.

    Raises as `phones.measure`.
    """
    asked = paper_options(options)
    (protocol,) = library.protocols(asked)
    with ExitStack() as stack:
        ours = () if options.bundle is None else (stack.enter_context(archive.opened(options.bundle)),)
        found = phones.targets(ours, asked, steps.begin)
        runs = []
        for setting, files in _by_setting(found).items():
            steps.begin(_step(setting))
            runs.append(phones.measure(adb, files, protocol, cool_down=options.cool_down))
    steps.end()
    return phones.keep(phones.join(runs), options.output).result


def planned(options: ReproduceOptions, parameters: Mapping[Peer, int]) -> tuple[Step, ...]:
    """The steps of `measure`, with what they take on a phone as fast as the paper's."""
    asked = paper_options(options)
    (protocol,) = library.protocols(asked)
    files = [(m.peer, form) for m, _, form in candidates.forms(peers.parse(PAPER), ("onnx",), best=True)]
    rest = COOL_DOWN_SECONDS if options.cool_down is None else options.cool_down
    exports = [Step(f"export {peer}, {form}", _EXPORT_SECONDS) for peer, form in files]
    named = [(peer, str(form), form.precision) for peer, form in files]
    if options.bundle is not None:
        named += [(Peer.SQUEEZEBERT, "bundle", "fp32"), (Peer.SQUEEZEBERT, "bundle", "int8")]
    runs = [
        Step(
            _step(setting),
            rest
            + sum(
                _seconds(PUBLISHED_SECONDS[peer], 4 * parameters[peer], protocol, is_int8=precision == "int8")
                for peer, form, precision in named
                if (form, precision) in forms
            ),
        )
        for setting, forms in SETTINGS.items()
    ]
    return (*exports, *runs)


def _seconds(run: float, size: int, protocol: Protocol, *, is_int8: bool) -> float:
    """What a file takes, pushed and measured, whose fp32 form takes so many seconds a run and so many bytes."""
    if is_int8:
        run, size = run / _INT8_SPEEDUP, size // 4
    recorded = max(protocol.min_seconds, protocol.min_runs * run)
    return _COPIES * size / PUSH_BYTES_PER_SECOND + recorded * (1 + protocol.turn_warmup / protocol.turn_runs)


def paper_options(options: ReproduceOptions) -> BenchmarkOptions:
    """The paper's peers in every form that is compared, under the protocol that was asked for."""
    return BenchmarkOptions(
        peers=PAPER,
        best_peers=True,
        runtimes=("onnx",),
        threads=(options.threads,),
        tokens=(options.tokens,),
        quick=options.quick,
    )


def _by_setting(found: Sequence[Target]) -> dict[str, list[Target]]:
    chosen = {
        setting: [one for one in found if (one.candidate.form, one.candidate.precision) in forms]
        for setting, forms in SETTINGS.items()
    }
    return {setting: files for setting, files in chosen.items() if files}


def _step(setting: str) -> str:
    return f"measure {setting}"

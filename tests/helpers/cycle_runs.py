"""Hand-made estimates of cycles."""

from squeezebert_mobile.benchmarks.cycles import CyclesRun, Estimate, Operator, Trial

OPERATORS = (
    Operator(operator="QLinearConv", nodes=4, instructions=2_400_000, cycles=1_500_000, bounded=1_500_000),
    Operator(operator="Add", nodes=2, instructions=500_000, cycles=480_000, bounded=980_000),
    Operator(operator="Reshape", nodes=2, instructions=100_000, cycles=20_000, bounded=20_000),
)
ESTIMATE = Estimate(
    cpu="cortex-a76",
    name="ours",
    sha256="0" * 64,
    tokens=128,
    instructions=3_000_000,
    cycles=2_000_000,
    bounded=2_500_000,
    operators=OPERATORS,
)
PROGRAM = ESTIMATE.model_copy(update={"name": "program", "bounded": None, "operators": ()})
TRIALS = (Trial(kernel="table", measured=100_000, predicted=90_000),)
RUN = CyclesRun(qemu="7.2", llvm="19", versions=(), trials=TRIALS, estimates=(ESTIMATE, PROGRAM))

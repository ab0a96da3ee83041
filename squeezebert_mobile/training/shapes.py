"""Which of a teacher's layers and how many of its channels a student can have, told without torch."""

import math
from collections.abc import Sequence

from squeezebert_mobile.config import SqueezeBertConfig
from squeezebert_mobile.errors import UsageError


def spread(count: int, depth: int) -> tuple[int, ...]:
    """``count`` of ``depth`` layers, the first and the last among them.

    6 of 12 are 0, 2, 4, 7, 9 and 11, as in DistilBERT (Sanh et al. 2019).
    """
    return tuple(round(n * (depth - 1) / max(1, count - 1)) for n in range(count))


def named(layers: Sequence[int], depth: int) -> tuple[int, ...]:
    """The layers that ``layers`` mean: none all of them, one number how many, evenly spread, several which.

    Raises UsageError for what a teacher of ``depth`` layers has not.
    """
    if not layers:
        return tuple(range(depth))
    if len(layers) > 1 and layers[-1] >= depth:
        what, expected = "names a layer that the teacher has not", f"0 to {depth - 1}"
        fix = f"pass --layers {min(len(layers), depth)}"
        raise UsageError("--layers", what, found=layers[-1], expected=expected, fix=fix)
    if len(layers) == 1 and not 1 <= layers[0] <= depth:
        what, expected = "is no number of layers that the teacher can give", f"1 to {depth}"
        raise UsageError("--layers", what, found=layers[0], expected=expected, fix=f"pass --layers {depth}")
    return tuple(layers) if len(layers) > 1 else spread(layers[0], depth)


def require_ascending(layers: Sequence[int]) -> None:
    """Raise UsageError for layers out of order, or named twice."""
    ascending = sorted(set(layers))
    if ascending != list(layers):
        found, right = (",".join(map(str, each)) for each in (layers, ascending))
        fix = f"pass --layers {right if len(ascending) > 1 else 1}"
        raise UsageError("--layers", "are not in ascending order, each once", found=found, fix=fix)


def width_step(config: SqueezeBertConfig) -> int:
    """What every intermediate size is a multiple of: both convolutions split the channels in groups."""
    return math.lcm(config.intermediate_groups, config.output_groups)


def require_width(size: int, teacher: SqueezeBertConfig) -> None:
    """Raise UsageError for a size that the groups do not divide, or that is more than the teacher's."""
    step, most = width_step(teacher), teacher.intermediate_size
    if size % step or size > most:
        what, expected = "is no size that the teacher can be pruned to", f"a multiple of {step}, at most {most}"
        fix = f"pass --intermediate-size {min(max(step, size // step * step), most)}"
        raise UsageError("--intermediate-size", what, found=size, expected=expected, fix=fix)

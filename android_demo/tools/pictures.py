"""Put the screens that the tests drew side by side: pictures/phone.png, tablet.png, large.png and tasks.png.

python android_demo/tools/pictures.py [--drawn android_demo/app/target/pictures-35]

Light is over dark; in large.png letters of double size are over German ones. `make android-test-sdks` draws
them with the demo bundle, the slow tests of tests/android/test_android.py the tasks.
"""

import argparse
from pathlib import Path

from PIL import Image

DEMO = Path(__file__).parents[1]
_SCREENS = ("classify", "compare", "self-test", "benchmark", "history", "bundles", "about")
_ON_A_TABLET = ("classify", "self-test", "benchmark", "bundles", "about")
_TASKS = ("token-classification", "question-answering", "fill-mask", "multiple-choice", "feature-extraction")
_GAP, _BETWEEN = 8, (128, 128, 128)


def sheet(rows: list[list[Path]], scale: float) -> Image.Image:
    """The pictures in rows, all of one size."""
    pictures = [[Image.open(path).convert("RGB") for path in row] for row in rows]
    size = tuple(round(side * scale) for side in pictures[0][0].size)
    step = [side + _GAP for side in size]
    made = Image.new("RGB", (step[0] * len(rows[0]) - _GAP, step[1] * len(rows) - _GAP), _BETWEEN)
    for y, row in enumerate(pictures):
        for x, picture in enumerate(row):
            made.paste(picture.resize(size, Image.Resampling.LANCZOS), (x * step[0], y * step[1]))
    return made.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # rare colours are kept, too


def main() -> None:
    """Write the sheets."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--drawn", type=Path, default=DEMO / "app/target/pictures-35", help="what the screens' tests drew"
    )
    parser.add_argument("--tasks", type=Path, default=DEMO / "app/target/pictures-34", help="what the tasks' test drew")
    given = parser.parse_args()
    for name, device, screens, variants in (
        ("phone", "phone", _SCREENS, ("light", "dark")),
        ("large", "phone", _SCREENS, ("large", "german")),
        ("tablet", "tablet", _ON_A_TABLET, ("light", "dark")),
    ):
        rows = [[given.drawn / f"{screen}-{device}-{variant}.png" for screen in screens] for variant in variants]
        sheet(rows, 0.45).save(DEMO / f"pictures/{name}.png", optimize=True)
    sheet([[given.tasks / f"task-{task}.png" for task in _TASKS]], 0.45).save(
        DEMO / "pictures/tasks.png", optimize=True
    )


if __name__ == "__main__":
    main()

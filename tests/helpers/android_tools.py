"""The Android demo's tools as modules."""

import importlib.util
from types import ModuleType

from checkout import ROOT

DEMO = ROOT / "android_demo"


TOOLS = DEMO / "tools"


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, TOOLS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

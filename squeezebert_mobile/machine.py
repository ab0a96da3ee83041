"""What this process may use of the machine: cores and memory, also inside of a container."""

import os
from collections.abc import Iterator
from pathlib import Path


def cores(root: Path = Path("/")) -> int:
    """The cores that this process may run on, fewer where its control group has a quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quotas = [_quota(group) for group in _groups(root)]
    return max(1, min([affinity, *(quota for quota in quotas if quota is not None)]))


def available_memory(root: Path = Path("/")) -> int | None:
    """Bytes that can be taken before something has to be put out; None where the system does not say."""
    lines = (_read(root / "proc/meminfo") or "").splitlines()
    free = [1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")]
    limits = [_room(group) for group in _groups(root)]
    return min([*free, *(room for room in limits if room is not None)], default=None)


def _groups(root: Path) -> Iterator[Path]:
    """The folders of this process's control groups and of those around them."""
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, kinds, name = line.split(":", 2)
        for kind in kinds.split(","):
            mount = root / "sys/fs/cgroup" / kind
            inner = mount / name.lstrip("/")
            yield from (folder for folder in (inner, *inner.parents) if folder.is_relative_to(mount))


def _quota(group: Path) -> int | None:
    """Whole cores of a group's quota, of either version of control groups."""
    quota, _, period = (_read(group / "cpu.max") or "").partition(" ")
    if not period:
        quota, period = (_read(group / f"cpu.cfs_{name}_us") or "" for name in ("quota", "period"))
    return int(quota) // int(period) if quota.isdigit() and period.isdigit() else None


def _room(group: Path) -> int | None:
    """What a group's limit leaves; files that it has cached can go."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, now = _read(group / limit), _read(group / used)
        if most is not None and most.isdigit() and now is not None:
            lines = (_read(group / "memory.stat") or "").splitlines()
            files = [int(line.split()[1]) for line in lines if line.split()[0] == cached]
            return max(0, int(most) - int(now) + sum(files))
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None

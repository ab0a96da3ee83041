"""Cores and memory that a process may use, in the files of Linux and of both versions of control groups."""

from pathlib import Path

import pytest

from squeezebert_mobile import machine

GIB = 2**30


def system(root: Path, files: dict[str, str]) -> Path:
    for name, text in {"proc/meminfo": "MemTotal: 1 kB\nMemAvailable: 8388608 kB\n", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def test_memory_is_what_the_kernel_calls_available(tmp_path: Path) -> None:
    assert machine.available_memory(system(tmp_path, {})) == 8 * GIB


@pytest.mark.parametrize(
    ("group", "folder", "names"),
    [
        ("0::/a/b", "sys/fs/cgroup/a", ("memory.max", "memory.current", "inactive_file")),
        (
            "5:memory:/a/b",
            "sys/fs/cgroup/memory/a",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
)
def test_memory_is_what_a_control_group_leaves_its_cached_files_included(
    tmp_path: Path, group: str, folder: str, names: tuple[str, str, str]
) -> None:
    limit, used, cached = names
    files = {"proc/self/cgroup": group, f"{folder}/{limit}": str(4 * GIB), f"{folder}/{used}": str(3 * GIB)}
    root = system(tmp_path, {**files, f"{folder}/memory.stat": f"anon 5\n{cached} {GIB}\n"})
    assert machine.available_memory(root) == 2 * GIB


def test_a_group_without_a_limit_changes_nothing(tmp_path: Path) -> None:
    files = {"proc/self/cgroup": "0::/", "sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "5"}
    assert machine.available_memory(system(tmp_path, files)) == 8 * GIB


def test_a_system_without_these_files_does_not_say(tmp_path: Path) -> None:
    assert machine.available_memory(tmp_path) is None
    assert machine.cores(tmp_path) >= 1


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "0::/a", "sys/fs/cgroup/a/cpu.max": "150000 100000"},
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/a",
            "sys/fs/cgroup/cpu/a/cpu.cfs_quota_us": "50000",
            "sys/fs/cgroup/cpu/a/cpu.cfs_period_us": "100000",
        },
    ],
)
def test_a_quota_of_processor_time_is_so_many_cores_and_one_at_least(
    tmp_path: Path, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda _: set(range(8)))
    assert machine.cores(system(tmp_path, files)) == 1
    assert machine.cores(system(tmp_path, {"proc/self/cgroup": "0::/"})) == 8

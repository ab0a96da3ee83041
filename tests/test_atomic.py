"""A target is its old self or its whole new one, and nothing lies beside it, whatever happens while it is written."""

import errno
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from killed import killed_at

from squeezebert_mobile import atomic
from squeezebert_mobile.atomic import replace_file, staged_file, staged_folder
from squeezebert_mobile.errors import EnvironmentFault, UsageError


def is_ours(folder: Path) -> bool:
    return (folder / "a.txt").exists()


def write(target: Path, text: str, *, force: bool = True, then: Callable[[], object] = lambda: None) -> None:
    with staged_folder(target, may_replace=is_ours, force=force) as stage:
        (stage / "a.txt").write_text(text)
        (stage / "sub").mkdir()
        (stage / "sub" / "b.txt").write_text(text)
        then()


def content(target: Path) -> set[str]:
    return {(target / name).read_text() for name in ("a.txt", "sub/b.txt")}


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


@pytest.fixture(params=[True, False], ids=["exchange", "move aside"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Both ways of replacing a folder; macOS has only the second."""
    if not request.param:
        monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    return bool(request.param) and sys.platform == "linux"


def test_a_new_folder(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "er" / "bundle"
    write(target, "one", force=False)
    assert content(target) == {"one"}
    assert beside(target) == ["bundle"]


@pytest.mark.usefixtures("exchange")
def test_replaced_with_force(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    write(target, "one")
    write(target, "two")
    assert content(target) == {"two"}
    assert beside(target) == ["bundle"]


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_the_old_one(tmp_path: Path, failure: type[BaseException]) -> None:
    target = tmp_path / "bundle"
    write(target, "one")

    def fail() -> None:
        raise failure

    with pytest.raises(failure):
        write(target, "two", then=fail)
    assert content(target) == {"one"}
    assert beside(target) == ["bundle"]


def existing(target: Path) -> None:
    write(target, "one")


def foreign(target: Path) -> None:
    target.mkdir()
    (target / "thesis.doc").write_text("mine")


def file(target: Path) -> None:
    target.write_text("mine")


def link(target: Path) -> None:
    write(target.with_name("elsewhere"), "one")
    target.symlink_to("elsewhere")


def dangling(target: Path) -> None:
    target.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("make", "force", "words"),
    [
        (existing, False, "exists; fix: choose another output folder, or pass --force"),
        (foreign, True, "was not written by this command"),
        (file, True, "is a file"),
        (link, True, "is a symlink"),
        (dangling, True, "is a symlink"),
    ],
    ids=["existing", "foreign", "file", "link", "dangling"],
)
def test_what_is_in_the_way_stays(tmp_path: Path, make: Callable[[Path], None], force: bool, words: str) -> None:
    target = tmp_path / "bundle"
    make(target)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(UsageError) as caught:
        write(target, "two", force=force)
    assert caught.value.exit_code == 2
    assert str(target) in str(caught.value)
    assert words in str(caught.value)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_a_target_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    with pytest.raises(UsageError, match="exists"):
        write(target, "two", force=False, then=lambda: foreign(target))
    assert (target / "thesis.doc").read_text() == "mine"
    assert beside(target) == ["bundle"]


def test_a_second_run_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    code = (
        "import sys; from pathlib import Path; from squeezebert_mobile.atomic import staged_folder\n"
        "with staged_folder(Path(sys.argv[1]), may_replace=bool, force=False) as stage:\n"
        "    (stage / 'a.txt').write_text('first'); print('ready', flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout is not None
        assert first.stdin is not None
        assert first.stdout.readline() == "ready\n"
        with pytest.raises(EnvironmentFault, match=f"is locked by pid {first.pid}; fix: wait"):
            write(target, "second")
        first.stdin.close()
        assert first.wait() == 0
    assert (target / "a.txt").read_text() == "first"
    assert beside(target) == ["bundle"]


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_killed_anywhere_leaves_the_old_or_the_new(tmp_path: Path, exchange: bool) -> None:
    seen: set[str] = set()
    event = 0
    killed = True
    while killed:
        event += 1
        target = tmp_path / str(event) / "bundle"
        write(target, "old")
        killed = killed_at(event, partial(write, target, "new"))
        if exchange:
            assert content(target) in ({"old"}, {"new"})
        with pytest.raises(UsageError, match="exists"):  # any next start cleans up
            write(target, "other", force=False)
        assert len(content(target)) == 1
        seen |= content(target)
        assert beside(target) == ["bundle"]
    assert event > 15
    assert seen == {"old", "new"}


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow over 1000 bytes, as on a full disk."""
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, old[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old)


@pytest.mark.usefixtures("small_files")
def test_no_space_for_a_folder(tmp_path: Path) -> None:
    target = tmp_path / "bundle"
    write(target, "one")
    with pytest.raises(EnvironmentFault, match=r"bundle: cannot be written: File too large; fix: check the free space"):
        write(target, "x" * 2000)
    assert content(target) == {"one"}
    assert beside(target) == ["bundle"]


@pytest.mark.usefixtures("small_files")
def test_no_space_for_a_file(tmp_path: Path) -> None:
    target = tmp_path / "config.json"
    replace_file(target, b"old")
    with pytest.raises(EnvironmentFault, match=r"config.json: cannot be written"):
        replace_file(target, b"x" * 2000)
    assert target.read_bytes() == b"old"
    assert beside(target) == ["config.json"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_the_last_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    target = tmp_path / "bundle"
    write(target, "one")

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(atomic, "_swap", fail)
    with pytest.raises(EnvironmentFault, match=os.strerror(number)) as caught:
        write(target, "two")
    assert caught.value.exit_code == 7
    assert content(target) == {"one"}
    assert beside(target) == ["bundle"]


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("full", ["tmp", "target"])
def test_the_folder_that_is_full_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: bool, full: str
) -> None:
    """What a library writes to TMPDIR while a target is made; an error of write() names no file."""
    temporary, target = tmp_path / "tmp", tmp_path / "disk" / "bundle"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    usage = shutil.disk_usage(tmp_path)
    free = {temporary: 4096 if full == "tmp" else 1 << 30}
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=free.get(path, 1 << 20)))
    place = temporary if full == "tmp" else target

    def fill() -> None:
        with staged_folder(target, may_replace=lambda _: False, force=False) as stage:
            file = temporary / "graph.py" if full == "tmp" else stage / "onnx" / "model.onnx"
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *([str(file)] if named else []))

    with pytest.raises(EnvironmentFault, match=rf"^{place}: cannot be written: No space left on device; fix: "):
        fill()


def test_a_rename_that_fails_puts_the_old_one_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "bundle"
    write(target, "one")
    rename = Path.rename

    def fail_once(self: Path, other: Path) -> Path:
        if self.name == ".bundle.new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, other)

    monkeypatch.setattr(atomic, "_exchange", lambda *_: False)
    monkeypatch.setattr(Path, "rename", fail_once)
    with pytest.raises(EnvironmentFault, match="Input/output error"):
        write(target, "two")
    assert content(target) == {"one"}
    assert beside(target) == ["bundle"]


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(EnvironmentFault):
        write(tmp_path / "file" / "bundle", "one")
    with pytest.raises(EnvironmentFault):
        replace_file(tmp_path / "file" / "config.json", b"one")
    assert (tmp_path / "file").read_text() == "mine"


def test_another_error_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), staged_file(tmp_path / "a"):
        (tmp_path / "missing").read_bytes()
    assert not list(tmp_path.iterdir())


def test_partial_files_of_dead_processes_are_swept(tmp_path: Path) -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    names = [f".a.{child}.partial", f".a.{os.getppid()}.partial", ".a.b.partial", f".c.{child}.partial"]
    for name in names:
        (tmp_path / name).touch()
    replace_file(tmp_path / "a", b"new")
    assert beside(tmp_path / "a") == sorted([*names[1:], "a"])

"""Files and folders that appear whole or not at all, whatever stops the process.

Everything is written beside its target, flushed to the disk and renamed. A folder is prepared as ``.NAME.new`` under
the lock ``.NAME.lock``. Replacing an old folder is one exchange of two names where the kernel can do that (Linux);
elsewhere the old folder is first moved to ``.NAME.old``, and a run that finds no target but that folder puts it back.
"""

import ctypes
import errno
import fcntl
import glob
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from squeezebert_mobile.errors import EnvironmentFault, UsageError

# The disk's and the user's troubles, as against mistakes of the code that writes.
_DISK_ERRORS = frozenset(
    {
        errno.EACCES, errno.EBUSY, errno.EDQUOT, errno.EEXIST, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ELOOP,
        errno.ENAMETOOLONG, errno.ENOLCK, errno.ENOSPC, errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.EXDEV,
    }
)  # fmt: skip


def replace_file(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path``, which afterwards holds either its old bytes or all of the new ones.

    Raises EnvironmentFault where the disk, a permission or a folder in the way prevents it.
    """
    with staged_file(path) as partial:
        partial.write_bytes(data)


@contextmanager
def staged_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to; on leaving without an exception it becomes ``path``.

    Raises EnvironmentFault as `replace_file`.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    with naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep_partials(path)
    try:
        with naming(path):
            yield partial
            _flush(partial)
            partial.replace(path)
            _flush(path.parent)
    finally:
        partial.unlink(missing_ok=True)


def require_writable(path: Path, *, folder: bool = False) -> None:
    """Raise EnvironmentFault where no file can be written at ``path``, or into it where it is a ``folder``.

    Nothing is left, no folder either. Raises UsageError for a folder in the place of a file and the reverse.
    """
    if path.exists() and path.is_dir() != folder:
        found, expected = ("a file", "a folder") if folder else ("a folder", "a file")
        raise UsageError(path, f"is {found}", expected=expected, fix="choose another name")
    path = path.absolute()
    above = next(each for each in ((path, *path.parents) if folder else path.parents) if each.exists())
    probe = above / f".probe.{os.getpid()}.partial"
    with naming(path):
        path.with_name(f".{path.name}.new").exists()  # raises for a name that is too long
        try:
            probe.touch()
            probe.unlink()
        except FileNotFoundError as error:  # in a folder like /proc, where none can be made
            raise PermissionError(errno.EPERM, error.strerror) from error


def require_room(target: Path, size: int) -> None:
    """Raise EnvironmentFault where fewer than ``size`` bytes are free on the disk that ``target`` is to lie on."""
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    free = shutil.disk_usage(folder).free
    if free < size:
        found, expected = f"{free / 1e6:.0f} MB free", f"about {size / 1e6:.0f} MB"
        raise EnvironmentFault(target, "has too little room", found=found, expected=expected, fix="make room there")


def require_replaceable(target: Path, *, may_replace: Callable[[Path], bool], force: bool) -> None:
    """Raise where `staged_folder` would, short of a lock: what is asked before long work."""
    target = Path(os.path.abspath(target))  # noqa: PTH100 - as in `staged_folder`
    _refuse_in_the_way(target, may_replace=may_replace, force=force)
    require_writable(target.with_name(f"{target.name}.new"))


@contextmanager
def staged_folder(target: Path, *, may_replace: Callable[[Path], bool], force: bool) -> Iterator[Path]:
    """An empty folder beside ``target`` to fill; on leaving without an exception it becomes ``target``.

    An existing target is replaced only with ``force``, and only where ``may_replace(target)`` tells that it is one of
    ours. What a killed run left behind is removed first.

    Raises UsageError where the target is in the way, EnvironmentFault where another process is writing it or the disk
    refuses.
    """
    target = Path(os.path.abspath(target))  # noqa: PTH100 - resolve() would follow a symlink at the target
    new, old = (target.with_name(f".{target.name}.{suffix}") for suffix in ("new", "old"))
    with naming(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target):
            _recover(target, new, old)
            _refuse_in_the_way(target, may_replace=may_replace, force=force)
            try:
                new.mkdir()
                yield new
                for path in (new, *new.rglob("*")):
                    _flush(path)
                # Again: it may have appeared while the folder was filled.
                _refuse_in_the_way(target, may_replace=may_replace, force=force)
                _swap(new, target, old)
            finally:
                shutil.rmtree(new, ignore_errors=True)


def _sweep_partials(path: Path) -> None:
    """Remove what killed processes left of the same file."""
    for stale in path.parent.glob(f".{glob.escape(path.name)}.*.partial"):
        try:
            os.kill(int(stale.name.split(".")[-2]), 0)
        except ProcessLookupError:
            stale.unlink(missing_ok=True)
        except (ValueError, OverflowError, PermissionError):
            pass  # no process number at all, or another user's process: not ours to judge


def _swap(new: Path, target: Path, old: Path) -> None:
    if not target.exists():
        new.rename(target)
    elif not _exchange(new, target):
        target.rename(old)
        try:
            new.rename(target)
        except OSError:
            old.rename(target)
            raise
    _flush(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def _exchange(one: Path, other: Path) -> bool:
    """Swap two names in one step; False where this system or file system cannot."""
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    here, exchange = -100, 2  # AT_FDCWD of <fcntl.h>, RENAME_EXCHANGE of <linux/fs.h>
    return rename is not None and rename(here, os.fsencode(one), here, os.fsencode(other), exchange) == 0


def _recover(target: Path, new: Path, old: Path) -> None:
    """Undo what a killed run left: put a target that was moved aside back, remove the rest."""
    if old.exists() and not target.exists():
        old.rename(target)
    for path in (new, old):
        if path.exists():
            shutil.rmtree(path)


def _refuse_in_the_way(target: Path, *, may_replace: Callable[[Path], bool], force: bool) -> None:
    if target.is_symlink():
        raise UsageError(target, "is a symlink, which is never replaced", fix="name the real folder")
    if not target.exists():
        return
    if not target.is_dir():
        raise UsageError(target, "is a file", expected="a new folder", fix="choose another output folder")
    if not force:
        raise UsageError(target, "exists", fix="choose another output folder, or pass --force")
    if not may_replace(target):
        what = "was not written by this command, so --force never replaces it"
        raise UsageError(target, what, fix="choose another output folder")


@contextmanager
def _locked(target: Path) -> Iterator[None]:
    """Hold the lock file beside ``target``. A lock that its holder removed since it was opened counts as held."""
    path = target.with_name(f".{target.name}.lock")
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
    with os.fdopen(descriptor, "r+", errors="replace") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = os.fstat(descriptor).st_nlink == 0
        except BlockingIOError:
            held = True
        if held:
            holder = lock.read(32).strip() or "unknown"
            raise EnvironmentFault(target, f"is locked by pid {holder}", fix="wait for that run to end")
        try:
            lock.truncate()
            lock.write(f"{os.getpid()}\n")
            lock.flush()
            yield
        finally:
            path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def naming(target: Path) -> Iterator[None]:
    """Turn the disk's troubles into one line that names the target."""
    try:
        yield
    except OSError as error:
        if error.errno not in _DISK_ERRORS:
            raise
        place = _trouble(target, error)
        if place != target:
            fix = "make room there, or set TMPDIR to a folder with room"
            raise EnvironmentFault(place, f"cannot be written: {error.strerror}", fix=fix) from error
        fix = "check the free space, the quota and the permissions of its folder"
        raise EnvironmentFault(target, f"cannot be written: {error.strerror}", fix=fix) from error


def _trouble(target: Path, error: OSError) -> Path:
    """What has no room: the target, or the folder for temporary files, which other libraries fill meanwhile."""
    temporary = Path(os.environ.get("TMPDIR", "/tmp"))
    if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not temporary.is_dir():
        return target
    if isinstance(error.filename, str):
        named = Path(error.filename).absolute()
        staged = (target.name, f".{target.name}.")
        ours = named.is_relative_to(target.parent) and named.relative_to(target.parent).parts[0].startswith(staged)
        return temporary if named.is_relative_to(temporary) and not ours else target
    folder = next(parent for parent in target.absolute().parents if parent.exists())
    return temporary if shutil.disk_usage(temporary).free < shutil.disk_usage(folder).free else target

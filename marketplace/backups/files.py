"""Operations on the files of a set: listing, hashing, syncing and removing."""

import errno
import hashlib
import os
import shutil
import stat
import time
from io import BufferedReader
from pathlib import Path

# Attempts to remove a folder, and the seconds between two attempts.
_ATTEMPTS = 50
_POLL_INTERVAL = 0.05


#: Name of an entry → its device, inode, mode, size and time of change.
EntryStats = dict[str, tuple[int, ...]]


def list_files(path: Path) -> dict[str, Path]:
    """Return relative path → path of all files and links below a folder. Links are not followed."""
    return {
        str(entry.relative_to(path)): entry
        for entry in sorted(path.rglob("*"))
        if entry.is_symlink() or not entry.is_dir()
    }


def describe_irregular(path: Path) -> str:
    """Return why an entry is not a regular file; an empty string if it is one.

    :raises OSError: if the entry is missing or inaccessible
    """
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return ""
    return "is a link, not a file" if stat.S_ISLNK(mode) else "is not a regular file"


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading. Links are not followed, and pipes do not block.

    :raises OSError: if it is not a regular file, or cannot be read
    """
    if problem := describe_irregular(path):
        raise OSError(errno.EINVAL, f"it {problem}", str(path))
    # The entry may have been replaced since the check.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def digest(path: Path) -> str:
    """Return the SHA-256 of a regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stat_entries(path: Path) -> EntryStats:
    """Return name → status values, which change if the folder or an entry is written or replaced.

    A program can reset the modification time of a file, but not the change time of its inode.
    """
    stats = {".": path.lstat()}
    with os.scandir(path) as entries:
        stats |= {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    return {
        name: (stat.st_dev, stat.st_ino, stat.st_mode, stat.st_size, stat.st_ctime_ns)
        for name, stat in stats.items()
    }


def sync(path: Path) -> None:
    """Flush a folder and its subfolders to the disk; pg_dump does so for the files."""
    for folder in (path, *filter(Path.is_dir, path.rglob("*"))):
        sync_folder(folder)


def sync_folder(path: Path) -> None:
    """Flush the entries of a folder to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_tree(path: Path) -> str:
    """Remove a folder with its content, or a link, but never the target of a link.

    :return: the problem, as a sentence, if something is left; else an empty string
    """
    if path.is_symlink():
        return _unlink(path)
    problem = _remove(path)
    for _ in range(_ATTEMPTS):
        # Terminated processes of pg_dump may still write for a short time.
        if problem is None or problem.errno != errno.ENOTEMPTY:
            break
        time.sleep(_POLL_INTERVAL)
        problem = _remove(path)
    return _describe_problem(path, problem) if problem else ""


def _unlink(path: Path) -> str:
    target = path.resolve()
    try:
        path.unlink()
    except OSError as error:
        return _describe_problem(path, error)
    if not target.exists():
        return ""
    return (
        f"The link {path} was removed; its target {target} still exists. Remove the target by hand "
        "if it is not needed."
    )


def _remove(path: Path) -> OSError | None:
    """Remove as much of a folder as possible; return the error if something is left."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        shutil.rmtree(path)
    except FileNotFoundError as error:
        # Another process may have removed an entry below the folder at the same time.
        return OSError(errno.ENOTEMPTY, error.strerror, error.filename) if path.exists() else None
    except OSError as error:
        return error
    return None


def _describe_problem(path: Path, error: OSError) -> str:
    return f"{path} cannot be removed ({error.filename}: {error.strerror}). Remove it by hand."

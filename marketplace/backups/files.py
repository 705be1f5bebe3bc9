"""What is done to the files of a set: listing, hashing, removing them, seeing them on the disk."""

import errno
import hashlib
import os
import shutil
import stat
import time
from io import BufferedReader
from pathlib import Path

# How often a folder is tried to be removed, and the seconds between.
_ATTEMPTS = 50
_PAUSE = 0.05


#: Name of an entry → its device, inode, mode, size and time of change.
Stamps = dict[str, tuple[int, ...]]


def below(path: Path) -> dict[str, Path]:
    """Return all files and links below a folder, by their path in it. Links are not followed."""
    found = sorted(path.rglob("*"))
    return {
        str(each.relative_to(path)): each
        for each in found
        if each.is_symlink() or not each.is_dir()
    }


def irregular(path: Path) -> str:
    """Return why an entry is not a regular file; an empty string if it is one.

    :raises OSError: if it cannot be looked at
    """
    mode = path.lstat().st_mode
    if stat.S_ISREG(mode):
        return ""
    return "is a link, not a file" if stat.S_ISLNK(mode) else "is not a regular file"


def open_regular(path: Path) -> BufferedReader:
    """Open a regular file for reading. A link is not followed, a pipe is not waited for.

    :raises OSError: if it is something else, or cannot be read
    """
    if problem := irregular(path):
        raise OSError(errno.EINVAL, f"it {problem}", str(path))
    # It may have been replaced since.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))
    return file


def digest(path: Path) -> str:
    """Return the SHA-256 of a regular file."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamps(path: Path) -> Stamps:
    """Return values that differ after a folder or an entry of it was written, replaced or moved.

    A program that writes a file can set back its time of modification, but not that of its inode.
    """
    found = {".": path.lstat()}
    with os.scandir(path) as entries:
        found |= {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    return {
        name: (each.st_dev, each.st_ino, each.st_mode, each.st_size, each.st_ctime_ns)
        for name, each in found.items()
    }


def sync(path: Path) -> None:
    """See that the entries of folders are on the disk; pg_dump does it for the files."""
    for each in (path, *filter(Path.is_dir, path.rglob("*"))):
        sync_folder(each)


def sync_folder(path: Path) -> None:
    """See that a folder's entries are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def clear(path: Path) -> str:
    """Remove a folder with all that is in it, or a link, but never what a link leads to.

    :return: what is left and why, as a sentence; empty if nothing is
    """
    if path.is_symlink():
        return _unlink(path)
    problem = _remove(path)
    for _ in range(_ATTEMPTS):
        # Processes of pg_dump that were told to end may still write for a moment.
        if problem is None or problem.errno != errno.ENOTEMPTY:
            break
        time.sleep(_PAUSE)
        problem = _remove(path)
    return _told(path, problem) if problem else ""


def _unlink(path: Path) -> str:
    target = path.resolve()
    try:
        path.unlink()
    except OSError as error:
        return _told(path, error)
    if not target.exists():
        return ""
    return (
        f"{path} was a link, and is removed; {target}, to which it led, is still there. Remove it "
        "by hand if it is not needed."
    )


def _remove(path: Path) -> OSError | None:
    """Remove what can be removed of a folder; return why the rest cannot be."""
    shutil.rmtree(path, ignore_errors=True)
    try:
        shutil.rmtree(path)
    except FileNotFoundError as error:
        # Below the folder somebody else may have removed something in this moment.
        return OSError(errno.ENOTEMPTY, error.strerror, error.filename) if path.exists() else None
    except OSError as error:
        return error
    return None


def _told(path: Path, error: OSError) -> str:
    return f"{path} cannot be removed ({error.filename}: {error.strerror}). Remove it by hand."

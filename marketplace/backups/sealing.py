"""Giving pg_restore the bytes that were hashed, even if somebody writes to the set meanwhile.

In a set's own folder, pg_restore would read a file `3001.dat` in place of `3001.dat.gz`, though
only the latter is in the manifest; and a file could be replaced after it was hashed.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketplace.backups import files, verify
from marketplace.backups.manifests import Dump, File
from marketplace.exceptions import BackupError

#: The file of a dump with the statements that pg_restore executes. All others have rows.
_STATEMENTS = "toc.dat"

#: Bytes that are copied at once.
_BLOCK = 1024 * 1024


@contextmanager
def sealed(path: Path, alias: str, dump: Dump) -> Iterator[Path]:
    """Yield a private folder with the files of a dump and no others, for pg_restore to read.

    The statements are a copy, hashed after it was made. The rows are links to files that are hashed
    before, and that must not have been changed after.

    :param path: of the set
    :raises BackupError: if a file is not what the manifest says, or was changed meanwhile
    """
    # If the folder is a link, it does not matter where that leads later.
    source = path.resolve() / alias
    with tempfile.TemporaryDirectory(prefix="marketplace-restore-") as name:
        private = Path(name)
        before = _stamps(source)
        if found := verify.damages(source.parent, alias, dump):
            raise BackupError(f"The set {path.name} is damaged: {found[0]}.")
        _fill(private, source, dump)
        yield private
    after = _stamps(source)
    if changed := sorted(key for key in before | after if before.get(key) != after.get(key)):
        raise BackupError(
            f"{source / changed[0]} was changed while it was read. Make sure that nothing writes "
            "to the set, and run this again."
        )


def _stamps(folder: Path) -> files.Stamps:
    try:
        return files.stamps(folder)
    except OSError as error:
        raise BackupError(f"Cannot read {folder}: {error.strerror}.") from error


def _fill(private: Path, source: Path, dump: Dump) -> None:
    for key, file in dump.files.items():
        if key == _STATEMENTS:
            _copy(source / key, private / key, file)
        else:
            (private / key).symlink_to(source / key)


def _copy(source: Path, target: Path, expected: File) -> None:
    try:
        with files.open_regular(source) as original, open(target, "wb") as copy:
            # One byte more, so that a longer file has another hash.
            remaining = expected.size + 1
            while block := original.read(min(remaining, _BLOCK)):
                copy.write(block)
                remaining -= len(block)
    except OSError as error:
        raise BackupError(
            f"Cannot copy {source} to {target.parent}: {error.strerror}. Check the set, and that "
            "there is room for temporary files (TMPDIR)."
        ) from error
    if files.digest(target) != expected.sha256:
        raise BackupError(f"{source} has changed: its SHA-256 is not that of the manifest.")

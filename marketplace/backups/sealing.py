"""A private folder from which pg_restore reads exactly the files that were hashed.

In the folder of the set, pg_restore would read a file `3001.dat` instead of `3001.dat.gz`, even if
only the latter is in the manifest. A file could also be replaced after it was hashed.
"""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from marketplace.backups import files, verify
from marketplace.backups.manifests import Dump, File
from marketplace.exceptions import BackupError

#: The file of a dump with the statements that pg_restore executes. All others contain rows.
_STATEMENTS = "toc.dat"

#: Bytes per copied block.
_BLOCK = 1024 * 1024


@contextmanager
def sealed(path: Path, alias: str, dump: Dump) -> Iterator[Path]:
    """Yield a private folder with the files of a dump and no others, for pg_restore to read.

    The file with the statements is a copy, which is hashed afterwards. The files with rows are
    links to files that are hashed first, and checked for changes when the block ends.

    :param path: the folder of the set
    :raises BackupError: if a file does not match the manifest, or was changed during the operation
    """
    # Later changes of a link to the folder have no effect.
    source = path.resolve() / alias
    with tempfile.TemporaryDirectory(prefix="marketplace-restore-") as name:
        private = Path(name)
        before = _stat_entries(source)
        if damaged := verify.damaged_files(source.parent, alias, dump):
            raise BackupError(f"The set {path.name} is damaged: {damaged[0]}. Use another set.")
        _fill(private, source, dump)
        yield private
    after = _stat_entries(source)
    if changed := sorted(key for key in before | after if before.get(key) != after.get(key)):
        raise BackupError(
            f"{source / changed[0]} was changed while it was read. Make sure that nothing writes "
            "to the set, and run this again."
        )


def _stat_entries(folder: Path) -> files.EntryStats:
    try:
        return files.stat_entries(folder)
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
            # One byte more than expected, so that a longer file has a different hash.
            remaining = expected.size + 1
            while block := original.read(min(remaining, _BLOCK)):
                copy.write(block)
                remaining -= len(block)
    except OSError as error:
        raise BackupError(
            f"Cannot copy {source} to {target.parent}: {error.strerror}. Check the set, and the "
            "free space for temporary files (TMPDIR)."
        ) from error
    if files.digest(target) != expected.sha256:
        raise BackupError(f"{source} has changed: its SHA-256 is not that of the manifest.")

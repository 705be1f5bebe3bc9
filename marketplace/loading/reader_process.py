"""The reader process: it reads and parses while the process that started it writes.

The reader sends its messages through a pipe that holds a few batches, so memory is bounded. After a
large batch, it waits until that batch was written; a second pipe confirms it.
"""

import ctypes
import fcntl
import gc
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from typing import Any, BinaryIO, NoReturn

from django.conf import settings
from django.db import Error, connections

from marketplace.exceptions import MarketplaceError, SourceError, name_error
from marketplace.loading.formats import documents
from marketplace.loading.items import Batch
from marketplace.loading.reader import Reader
from marketplace.loading.sources import Job, Message

#: The size of files from which on a reader process is used, in bytes.
_MANY_BYTES = 4_000_000
_COMPRESSED = (".gz", ".zst")

#: The size of payloads from which on a batch is large, in bytes: one of its records is large.
_LARGE = 16 << 20

#: From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1

#: The last message of the reader.
_DONE = "done"


def is_worth_it(job: Job) -> bool:
    """Return whether the input is so large that a reader process saves time."""
    if not settings.INGEST_READER_PROCESS or connections[job.alias].in_atomic_block:
        return False
    size = 0
    for source in job.sources:
        if isinstance(source, int) or source == documents.STANDARD_INPUT:
            return _has_descriptor(source)
        with suppress(OSError):
            size += os.path.getsize(source) * (8 if source.endswith(_COMPRESSED) else 1)
    return size >= _MANY_BYTES


def _has_descriptor(source: str | int) -> bool:
    """Return whether another process can read a source that is not a file."""
    if isinstance(source, int):
        return True
    try:
        return sys.stdin is not None and not sys.stdin.isatty() and sys.stdin.fileno() == 0
    except (OSError, ValueError):
        return False


def read(job: Job, pack_ahead: Callable[[Batch], None]) -> Iterator[Message]:
    """Yield the messages of `Reader.read_all`, which runs in the reader process.

    :param pack_ahead: called by a thread with each batch while the one before it is being written
    :raises SourceError: if the reader process ends early
    """
    with _started(job, pack_ahead) as (pid, messages, written):
        while True:
            message = messages.get()
            if message == _DONE:
                return
            if message is None:
                raise SourceError(
                    f"The process that reads the sources (pid {pid}) {_ending(pid)}. Committed "
                    "batches are kept. Resume the load: python manage.py ingest --resume"
                )
            if isinstance(message, BaseException):
                raise message
            is_large = _is_large(message)
            yield message
            # Release its memory before the next one is read.
            del message
            if is_large:
                with suppress(BrokenPipeError):
                    os.write(written, b".")


def _ending(pid: int) -> str:
    """Return how a process has ended, without waiting for it."""
    with suppress(OSError):
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if status and status.si_code != os.CLD_EXITED:
            is_killed = status.si_status == signal.SIGKILL
            reason = ", possibly because the machine ran out of memory" if is_killed else ""
            return f"was terminated by {signal.Signals(status.si_status).name}{reason}"
    return "ended unexpectedly"


@contextmanager
def _started(
    job: Job, pack_ahead: Callable[[Batch], None]
) -> Iterator[tuple[int, "queue.Queue[Any]", int]]:
    """Start the reader process, and a thread that receives its messages.

    :return: its process id, its messages, and the descriptor that confirms large batches
    """
    answer_in, answer_out = os.pipe()
    written_in, written_out = os.pipe()
    with suppress(AttributeError, OSError):
        # A larger pipe wakes the other process up less often.
        fcntl.fcntl(answer_out, fcntl.F_SETPIPE_SZ, 1 << 20)
    with warnings.catch_warnings():
        # Python warns of threads. None of those that may run here holds a lock that the new process
        # needs.
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os.close(answer_in)
        os.close(written_out)
        _serve(job, answer_out, written_in)
    os.close(answer_out)
    os.close(written_in)
    messages: queue.Queue[Any] = queue.Queue(maxsize=1)
    is_over = threading.Event()
    taker = threading.Thread(
        target=_take, args=(answer_in, messages, is_over, pack_ahead), daemon=True
    )
    taker.start()
    try:
        yield pid, messages, written_out
    finally:
        is_over.set()
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        while taker.is_alive():
            with suppress(queue.Empty):
                messages.get(timeout=0.05)
        taker.join()
        os.close(written_out)
        with suppress(ChildProcessError):
            os.waitpid(pid, 0)


def _take(
    descriptor: int,
    messages: "queue.Queue[Any]",
    is_over: threading.Event,
    pack_ahead: Callable[[Batch], None],
) -> None:
    with open(descriptor, "rb", buffering=1 << 20) as answers:
        while not is_over.is_set():
            message = _receive(answers, pack_ahead)
            messages.put(message)
            if message is None or message == _DONE:
                return
            # The message may be large, and the next one may take long to arrive.
            del message


def _receive(answers: BinaryIO, pack_ahead: Callable[[Batch], None]) -> Any:
    """Return a message; None if the other process has ended; the error if `pack_ahead` failed."""
    try:
        message = pickle.load(answers)
        if isinstance(message, Batch):
            pack_ahead(message)
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    except Exception as error:  # noqa: BLE001 # the consumer of the queue raises it
        return error
    return message


def _is_large(message: Message | BaseException | str) -> bool:
    return isinstance(message, Batch) and message.size > _LARGE


def _serve(job: Job, answer: int, written: int) -> NoReturn:
    """Write the messages of a job to a file descriptor, and end this process.

    :param written: file descriptor that receives a byte for each large batch that was written
    """
    code = 1
    try:
        # Ctrl-C reaches both processes; the one that writes handles it.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # Batches have no reference cycles, and searching for cycles costs a third of the time.
        gc.disable()
        # The connections belong to the other process; psycopg2 does not close them in this one.
        for connection in connections.all(initialized_only=True):
            connection.connection = None
        with suppress(BrokenPipeError), open(answer, "wb", buffering=1 << 20) as answers:
            for message in chain(_safely(job), [_DONE]):
                pickle.dump(message, answers, protocol=5)
                answers.flush()
                is_large = _is_large(message)
                # A record may be large: release its memory before the next one is read.
                del message
                if is_large:
                    os.read(written, 1)
        code = 0
    finally:
        # Not sys.exit, which would flush and close files that the other process has open.
        os._exit(code)


def _end_with_parent() -> None:
    """Have Linux end this process when the one that writes ends."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _safely(job: Job) -> Iterator[Message | BaseException]:
    """Yield the messages. If reading fails, the last message is the error."""
    try:
        yield from Reader(job).read_all()
    except (MarketplaceError, Error) as error:
        error.__cause__ = None
        yield error
    except Exception as error:  # noqa: BLE001 # only this process has the traceback
        traceback.print_exc()
        yield MarketplaceError(f"The process that reads the sources failed: {name_error(error)}.")

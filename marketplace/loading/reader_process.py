"""Reading in a process of its own, so that parsing goes on while the database works.

Between the two processes goes a pipe; a few batches wait in it, so memory stays flat. After a large
batch, the reader goes on only when it was written, of which a second pipe tells it.
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
from marketplace.loading.preparation import Batch
from marketplace.loading.reader import Reader
from marketplace.loading.sources import Job, Message

#: Bytes of files from which on a process of its own reads them.
_MANY_BYTES = 4_000_000
_PACKED = (".gz", ".zst")

#: Bytes of payloads from which on a batch is large: one of its records is.
_LARGE = 16 << 20

#: From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1

#: The last message of a process that is done.
_DONE = "done"


def is_worth_it(job: Job) -> bool:
    """Return whether there is so much to read that a second process pays."""
    if not settings.INGEST_READER_PROCESS or connections[job.alias].in_atomic_block:
        return False
    size = 0
    for source in job.sources:
        if isinstance(source, int) or source == documents.STANDARD_INPUT:
            return _has_descriptor(source)
        with suppress(OSError):
            size += os.path.getsize(source) * (8 if source.endswith(_PACKED) else 1)
    return size >= _MANY_BYTES


def _has_descriptor(source: str | int) -> bool:
    """Return whether another process can read a source that is no file."""
    if isinstance(source, int):
        return True
    try:
        return sys.stdin is not None and not sys.stdin.isatty() and sys.stdin.fileno() == 0
    except (OSError, ValueError):
        return False


def read(job: Job, ahead: Callable[[Batch], None]) -> Iterator[Message]:
    """Yield as `Reader.read_all` does, while another process reads.

    :param ahead: what a thread does with a batch while the one before it is being written
    :raises SourceError: if that process ends before it is done
    """
    with _started(job, ahead) as (pid, messages, written):
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
            # It is freed before the next one is read.
            del message
            if is_large:
                with suppress(BrokenPipeError):
                    os.write(written, b".")


def _ending(pid: int) -> str:
    """Return how a process has ended; it is left to be waited for."""
    with suppress(OSError):
        status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        if status and status.si_code != os.CLD_EXITED:
            is_killed = status.si_status == signal.SIGKILL
            reason = ", probably because the machine ran out of memory" if is_killed else ""
            return f"was ended by {signal.Signals(status.si_status).name}{reason}"
    return "ended unexpectedly"


@contextmanager
def _started(
    job: Job, ahead: Callable[[Batch], None]
) -> Iterator[tuple[int, "queue.Queue[Any]", int]]:
    """Start the process that reads, and a thread that takes what it sends.

    Yields its id, what it sends, and where to write that a large batch was written.
    """
    answer_in, answer_out = os.pipe()
    written_in, written_out = os.pipe()
    with suppress(AttributeError, OSError):
        # Fewer, larger portions: each wakes the other process up.
        fcntl.fcntl(answer_out, fcntl.F_SETPIPE_SZ, 1 << 20)
    with warnings.catch_warnings():
        # Of threads: none of those that may run here holds what the new process needs.
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
    taker = threading.Thread(target=_take, args=(answer_in, messages, is_over, ahead), daemon=True)
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
    ahead: Callable[[Batch], None],
) -> None:
    with open(descriptor, "rb", buffering=1 << 20) as answers:
        while not is_over.is_set():
            message = _receive(answers, ahead)
            messages.put(message)
            if message is None or message == _DONE:
                return
            # It may be large, and the next one may be long in coming.
            del message


def _receive(answers: BinaryIO, ahead: Callable[[Batch], None]) -> Any:
    """Return a message; None if the other process has ended, the error if one was made here."""
    try:
        message = pickle.load(answers)
        if isinstance(message, Batch):
            ahead(message)
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    except Exception as error:  # noqa: BLE001 # a thread's top: who waits for it must learn of it
        return error
    return message


def _is_large(message: Message | BaseException | str) -> bool:
    return isinstance(message, Batch) and message.size > _LARGE


def _serve(job: Job, answer: int, written: int) -> NoReturn:
    """Write the messages of a job to a file descriptor, and end this process.

    :param written: file descriptor with a byte for each large batch that was written
    """
    code = 1
    try:
        # Ctrl-C reaches both processes: the one that writes decides what becomes of the run.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _end_with_parent()
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        # What a batch leaves is freed by its references; looking for cycles costs a third of it.
        gc.disable()
        # The connections are the other process's. psycopg2 does not close what it did not open.
        for connection in connections.all(initialized_only=True):
            connection.connection = None
        with suppress(BrokenPipeError), open(answer, "wb", buffering=1 << 20) as answers:
            for message in chain(_safely(job), [_DONE]):
                pickle.dump(message, answers, protocol=5)
                answers.flush()
                is_large = _is_large(message)
                # A record may be large: it is freed before the next one is read.
                del message
                if is_large:
                    os.read(written, 1)
        code = 0
    finally:
        # Not sys.exit: nothing of what the other process has open may be flushed or closed here.
        os._exit(code)


def _end_with_parent() -> None:
    """Have the system end this process with the one that writes, where it can (Linux)."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _safely(job: Job) -> Iterator[Message | BaseException]:
    """Yield the messages, the last one being the error that ended them, if any."""
    try:
        yield from Reader(job).read_all()
    except (MarketplaceError, Error) as error:
        error.__cause__ = None
        yield error
    except Exception as error:  # noqa: BLE001 # a process's top: its trace is told here or nowhere
        traceback.print_exc()
        yield MarketplaceError(f"The process that reads the sources failed: {name_error(error)}.")

"""What a process takes of the machine's memory, and gives back. Only glibc has the calls; elsewhere nothing is done."""

import ctypes
import gc
import sys

M_MMAP_THRESHOLD, M_ARENA_MAX = -3, -8
POOLS = 2
"""glibc makes a pool for each thread, up to eight for each processor, and each of them keeps what was once needed there."""
LARGE = 256 * 1024
"""Bytes: what is larger goes back when it is freed. glibc raises this by itself, and then keeps it."""


def be_modest() -> None:
    """To be called before the first thread. A worker that took in 100,000 members stood at 360 MB instead of 150."""
    if (libc := _glibc()) is not None:
        libc.mallopt(M_ARENA_MAX, POOLS)
        libc.mallopt(M_MMAP_THRESHOLD, LARGE)


def keep_what_is_loaded() -> None:
    """Modules, tables and routes stay to the end: the search for garbage need not look through them again and again."""
    gc.freeze()
    gc.enable()


def give_back() -> None:
    """What was freed, to the system. Takes a few milliseconds."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    return libc if hasattr(libc, "malloc_trim") and hasattr(libc, "mallopt") else None

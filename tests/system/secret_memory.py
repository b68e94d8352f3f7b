#!/usr/bin/python3
"""SP60: a secret is in a process's memory for as long as that process needs it, and no longer."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway

# Long, as memory of that size is not soon used again; and in pieces, as its beginning may be
# written over all the same.
PIECES = [f"Under-your-Hat-{i:03}" for i in range(25)]
SECRET = "/".join(PIECES)


def writable_memory(pid):
    """Every readable and writable byte of a process, mapping by mapping."""
    try:
        memory = open(f"/proc/{pid}/mem", "rb", buffering=0)
        maps = pathlib.Path(f"/proc/{pid}/maps").read_text()
    except PermissionError:
        raise suite.Skip("this user may not read another process's memory")
    with memory:
        for line in maps.splitlines():
            bounds, mode = line.split()[:2]
            first, last = (int(bound, 16) for bound in bounds.split("-"))
            if mode.startswith("rw") and last - first < 1 << 30: # more is a sanitizer's shadow
                memory.seek(first)
                try:
                    yield memory.read(last - first)
                except OSError: # the kernel's own, such as [vvar]
                    continue


def copies(pid):
    """How often most of the secret is there. A few bytes on the stack, where a register was saved
    while it was copied, are no copy."""
    chunks = list(writable_memory(pid))
    counts = [sum(chunk.count(piece.encode()) for chunk in chunks) for piece in PIECES]
    return sorted(counts)[len(counts) // 2]


def wait_until_none_is_left(pid):
    """What a request held is wiped when its answer has left: whoever has the answer may come before."""
    suite.wait_for("no copy is left", lambda: copies(pid) == 0, 5)


def profiles_of(gateway):
    return gateway.worker_rows()[0]["running"]["profiles"]


def test_SP60_a_worker_forgets_the_secret_of_a_profile_that_is_gone(t):
    gateway = Gateway(t, workers=1)
    worker = gateway.worker_pids()[0]
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"], username="me", password=SECRET)
    suite.wait_for("the worker has the profile", lambda: profiles_of(gateway))
    suite.wait_for("one copy is there, as one is needed", lambda: copies(worker) == 1, 5)
    gateway.ctl("profile", "delete", "relay")
    suite.wait_for("the worker has dropped it", lambda: not profiles_of(gateway))
    wait_until_none_is_left(worker)


def test_SP60_the_master_keeps_none_in_clear(t):
    gateway = Gateway(t, workers=1)
    gateway.put_profile("relay", ["smtp://127.0.0.1:2599"], username="me", password=SECRET)
    suite.wait_for("the worker has the profile", lambda: profiles_of(gateway))
    wait_until_none_is_left(gateway.process.pid)


if __name__ == "__main__":
    suite.run(globals())

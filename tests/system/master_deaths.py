#!/usr/bin/python3
"""MQ02, OP02: the master dies, again and again, and is started again at once, while its workers may
still be at work. No slot is ever written to by two of them, and nothing that was promised is lost.

Who writes is seen by tests/shim: each call on a slot's segments is written down as soon as it has
returned, by whoever made it, in one file. A process that has written to a slot after another one did
must be the last of the two."""
import fcntl
import os
import pathlib
import re
import signal
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.load import Load, doubles, missing
from peer.servers import ScriptedServer

DEATHS = 20
WRITES = ("pwrite", "pwritev", "fallocate", "fdatasync", "unlink")
SLOT = re.compile(r"/spool/(\d+)/[^/]*\.seg")


def start(t, sinks, workers):
    faults = Faults(t)
    rules = " ".join(f"{call}:always:log:path=.seg:in=postern-worker" for call in WRITES)
    gateway = Gateway(t, workers=workers, segment_size="1M", env=faults.env(rules))
    gateway.put_profile("relay", sinks, retry={"first": 1, "factor": 1, "max": 1})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, faults


def writers(faults):
    """For each slot who wrote to its segments, in order; one who writes on is named once."""
    found = {}
    for line in faults.lines(program="postern-worker"):
        slot = SLOT.search(line.path)
        if slot is None:
            continue
        pids = found.setdefault(int(slot.group(1)), [])
        if not pids or pids[-1] != line.pid:
            pids.append(line.pid)
    return found


def check_writers(faults, workers):
    """How many there were in all."""
    found = writers(faults)
    assert set(found) == set(range(workers)), found
    for slot, pids in found.items():
        assert len(pids) == len(set(pids)), f"two wrote to slot {slot} by turns: {pids}"
    return sum(len(pids) for pids in found.values())


def kill_master(gateway):
    """It alone. Its workers are told by the end of their channel."""
    master = gateway.process
    master.kill()
    master.wait(10)
    return master.pid


@suite.deadline(240)
def test_MQ02_OP02_20_deaths_of_the_master_under_load(t):
    sink = ScriptedServer(t)
    gateway, faults = start(t, [sink], workers=3)
    load = Load(t, gateway.port, threads=16, per_connection=5)
    sessions = []
    for death in range(1, DEATHS + 1):
        suite.wait_for(f"mail flows before death {death}",
                       lambda: len(load.acknowledged) >= 150 * death, 60)
        sessions.append(kill_master(gateway))
        gateway.start(wait=death % 2 == 0) # or the next death comes while it is still starting
    suite.wait_for("mail flows again", lambda: len(load.acknowledged) >= 150 * (DEATHS + 1), 60)
    load.stop()
    gateway.wait_ready()
    gateway.wait_scanned()
    suite.wait_for("all that was promised", lambda: not missing(load.acknowledged, [sink]), 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    left = [pid for session in sessions for pid in suite.session_pids(session)]
    assert not left, left
    count = check_writers(faults, workers=3)
    assert count >= DEATHS, count
    return f"{len(load.acknowledged)} promised, {count} workers wrote to 3 slots, none beside " \
           f"another, {doubles([sink])} doubled"


def stopped(pid):
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(") ")[2].startswith("T")


def kill_master_and_stop(gateway, pid):
    """The session, or None: the worker was quicker. The kernel sets going what is stopped when its
    master ends, so it is stopped after that."""
    session = kill_master(gateway)
    try:
        for _ in range(50):
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.002)
        return session if stopped(pid) else None
    except (ProcessLookupError, FileNotFoundError):
        return None


@suite.deadline(240)
def test_OP02_a_worker_that_does_not_end_with_its_master_is_killed_after_10_s(t):
    sink = ScriptedServer(t)
    gateway, faults = start(t, [sink], workers=2)
    load = Load(t, gateway.port, threads=8, per_connection=5)

    def leave_one():
        suite.wait_for("mail flows", lambda: len(load.acknowledged) >= leave_one.enough, 60)
        leave_one.enough = len(load.acknowledged) + 50
        pids = gateway.worker_pids()
        session = kill_master_and_stop(gateway, pids[0]) if pids else kill_master(gateway)
        began = time.monotonic()
        gateway.start(wait=False)
        return session and pids and (pids[0], session, began)
    leave_one.enough = 50
    for _ in range(5):
        victim, session, began = suite.wait_for("a worker was stopped before it had ended",
                                                leave_one, 120, 0)
        gateway.wait_ready(40)
        took = time.monotonic() - began
        if took >= 9 or not suite.session_pids(session):
            break
        os.kill(victim, signal.SIGKILL) # it had let go of its slot already: nobody waits for it
    assert not suite.session_pids(session), "the stopped worker is still there"
    assert took >= 9, took
    assert f"pid={victim}" in gateway.log_text()
    before = len(load.acknowledged)
    suite.wait_for("mail flows again", lambda: len(load.acknowledged) >= before + 200, 60)
    load.stop()
    suite.wait_for("all that was promised", lambda: not missing(load.acknowledged, [sink]), 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    check_writers(faults, workers=2)
    return f"{took:.1f} s from the start to ready, {len(load.acknowledged)} promised, " \
           f"{doubles([sink])} doubled"


def lock_slot(gateway, slot):
    """As a worker's own lock: whoever asks cannot tell them apart."""
    file = open(gateway.folder / f"state/spool/{slot}/lock", "r+b")
    fcntl.fcntl(file, fcntl.F_OFD_SETLK,
                struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
    return file


def test_OP02_while_somebody_works_in_a_slot_no_master_starts_and_no_stranger_is_killed(t):
    """The pid file names a process that has got the number of a worker since that ended."""
    gateway = Gateway(t, workers=1)
    assert gateway.stop() == 0
    stranger = t.spawn(["sleep", "120"])
    (gateway.folder / "state/spool/0/pid").write_text(f"{stranger.pid} 1\n")
    began = time.monotonic()
    with lock_slot(gateway, 0):
        gateway.start(wait=False)
        assert gateway.process.wait(40) != 0
    took = time.monotonic() - began
    assert "a process still works in" in gateway.log_text()
    assert took >= 14, took
    assert stranger.poll() is None
    gateway.start()
    return f"{took:.1f} s"


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""What tests use to break things is in no program that is shipped."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import SHIM, Faults
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import ScriptedServer

PROGRAMS = ("posternd", "postern-worker", "posternctl", "postern-console")
WORDS = (b"POSTERN_HOOK", b"POSTERN_FAULT", b"LD_PRELOAD", b"ASAN_OPTIONS", b"after_sync",
         b"recycle_header")


def is_built(build, newest):
    """A build older than the sources says nothing of them; after a change of one at least one program is newer."""
    programs = [suite.ROOT / "build" / build / "bin" / program for program in PROGRAMS]
    return all(p.exists() for p in programs) and max(p.stat().st_mtime for p in programs) > newest


def builds_without_hooks():
    newest = max(p.stat().st_mtime for side in ("common", "master", "worker") for p in (suite.ROOT / side).rglob("*.[ch]"))
    found = [b for b in ("release", "clang") if is_built(b, newest)]
    if not found:
        raise suite.Skip("neither build/release nor build/clang is built from these sources")
    return found


def words_in(path):
    content = path.read_bytes()
    return [word for word in WORDS if word in content]


def test_no_word_of_hooks_is_in_the_programs(t):
    builds = builds_without_hooks()
    for build in builds:
        for program in PROGRAMS:
            found = words_in(suite.ROOT / "build" / build / "bin" / program)
            assert not found, (build, program, found)
    # The words are the right ones: where there are hooks they are found.
    assert words_in(suite.ROOT / "build/debug/bin/postern-worker")
    assert words_in(suite.ROOT / "build/debug/bin/posternd")
    return ", ".join(builds)


def deliver_one(t, build, env):
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=1, env=env, start=False)
    gateway.bin = suite.ROOT / "build" / build / "bin"
    gateway.start()
    gateway.put_profile("relay", [sink])
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    worker, = gateway.worker_pids()
    with Client(gateway.port) as client:
        assert client.deliver(b"Subject: marked\r\n\r\nx\r\n").code == 250
    suite.wait_for("the message", lambda: sink.messages)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    return gateway, worker


def faults_of(t):
    """Each would end the worker, or be seen in the log."""
    faults = Faults(t)
    return faults, faults.env(
        "fdatasync:always:log pwritev:always:log",
        "after_sync:1:kill receive:1:abort:mark=marked deliver:1:abort:mark=marked")


def test_a_worker_without_hooks_is_told_nothing_of_faults(t):
    build = builds_without_hooks()[0]
    faults, env = faults_of(t)
    gateway, worker = deliver_one(t, build, env)
    told = pathlib.Path(f"/proc/{worker}/environ").read_bytes()
    for name in env:
        assert name.encode() not in told, told
    assert SHIM.name not in pathlib.Path(f"/proc/{worker}/maps").read_text()
    assert not faults.lines(program="postern-worker"), faults.lines()
    assert gateway.worker_pids() == [worker]
    return build


def test_a_worker_with_hooks_is(t):
    """The same setting does what it says where it may: the test above can fail."""
    faults, env = faults_of(t)
    del env["POSTERN_HOOK"]
    _, worker = deliver_one(t, "debug", env)
    assert SHIM.name in pathlib.Path(f"/proc/{worker}/maps").read_text()
    assert faults.lines(program="postern-worker", call="fdatasync")


if __name__ == "__main__":
    suite.run(globals())

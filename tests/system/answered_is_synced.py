#!/usr/bin/python3
"""MQ02 by interception: before a client reads 250, the fdatasync that covers its message has
returned. The order of all writes, syncs and replies is written down by tests/shim."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import HANG, ScriptedServer
from peer.spool import records

ID = re.compile(r"250_2\.0\.0_Ok:_queued_as_([0-9A-Z]{13})")
WATCHED = "pwrite:always:log:path=.seg pwritev:always:log:path=.seg " \
    "fdatasync:always:log:path=.seg send:always:log"


def start(t, workers=2, **options):
    """A gateway that takes mail and gets rid of none, so that the spool has what was written."""
    faults = Faults(t)
    sink = ScriptedServer(t, replies={"CONNECT": HANG})
    gateway = Gateway(t, workers=workers, env=faults.env(WATCHED), **options)
    gateway.put_profile("relay", [sink])
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, faults


def all_but_the_dot(gateway, number, size):
    client = Client(gateway.port, 60)
    for reply in client.start(recipients=[f"n{number}@example.test"]):
        assert reply.code == 250, reply
    assert client.command("DATA").code == 354
    client.send(b"Subject: %d\r\n\r\n" % number + (b"x" * 70 + b"\r\n") * (size // 72))
    return client


def at_once(t, gateway, sizes):
    """Messages whose ends of data leave together; their ids."""
    clients = [all_but_the_dot(gateway, n, size) for n, size in enumerate(sizes)]
    t.on_close(lambda: [client.close() for client in clients])
    for client in clients:
        client.send(b".\r\n")
    replies = [client.reply() for client in clients]
    assert all(r.code == 250 for r in replies), [r for r in replies if r.code != 250][:3]
    return [r.lines[0].rsplit(" ", 1)[1] for r in replies]


class Order:
    """What the log says, by process."""

    def __init__(self, faults):
        lines = [line for line in faults.lines(program="postern-worker") if line.result >= 0]
        self.syncs = [line for line in lines if line.call == "fdatasync"]
        self.writes = [line for line in lines if line.call in ("pwrite", "pwritev")]
        self.replies = {m.group(1): line for line in lines
                        if line.call == "send" and (m := ID.match(line.text))}

    def sync_of(self, record, reply):
        """The first sync after the record's last write, if it returned before the reply left."""
        written = [w.end for w in self.writes if w.pid == reply.pid and w.path == record.path and
                   w.offset < record.end and w.offset + w.result > record.begin]
        assert written, "the record was not written before our eyes"
        later = [s for s in self.syncs if s.pid == reply.pid and s.path == record.path and
                 s.begin > max(written)]
        first = min(later, key=lambda s: s.end, default=None)
        return first if first is not None and first.end < reply.begin else None


def check(gateway, faults, ids):
    """How many syncs the messages needed; AssertionError for one that was answered too early."""
    suite.wait_for("the log has all replies", lambda: set(ids) <= set(Order(faults).replies))
    order, lying = Order(faults), records(gateway.folder / "state")
    used = set()
    for name in ids:
        assert name in lying, f"{name} was answered and is not in the spool"
        sync = order.sync_of(lying[name], order.replies[name])
        assert sync is not None, f"{name} was answered before it was synced: {order.replies[name]}"
        used.add((sync.pid, sync.begin))
    return len(used)


@suite.deadline(180)
def test_MQ02_a_thousand_at_once(t):
    gateway, faults = start(t)
    ids = at_once(t, gateway, [1000] * 1000)
    syncs = check(gateway, faults, ids)
    assert len(set(ids)) == 1000
    return f"{len(ids)} messages, {syncs} syncs"


@suite.deadline(180)
def test_MQ02_sizes_mixed_with_and_without_a_segment_of_their_own(t):
    gateway, faults = start(t, segment_size="1M")
    sizes = [100, 5000, 70000, 600000, 1 << 20, 1500000, 3 << 20] * 6
    syncs = check(gateway, faults, at_once(t, gateway, sizes))
    own = [p for p in (gateway.folder / "state/spool").glob("*/*.seg")
           if p.read_bytes()[20] == 2]
    assert len(own) >= 12, own
    return f"{len(sizes)} messages, {syncs} syncs, {len(own)} segments of one message"


@suite.deadline(120)
def test_MQ02_one_after_the_other(t):
    gateway, faults = start(t, workers=1)
    ids = [at_once(t, gateway, [1000])[0] for _ in range(50)]
    syncs = check(gateway, faults, ids)
    assert syncs == 50, syncs
    return f"{len(ids)} messages, {syncs} syncs"


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""MQ07: a full disk, no inodes, the spool's limit, no memory: new mail is answered 452 or 451 and
nothing worse, what is queued goes on, and all of it ends by itself."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway, Refused
from peer.load import Load
from peer.mounts import SmallDisk
from peer.net import Client
from peer.servers import ScriptedServer
from peer.trouble import check_all_arrives, check_refusals, deliver, until_taken, wait_alert


def start(t, disk=None, **options):
    """A gateway whose state lies on the small disk, with a server that is switched off."""
    gateway = Gateway(t, start=False, **options)
    disk = disk and disk(gateway.folder / "state")
    gateway.start()
    sink = ScriptedServer(t)
    sink.stop()
    gateway.put_profile("relay", [sink], retry={"first": 1, "factor": 1, "max": 1})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink, disk


def until_refused(t, gateway, body_bytes=20000):
    """Sends until room runs out; whoever sent is told so and nothing else."""
    load = Load(t, gateway.port, threads=8, per_connection=20, body_bytes=body_bytes)
    suite.wait_for("there is no more room", lambda: load.refused.get(452, 0) >= 20, 60)
    load.stop()
    check_refusals(load)
    return load


@suite.deadline(120)
def test_MQ07_a_disk_that_others_have_filled(t):
    gateway, sink, disk = start(t, lambda path: SmallDisk(t, path, 64))
    pids = gateway.pids()
    assert deliver(gateway, "before@example.test").code == 250
    disk.fill()
    load = until_refused(t, gateway)
    wait_alert(gateway, "no room for another segment")
    sink.start()
    check_all_arrives(gateway, sink, load)
    disk.free()
    until_taken(gateway)
    assert gateway.pids() == pids
    return f"{len(load.acknowledged)} taken, {load.refused}"


@suite.deadline(120)
def test_MQ07_a_disk_that_the_spool_has_filled_empties_itself_by_delivery(t):
    gateway, sink, _ = start(t, lambda path: SmallDisk(t, path, 48))
    pids = gateway.pids()
    load = until_refused(t, gateway)
    sink.start()
    check_all_arrives(gateway, sink, load)
    until_taken(gateway)
    assert gateway.pids() == pids
    return f"{len(load.acknowledged)} taken, {load.refused}"


@suite.deadline(120)
def test_MQ07_large_messages_on_a_full_disk(t):
    gateway, sink, disk = start(t, lambda path: SmallDisk(t, path, 64),
                                smtp={"max_message_size": 20000000})
    disk.fill(leave=3 << 20)

    def refused_at_once(): # it says how large it is: known before a byte of it came
        with Client(gateway.port) as client:
            assert client.command("MAIL FROM:<a@client.test> SIZE=20000000").code == 250
            assert client.command("RCPT TO:<b@example.test>").code == 250
            reply = client.command("DATA")
            assert (reply.code, reply.enhanced) in ((354, None), (452, "4.3.1")), reply
            return reply.code == 452
    suite.wait_for("the full disk is noticed", refused_at_once, 5)
    # It does not say so: refused when it is seen to be large, and read to its end.
    reply = deliver(gateway, "large@example.test", 6 << 20)
    assert (reply.code, reply.enhanced) == (452, "4.3.1"), reply
    assert deliver(gateway, "small@example.test").code == 250
    disk.free()
    suite.wait_for("the large one is taken",
                   lambda: deliver(gateway, "large@example.test", 6 << 20).code == 250)
    sink.start()
    suite.wait_for("both", lambda: len(sink.messages) == 2)
    assert {m.recipients[0] for m in sink.messages} == {"small@example.test", "large@example.test"}


@suite.deadline(120)
def test_MQ07_a_large_message_that_fills_the_disk_on_its_way(t):
    """The room was there when it began, and somebody else took it."""
    gateway, sink, disk = start(t, lambda path: SmallDisk(t, path, 96),
                                smtp={"max_message_size": 20000000})
    with Client(gateway.port, 60) as client:
        assert all(r.code == 250 for r in client.start())
        assert client.command("DATA").code == 354
        client.send(b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 40000)
        suite.wait_for("it is being written", lambda: any(
            p.stat().st_size > 1 << 20 and p.stat().st_size != 4 << 20
            for p in (gateway.folder / "state/spool").glob("*/*.seg")))
        disk.fill()
        client.send((b"y" * 70 + b"\r\n") * 200000)
        client.send(b".\r\n")
        reply = client.reply()
        assert reply.code in (451, 452), reply
        assert client.command("NOOP").code == 250
    disk.free()
    until_taken(gateway)
    sink.start()
    suite.wait_for("the other", lambda: sink.messages)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert len(sink.messages) == 1


@suite.deadline(120)
def test_MQ07_no_inodes(t):
    gateway, sink, disk = start(t, lambda path: SmallDisk(t, path, 96, inodes=64))
    pids = gateway.pids()
    disk.fill_inodes()
    reply = deliver(gateway, "large@example.test", 2 << 20) # needs a file of its own
    assert reply.code in (451, 452), reply
    load = until_refused(t, gateway)
    wait_alert(gateway, "no room for another segment")
    disk.free()
    until_taken(gateway)
    sink.start()
    check_all_arrives(gateway, sink, load)
    assert gateway.pids() == pids
    return f"{len(load.acknowledged)} taken, {load.refused}"


@suite.deadline(120)
def test_MQ07_the_limit_of_the_spool(t):
    gateway, sink, _ = start(t, workers=1, spool={"limit": "16M"})
    load = until_refused(t, gateway)
    wait_alert(gateway, "no room for another segment")
    used = sum(p.stat().st_blocks * 512 for p in (gateway.folder / "state/spool").rglob("*"))
    assert used <= 17 << 20, used
    sink.start()
    check_all_arrives(gateway, sink, load)
    until_taken(gateway)
    return f"{len(load.acknowledged)} taken in {used >> 20} MiB"


def test_MQ07_memory_for_bodies(t):
    gateway, sink, _ = start(t, workers=1, spool={"memory": "1M"})
    clients = [Client(gateway.port) for _ in range(80)]
    t.on_close(lambda: [client.close() for client in clients])
    replies = []
    for client in clients:
        assert all(r.code == 250 for r in client.start())
        replies.append(client.command("DATA"))
    took = [c for c, r in zip(clients, replies) if r.code == 354]
    assert 30 <= len(took) < 80, len(took)
    assert {(r.code, r.enhanced) for r in replies if r.code != 354} == {(452, "4.3.1")}
    for client in took:
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert all(client.reply().code == 250 for client in took)
    refused = [c for c in clients if c not in took]
    for client in refused: # the transaction is still there: the client may try again
        assert client.content(b"Subject: x\r\n\r\nx\r\n").code == 250
    sink.start()
    suite.wait_for("all of them", lambda: len(sink.messages) == 80)
    return f"{len(took)} at once"


@suite.deadline(120)
def test_SP54_the_store_on_a_full_disk_keeps_what_it_had(t):
    gateway, _, disk = start(t, lambda path: SmallDisk(t, path, 64))
    disk.fill()

    def save(number):
        names = [f"smtp://host{number}-{i}.example.test:25" for i in range(64)]
        gateway.put_profile("relay", names, retry={"first": 1 + number})
    number = 0
    try:
        for number in range(200):
            kept = gateway.ctl_json("profile", "show", "relay")
            gateway.put_profile(f"more {number}", [f"smtp://h{number}-{i}.example.test:25"
                                                   for i in range(64)])
            save(number)
        raise AssertionError("200 saves found room on a full disk")
    except Refused as refused:
        assert refused.code == 1 and "space" in refused.err, refused
    assert gateway.ctl_json("profile", "show", "relay") == kept
    gateway.kill_all()
    gateway.start()
    assert gateway.ctl_json("profile", "show", "relay") == kept
    disk.free()
    save(number)
    assert gateway.ctl_json("profile", "show", "relay")["retry"]["first"] == 1 + number
    return f"{number} saves before"


@suite.deadline(120)
def test_MQ07_no_space_said_by_the_shim(t):
    """The same where nothing can be mounted."""
    faults = Faults(t)
    full = faults.switch("full")
    gateway, sink, _ = start(t, env=faults.env(f"fallocate:always:ENOSPC:path=/spool/:{full.when}"))
    with full:
        load = until_refused(t, gateway)
        sink.start()
        check_all_arrives(gateway, sink, load)
    until_taken(gateway)
    assert faults.lines(did="ENOSPC")
    return f"{len(load.acknowledged)} taken, {len(faults.lines(did='ENOSPC'))} times no space"


if __name__ == "__main__":
    suite.run(globals())

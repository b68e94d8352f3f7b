#!/usr/bin/python3
"""MQ02, MQ07: when descriptors or sockets run out, clients wait or are told to come again, nothing
is lost or counted against a server, and all of it ends by itself."""
import os
import pathlib
import resource
import socket
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.load import Load, missing
from peer.net import Client
from peer.servers import ScriptedServer
from peer.trouble import alerts, check_all_arrives, check_refusals, deliver, wait_alert


def start(t, workers=1, rules="", **profile):
    faults = Faults(t)
    switch = faults.switch("fault")
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=workers, env=faults.env(rules.replace("%s", switch.when)))
    gateway.put_profile("relay", [sink], retry={"first": 1, "factor": 1, "max": 1}, **profile)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink, faults, switch


def open_descriptors(pid):
    return max(map(int, os.listdir(f"/proc/{pid}/fd"))) + 1


def limit(pid, soft):
    """Returns the limit before."""
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (soft, before[1]))
    return before[0]


@suite.deadline(120)
def test_MQ07_more_clients_than_descriptors(t):
    """Those that there is no descriptor for wait outside, and each is served in the end."""
    gateway, sink, _, _ = start(t)
    worker, = gateway.worker_pids()
    used = open_descriptors(worker)
    before = limit(worker, used + 12)
    load = Load(t, gateway.port, threads=40, per_connection=3)
    suite.wait_for("the shortage", lambda: "cannot accept connections" in gateway.log_text())
    suite.wait_for("mail flows all the same", lambda: len(load.acknowledged) >= 200, 60)
    limit(worker, before)
    taken = len(load.acknowledged)
    suite.wait_for("it flows again", lambda: len(load.acknowledged) >= taken + 200, 10)
    load.stop()
    check_refusals(load)
    check_all_arrives(gateway, sink, load)
    assert gateway.worker_pids() == [worker]
    return f"{len(load.acknowledged)} messages, {load.refused}"


@suite.deadline(120)
def test_MQ07_no_descriptors_at_all(t):
    """Sessions that are there can say what they like; what needs a file is 451 or 452."""
    gateway, sink, _, _ = start(t)
    worker, = gateway.worker_pids()
    clients = [Client(gateway.port) for _ in range(5)]
    t.on_close(lambda: [client.close() for client in clients])
    before = limit(worker, 0)
    taken = [client.deliver(recipients=[f"n{i}@example.test"]) for i, client in enumerate(clients)]
    assert {reply.code for reply in taken} <= {250, 451, 452}, taken
    reply = clients[0].deliver(b"Subject: large\r\n\r\n" + (b"y" * 70 + b"\r\n") * 30000)
    assert reply.code in (451, 452), reply
    waiting = socket.create_connection(("127.0.0.1", gateway.port), 5)
    t.on_close(waiting.close)
    assert gateway.ctl("status") # the master has its own
    limit(worker, before)
    waiting.settimeout(10)
    assert waiting.recv(512).startswith(b"220 ")
    promised = [f"n{i}@example.test" for i, reply in enumerate(taken) if reply.code == 250]
    suite.wait_for("what was taken", lambda: not missing(promised, [sink]), 30)
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    assert deliver(gateway, "after@example.test", 2 << 20).code == 250
    return f"{len(promised)} of {len(clients)} taken"


@suite.deadline(120)
def test_no_sockets_for_delivery_is_nobodys_failure(t):
    """The servers are not to blame, and no attempt is counted: the mail waits a moment."""
    gateway, sink, faults, switch = start(t, rules="socket:always:EMFILE:in=postern-worker:%s")
    with switch:
        assert deliver(gateway, "waits@example.test").code == 250
        faults.wait(2, call="socket", did="EMFILE")
        row, = gateway.queue()
        assert row["attempts"] == 0, row
        assert "server failed" not in gateway.log_text()
    suite.wait_for("it goes", lambda: sink.messages)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    return f"{len(faults.lines(did='EMFILE'))} times none"


def start_with_old_mail(t, rules):
    """One message from before a restart: its segment is open in no worker."""
    gateway, sink, faults, switch = start(t, rules=rules)
    gateway.put_profile("relay", [sink], retry={"first": 60, "factor": 1, "max": 60})
    sink.stop()
    assert deliver(gateway, "old@example.test").code == 250
    suite.wait_for("it is deferred", lambda: [r["attempts"] for r in gateway.queue()] == [1])
    assert gateway.stop() == 0
    sink.start()
    return gateway, sink, faults, switch


@suite.deadline(120)
def test_a_spool_that_cannot_be_read_at_the_start_is_read_later(t):
    gateway, sink, faults, switch = start_with_old_mail(t, "open:always:EMFILE:path=.state:%s")
    with switch:
        gateway.start()
        wait_alert(gateway, "a slot's spool could not be read: mail in it waits")
        assert not gateway.queue()
        assert gateway.ctl_json("status")["slots_to_scan"] == 1
        assert not any("damage" in alert for alert in alerts(gateway))
    row, = suite.wait_for("it is found", gateway.queue, 10)
    gateway.ctl("queue", "retry", row["id"])
    suite.wait_for("it goes", lambda: sink.messages)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert len(sink.messages) == 1 and gateway.ctl_json("status")["slots_to_scan"] == 0


@suite.deadline(120)
def test_a_segment_that_cannot_be_opened_now_is_opened_later(t):
    gateway, sink, faults, switch = start_with_old_mail(
        t, "open:always:EMFILE:path=.state:in=postern-worker:%s")
    gateway.start()
    suite.wait_for("it is found", # a list of the queue would open it
                   lambda: gateway.ctl_json("status")["queue"]["deferred"] == 1)
    with switch:
        id_, = (row["id"] for row in gateway.queue())
        gateway.ctl("queue", "retry", id_)
        faults.wait(3, call="open", did="EMFILE")
        assert not sink.messages
        assert [r["attempts"] for r in gateway.queue()] == [1]
    suite.wait_for("it goes", lambda: sink.messages, 5)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())


@suite.deadline(120)
def test_MQ07_files_that_cannot_be_made_are_no_failure_of_the_disk(t):
    """Twice within a minute, and yet intake does not stop: there is only no new segment."""
    gateway, sink, faults, switch = start(t, rules="open:always:EMFILE:path=.seg:%s")
    with switch:
        for size in (2 << 20, 3 << 20):
            reply = deliver(gateway, "large@example.test", size)
            assert reply.code in (451, 452), reply
        assert deliver(gateway, "small@example.test").code == 250
    assert "intake stops" not in gateway.log_text(), gateway.log_text()
    assert deliver(gateway, "large@example.test", 2 << 20).code == 250
    suite.wait_for("both", lambda: len(sink.messages) == 2)
    return f"{len(faults.lines(did='EMFILE'))} times no descriptor"


@suite.deadline(120)
def test_the_master_without_descriptors_keeps_its_workers_and_answers_later(t):
    gateway, sink, _, _ = start(t)
    pids = gateway.pids()
    before = limit(gateway.process.pid, 0)
    assert deliver(gateway, "meanwhile@example.test").code == 250
    suite.wait_for("it goes", lambda: sink.messages)
    late = socket.socket(socket.AF_UNIX)
    t.on_close(late.close)
    late.settimeout(20)
    late.connect(str(gateway.socket))
    late.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    limit(gateway.process.pid, before)
    assert b"200 OK" in late.recv(65536)
    assert gateway.pids() == pids
    assert not gateway.queue()


@suite.deadline(120)
def test_OP02_a_worker_that_cannot_be_started_for_want_of_descriptors_is_started_later(t):
    gateway, sink, _, _ = start(t)
    master = gateway.process.pid
    before = limit(master, 0)
    os.kill(gateway.worker_pids()[0], 9)
    suite.wait_for("it is tried", lambda: "cannot start a worker" in gateway.log_text())
    limit(master, before)
    suite.wait_for("a successor", lambda: gateway.worker_pids(), 90)
    gateway.wait_ready()
    assert deliver(gateway, "after@example.test").code == 250
    suite.wait_for("it goes", lambda: sink.messages)


if __name__ == "__main__":
    suite.run(globals())

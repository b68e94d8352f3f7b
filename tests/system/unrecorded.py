#!/usr/bin/python3
"""MQ03: an outcome that cannot be written down is not forgotten: the worker that has it delivers
nothing more until it is written, takes mail all the same, and goes on by itself."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import ScriptedServer, later

PAUSE = "this worker's deliveries pause"
RESUME = "outcomes can be recorded again"


def start(t, rules, workers=1, replies=None):
    faults = Faults(t)
    switch = faults.switch("cells")
    sink = ScriptedServer(t, replies=replies)
    gateway = Gateway(t, workers=workers,
                      env=faults.env(f"{rules}:path=.state:{switch.when}:in=postern-worker"))
    gateway.put_profile("relay", [sink])
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink, switch


def send(gateway, first, count):
    with Client(gateway.port) as client:
        for number in range(first, first + count):
            reply = client.deliver(b"Subject: x\r\n\r\n", recipients=[f"n{number}@example.test"])
            assert reply.code == 250, reply


def recipients(sink):
    return sorted(int(r.split("@")[0][1:]) for m in sink.messages for r in m.recipients)


def test_MQ03_delivery_pauses_until_the_outcome_is_recorded(t):
    gateway, sink, switch = start(t, "pwrite:always:EIO")
    send(gateway, 0, 1)
    suite.wait_for("the first arrives", lambda: recipients(sink) == [0])
    with switch:
        send(gateway, 1, 1)
        suite.wait_for("the alert", lambda: PAUSE in gateway.log_text())
        assert recipients(sink) == [0, 1]
        send(gateway, 2, 20) # taken, and kept
        rows = suite.wait_for("all are listed", lambda: len(gateway.queue()) == 21 and
                              gateway.queue())
        assert {r["state"] for r in rows} <= {"ready", "deferred", "delivering"}, rows
        assert recipients(sink) == [0, 1], "something was delivered that could not be recorded"
    suite.wait_for("all arrive", lambda: len(sink.messages) >= 22)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert recipients(sink) == list(range(22)), recipients(sink)
    assert RESUME in gateway.log_text()


def test_MQ03_what_is_past_its_end_of_data_when_the_pause_begins_ends_well(t):
    slow = later(1.5, "250 2.0.0 taken")
    gateway, sink, switch = start(t, "pwrite:always:ENOSPC", replies={"END": lambda s, b: slow})
    send(gateway, 0, 5)
    suite.wait_for("all are past their end of data", lambda: sink.ends == 5)
    with switch:
        suite.wait_for("the alert", lambda: PAUSE in gateway.log_text())
        suite.wait_for("all are taken", lambda: len(sink.messages) == 5)
        assert len(gateway.queue()) == 5
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert recipients(sink) == list(range(5)), recipients(sink)


def test_MQ03_another_worker_goes_on_meanwhile(t):
    gateway, sink, switch = start(t, "pwrite:1:EIO", workers=2)
    with switch:
        send(gateway, 0, 60)
        suite.wait_for("all arrive", lambda: len(sink.messages) >= 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert recipients(sink) == list(range(60)), recipients(sink)


def test_MQ03_states_that_cannot_be_synced_are_written_anew_elsewhere(t):
    later_please = "451 4.2.1 later"
    gateway, sink, switch = start(t, "fdatasync:always:EIO", replies={"END": later_please})
    with switch:
        send(gateway, 0, 10)
        suite.wait_for("the alert", lambda: "states could not be synced" in gateway.log_text())
    suite.wait_for("the mail is moved", lambda: re.search(
        r"slot=0 segment=\d+ moved=10 left=0 msg=\"mail was moved", gateway.log_text()), 30)
    sink.replies.clear()
    for row in gateway.queue():
        gateway.ctl("queue", "retry", row["id"])
    suite.wait_for("all arrive", lambda: len(sink.messages) >= 10)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert recipients(sink) == list(range(10)), recipients(sink)


if __name__ == "__main__":
    suite.run(globals())

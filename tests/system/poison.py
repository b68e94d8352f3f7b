#!/usr/bin/python3
"""MQ09: a message that kills its worker is held after two deaths, with the reason and an alert, and
all other mail is delivered."""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.load import Load, missing
from peer.net import Client, Closed
from peer.servers import HANG, ScriptedServer
from peer.trouble import wait_alert

POISON = b"Subject: poison\r\n\r\nX-Kills: worker\r\n"


def start(t, workers=2, hooks="deliver:1:abort:mark=X-Kills"):
    """Each worker's first poisoned message aborts it; its successor has the same to come."""
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=workers, env=Faults(t).env(hooks=hooks))
    gateway.put_profile("relay", [sink], retry={"first": 1, "factor": 1, "max": 1})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink


def send_poison(gateway, recipient="poison@example.test"):
    with Client(gateway.port) as client:
        reply = client.deliver(POISON, recipients=[recipient])
        assert reply.code == 250, reply
        return reply.lines[0].rsplit(" ", 1)[1]


def deaths(gateway):
    rows = gateway.worker_rows()
    assert all("signal 6" in w["last_exit"] for w in rows if w["last_exit"]), rows
    return sum(w["restarts"] for w in rows)


def row_of(gateway, id_):
    return next((row for row in gateway.queue() if row["id"] == id_), None)


def is_held(gateway, id_):
    row = row_of(gateway, id_)
    return row is not None and row["state"] == "held"


@suite.deadline(180)
def test_MQ09_two_deaths_and_it_is_held_while_all_else_goes_on(t):
    gateway, sink = start(t)
    load = Load(t, gateway.port, threads=8, per_connection=5)
    suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 200)
    poison = send_poison(gateway)
    suite.wait_for("it is held", lambda: is_held(gateway, poison), 90)
    taken = len(load.acknowledged)
    suite.wait_for("mail flows on", lambda: len(load.acknowledged) >= taken + 300, 30)
    load.stop()
    assert deaths(gateway) == 2, gateway.worker_rows()
    suite.wait_for("all other mail", lambda: not missing(load.acknowledged, [sink]), 60)
    suite.wait_for("it alone is left", lambda: [r["id"] for r in gateway.queue()] == [poison], 30)
    wait_alert(gateway, f"id={poison}")
    wait_alert(gateway, "held: workers died while they had it")
    shown = gateway.ctl("queue", "show", poison)
    assert "2 workers died while they had it" in shown, shown
    assert not any("poison" in r for m in sink.messages for r in m.recipients)
    return f"{len(load.acknowledged)} others"


@suite.deadline(120)
def test_MQ09_with_one_worker(t):
    gateway, sink = start(t, workers=1)
    poison = send_poison(gateway)
    suite.wait_for("it is held", lambda: is_held(gateway, poison), 60)
    assert deaths(gateway) == 2
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["other@example.test"]).code == 250
    suite.wait_for("the other", lambda: len(sink.messages) == 1)
    assert deaths(gateway) == 2


@suite.deadline(120)
def test_MQ09_held_it_stays_over_a_restart_until_an_operator_decides(t):
    gateway, sink = start(t)
    poison = send_poison(gateway)
    suite.wait_for("it is held", lambda: is_held(gateway, poison), 60)
    gateway.kill_all()
    gateway.start()
    suite.wait_for("it is found, and held", lambda: is_held(gateway, poison))
    # Released it may try again, from the beginning: two more deaths, and it is held again.
    gateway.ctl("queue", "release", poison)
    suite.wait_for("two deaths more", lambda: deaths(gateway) == 2, 60)
    suite.wait_for("it is held again", lambda: is_held(gateway, poison), 30)
    # The cause is gone: it is delivered.
    assert gateway.stop() == 0
    del gateway.env["POSTERN_HOOK"]
    gateway.start()
    suite.wait_for("it is found, and held", lambda: is_held(gateway, poison))
    gateway.ctl("queue", "release", poison)
    suite.wait_for("it is delivered", lambda: len(sink.messages) == 1)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert deaths(gateway) == 0


@suite.deadline(120)
def test_MQ09_one_death_and_a_success_is_forgiven(t):
    faults = Faults(t)
    gateway, sink = start(t, hooks=f"deliver:1:abort:mark=X-Kills:once={faults.once('death')}")
    send_poison(gateway)
    suite.wait_for("delivered in the second life", lambda: len(sink.messages) == 1, 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert deaths(gateway) == 1


@suite.deadline(120)
def test_MQ02_a_message_that_kills_its_worker_before_it_is_stored_was_never_answered(t):
    gateway, sink = start(t, workers=1, hooks="receive:1:abort:mark=X-Kills")
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["before@example.test"]).code == 250
    pid, = gateway.worker_pids()
    client = Client(gateway.port)
    client.start()
    assert client.command("DATA").code == 354
    client.send(POISON + b".\r\n")
    try:
        raise AssertionError(f"answered {client.reply()}")
    except Closed:
        pass
    suite.wait_for("a successor", lambda: gateway.worker_pids() not in ([], [pid]))
    suite.wait_for("mail is taken", lambda: gateway._is_ready(), 20)
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["after@example.test"]).code == 250
    suite.wait_for("before and after", lambda: len(sink.messages) == 2)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert deaths(gateway) == 1


@suite.deadline(120)
def test_MQ09_a_kill_by_an_operator_is_no_reason_to_suspect_a_message(t):
    """SIGKILL says nothing of what the worker had."""
    gateway, sink = start(t, workers=1, hooks="")
    sink.replies["END"] = HANG
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    for death in range(1, 4):
        suite.wait_for("it is being delivered", lambda: sink.ends >= death, 60)
        os.kill(gateway.worker_pids()[0], signal.SIGKILL)
        suite.wait_for("the death is seen", lambda: sum(
            w["restarts"] for w in gateway.worker_rows()) == death)
    del sink.replies["END"]
    suite.wait_for("delivered", lambda: sink.messages, 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)


if __name__ == "__main__":
    suite.run(globals())

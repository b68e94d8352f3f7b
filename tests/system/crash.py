#!/usr/bin/python3
"""MQ02, MQ03, OP02: what a 250 promised survives any death; stopping is orderly."""
import collections
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.load import Load, doubles, missing
from peer.net import Client, listens
from peer.servers import DROP, HANG, ScriptedServer, later


def start(t, sinks, workers=2, retry=1, **properties):
    gateway = Gateway(t, workers=workers)
    gateway.put_profile("relay", sinks, retry={"first": retry, "factor": 1, "max": retry},
                        **properties)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway


@suite.deadline(180)
def test_MQ02_kill_9_of_everything_loses_nothing(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink])
    promised = []
    for round_ in range(3):
        load = Load(t, gateway.port, threads=16, per_connection=5, tag=f"r{round_}")
        suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 400, 60)
        gateway.kill_all()
        load.stop()
        promised += load.acknowledged
        gateway.start()
    suite.wait_for("all that was promised", lambda: not missing(promised, [sink]), 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    return f"{len(promised)} promised, {doubles([sink])} doubled"


@suite.deadline(180)
def test_MQ02_what_waits_in_the_queue_is_found_after_kill_9(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink])
    sink.stop()
    load = Load(t, gateway.port, threads=8, per_connection=50)
    suite.wait_for("a queue", lambda: len(load.acknowledged) >= 1000, 60)
    load.stop()
    gateway.kill_all()
    sink.start()
    gateway.start()
    suite.wait_for("all that was promised", lambda: not missing(load.acknowledged, [sink]), 60)
    assert doubles([sink]) == 0
    return f"{len(load.acknowledged)} promised"


@suite.deadline(120)
def test_MQ02_the_master_alone_killed_takes_its_workers_along_and_loses_nothing(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink])
    load = Load(t, gateway.port, threads=8, per_connection=5)
    suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 300, 60)
    session = kill_master(gateway)
    suite.wait_for("the workers notice and end", lambda: not suite.session_pids(session), 15)
    load.stop()
    gateway.start()
    suite.wait_for("all that was promised", lambda: not missing(load.acknowledged, [sink]), 60)
    return f"{len(load.acknowledged)} promised, {doubles([sink])} doubled"


def kill_master(gateway):
    """Its death alone; returns the session that its workers are left in."""
    session = gateway.process.pid
    os.kill(session, signal.SIGKILL)
    gateway.process.wait(5)
    return session


def test_MQ03_without_a_master_the_reply_to_an_end_of_data_is_waited_for_and_recorded(t):
    sink = ScriptedServer(t, replies={"END": lambda *_: later(2, "250 2.0.0 taken")})
    gateway = start(t, [sink])
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    suite.wait_for("the end of data was read", lambda: sink.ends)
    session = kill_master(gateway)
    suite.wait_for("the workers end", lambda: not suite.session_pids(session), 15)
    assert len(sink.messages) == 1, "nobody waited"
    sink.replies.clear()
    gateway.start()
    assert not gateway.queue()
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["last@example.test"]).code == 250
    suite.wait_for("the last one", lambda: len(sink.messages) > 1)
    assert doubles([sink]) == 0 and len(sink.messages) == 2


def test_OP02_without_a_master_no_reply_is_waited_for_for_ever(t):
    sink = ScriptedServer(t, replies={"END": HANG})
    gateway = start(t, [sink])
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    suite.wait_for("the end of data was read", lambda: sink.ends)
    session = kill_master(gateway)
    suite.wait_for("the workers end", lambda: not suite.session_pids(session), 15)
    sink.replies.clear()
    gateway.start() # what nobody knows the end of is sent again
    suite.wait_for("the message", lambda: sink.messages)


def test_MQ03_a_recorded_delivery_is_never_repeated(t):
    sink = ScriptedServer(t)
    gateway = start(t, [sink])
    for number in range(50):
        with Client(gateway.port) as client:
            assert client.deliver(recipients=[f"n{number}@example.test"]).code == 250
    suite.wait_for("50 messages", lambda: len(sink.messages) == 50)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    gateway.kill_all()
    gateway.start()
    assert not gateway.queue()
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["last@example.test"]).code == 250
    suite.wait_for("the last one", lambda: len(sink.messages) > 50)
    assert doubles([sink]) == 0 and len(sink.messages) == 51


@suite.deadline(180)
def test_MQ03_a_crash_amid_many_recipients_repeats_none_whose_outcome_was_recorded(t):
    """The MAIL of a transaction says that its worker has read the final reply of the one before: one
    connection at a time. Killed right there, it has had no time for anything but the cell."""
    sink = ScriptedServer(t)
    gateway = start(t, [sink], workers=1, max_connections=1)
    recipients = [f"r{number}@example.test" for number in range(300)]
    for fatal in (2, 3, 4):
        sink.journal.clear()
        mails = []

        def on_mail(*_):
            mails.append(None)
            if len(mails) != fatal:
                return None
            for pid in gateway.worker_pids():
                os.kill(pid, signal.SIGKILL)
            return DROP

        sink.replies["MAIL"] = on_mail
        with Client(gateway.port) as client:
            assert client.deliver(recipients=recipients).code == 250
        suite.wait_for("all of them", lambda: {r for m in sink.messages for r in m.recipients}
                       >= set(recipients), 60)
        suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
        told = collections.Counter(r for m in sink.messages for r in m.recipients)
        twice = [r for r, times in told.items() if times > 1]
        assert len(mails) > fatal and not twice, (fatal, len(twice), twice)
        gateway.wait_ready()


def test_OP02_sigterm_lets_what_is_past_its_end_of_data_finish(t):
    sink = ScriptedServer(t, replies={"END": lambda *_: later(2, "250 2.0.0 taken")})
    gateway = start(t, [sink])
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    suite.wait_for("the end of data is out", lambda: "DATA" in sink.commands)
    suite.wait_for("and was read", lambda: sink.ends)
    assert gateway.stop() == 0
    assert len(sink.messages) == 1
    sink.replies.clear()
    gateway.start()
    assert not gateway.queue()
    assert len(sink.messages) == 1


def test_OP02_sigterm_cuts_what_is_before_its_end_of_data_and_keeps_the_mail(t):
    sink = ScriptedServer(t, replies={"RCPT": lambda *_: later(60, "250 ok")})
    gateway = start(t, [sink])
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
        suite.wait_for("a delivery hangs", lambda: any("RCPT" in c for c in sink.commands))
        assert gateway.stop(seconds=10) == 0
    assert not listens(gateway.port)
    sink.replies.clear()
    gateway.start()
    suite.wait_for("delivered after the restart", lambda: len(sink.messages) == 1)


def test_OP02_a_second_daemon_on_the_same_state_is_refused(t):
    gateway = Gateway(t)
    pids = gateway.pids()
    done = subprocess.run([gateway.bin / "posternd", "-f", "-c", gateway.conf], text=True,
                          capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
    assert done.returncode != 0
    assert "state" in done.stderr + done.stdout + gateway.log_text()
    assert gateway.pids() == pids


def test_OP01_a_bad_configuration_is_refused_by_line_and_key(t):
    gateway = Gateway(t, start=False)
    gateway.conf.write_text(gateway.conf.read_text() + "\ndrain_time = 99999\n")
    line = len(gateway.conf.read_text().splitlines())
    for options in (["-t"], ["-f"]):
        done = subprocess.run([gateway.bin / "posternd", *options, "-c", gateway.conf], text=True,
                              capture_output=True, timeout=30, stdin=subprocess.DEVNULL)
        assert done.returncode != 0
        assert f"postern.conf:{line}: " in done.stderr and "drain_time" in done.stderr, done.stderr


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""MQ02: writes and syncs that fail, are cut short, take long or hang: what was answered 250 stays
answered, what could not be stored is answered 451 or 452, and intake resumes by itself."""
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import Gateway
from peer.load import Load, missing
from peer.net import Client
from peer.servers import ScriptedServer, later
from peer.trouble import (alerts, check_all_arrives, check_refusals, deliver, until_taken,
                          wait_alert)

LONG = os.environ.get("POSTERN_LONG") == "1"


def start(t, rules, workers=1, **options):
    """`rules` are in force while the switch is on; %s in them is its condition."""
    faults = Faults(t)
    switch = faults.switch("fault")
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=workers, env=faults.env(rules.replace("%s", switch.when)),
                      **options)
    gateway.put_profile("relay", [sink], retry={"first": 1, "factor": 1, "max": 1})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink, faults, switch


def load_through(t, gateway, faults, switch, count, **wanted):
    """Mail before, while and after `count` faults happen."""
    load = Load(t, gateway.port, threads=8, per_connection=20)
    suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 100)
    with switch:
        faults.wait(count, **wanted)
    return load


def more(load, count=100):
    taken = len(load.acknowledged)
    suite.wait_for("mail flows again", lambda: len(load.acknowledged) >= taken + count, 30)


def check_after_restart(gateway, sink, load):
    """What was promised is not sent twice, nor forgotten, whatever lies in the segments."""
    before = len([m for m in sink.messages if set(m.recipients) & set(load.acknowledged)])
    gateway.kill_all()
    gateway.start()
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    after = [m for m in sink.messages if set(m.recipients) & set(load.acknowledged)]
    assert len(after) == before, "what was delivered before came again"
    assert not missing(load.acknowledged, [sink])


@suite.deadline(120)
def test_MQ02_a_sync_that_fails(t):
    gateway, sink, faults, switch = start(t, "fdatasync:1:EIO:path=.seg:%s")
    load = load_through(t, gateway, faults, switch, 1, did="EIO")
    more(load)
    load.stop()
    check_refusals(load)
    assert load.refused.get(451), load.broken
    wait_alert(gateway, "the spool could not be written")
    assert not any("intake stops" in alert for alert in alerts(gateway))
    check_all_arrives(gateway, sink, load)
    check_after_restart(gateway, sink, load)
    return f"{len(load.acknowledged)} taken, {load.refused}"


@suite.deadline(120)
def test_MQ02_two_syncs_that_fail_stop_intake_until_one_succeeds(t):
    gateway, sink, faults, switch = start(t, "fdatasync:1-2:EIO:path=.seg:%s")
    pids = gateway.pids()
    load = load_through(t, gateway, faults, switch, 2, did="EIO")
    wait_alert(gateway, "intake stops until the spool can be written")
    stopped = time.monotonic()
    suite.wait_for("452", lambda: load.refused.get(452, 0) >= 10)
    suite.wait_for("what is queued goes on", lambda: not missing(load.acknowledged, [sink]), 5)
    more(load)
    resumed = time.monotonic() - stopped
    load.stop()
    check_refusals(load)
    assert 5 < resumed < 15, resumed
    assert gateway.pids() == pids
    check_all_arrives(gateway, sink, load)
    check_after_restart(gateway, sink, load)
    return f"{len(load.acknowledged)} taken, {load.refused}, intake again after {resumed:.1f} s"


@suite.deadline(120)
def test_MQ02_a_write_that_fails(t):
    gateway, sink, faults, switch = start(t, "pwritev:1:EIO:path=.seg:%s")
    load = load_through(t, gateway, faults, switch, 1, did="EIO")
    more(load)
    load.stop()
    check_refusals(load)
    assert set(load.refused) == {451}, load.broken
    wait_alert(gateway, "the spool could not be written")
    check_all_arrives(gateway, sink, load)
    return f"{len(load.acknowledged)} taken, {load.refused}"


@suite.deadline(120)
def test_MQ02_large_messages_that_cannot_be_written_or_synced(t):
    """Each of a large message's steps in turn: its file, its body, its syncs, the folder's."""
    steps = ["open:1:EIO:path=.seg", "pwritev:1:EIO:path=.seg", "pwritev:3:EIO:path=.seg",
             "fdatasync:1:EIO:path=.seg",
             "fdatasync:1:EIO:path=.state", "fsync:1:EIO:path=/spool/0",
             "fdatasync:2:EIO:path=.seg"]
    faults = Faults(t)
    switches = [faults.switch(f"step.{i}") for i in range(len(steps))]
    rules = " ".join(f"{step}:{s.when}" for step, s in zip(steps, switches))
    sink = ScriptedServer(t)
    for number, switch in enumerate(switches): # each in a gateway of its own: two within 60 s stop
        with suite.Scratch() as own:
            gateway = Gateway(own, workers=1, env=faults.env(rules))
            gateway.put_profile("relay", [sink])
            gateway.put_rule("all", "relay")
            gateway.wait_rules()
            suite.wait_for("a spare is made: nothing else is written", lambda: any(
                p.read_bytes()[:8] == b"PSTNSEG1"
                for p in (gateway.folder / "state/spool/0").glob("*.seg")))
            with switch:
                reply = deliver(gateway, f"refused.{number}@example.test", 3 << 20)
                assert reply.code == 451, (steps[number], reply)
            assert deliver(gateway, f"taken.{number}@example.test", 3 << 20).code == 250, number
            suite.wait_for("it", lambda: sink.messages)
            suite.wait_for("the queue is empty", lambda: not gateway.queue())
            assert [m.recipients[0] for m in sink.messages] == [f"taken.{number}@example.test"]
            sink.journal.clear()
            own_files = [p for p in (gateway.folder / "state/spool/0").glob("*.seg")
                         if p.stat().st_size != 4 << 20]
            assert not own_files, f"{steps[number]} leaves {own_files}"
    return f"{len(steps)} steps"


@suite.deadline(120)
def test_MQ02_short_writes_change_nothing(t):
    gateway, sink, faults, switch = start(
        t, "pwritev:%3:short:path=/spool/:%s send:%3:short:%s")
    switch.on()
    load = Load(t, gateway.port, threads=8, per_connection=20, body_bytes=30000)
    suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 400, 60)
    load.stop()
    assert not load.broken, load.broken
    check_all_arrives(gateway, sink, load)
    bodies = {m.body[m.body.index(b"Subject:"):] for m in sink.messages}
    assert bodies == {load.body}, "a message has changed on its way"
    shorts = {call: len(faults.lines(call=call, did="short")) for call in ("pwritev", "send")}
    assert all(shorts.values()), shorts
    return f"{len(load.acknowledged)} messages, {shorts}"


@suite.deadline(120)
def test_MQ03_states_that_cannot_be_synced_are_an_alert(t):
    # So large that no other segment, with states of its own, is made meanwhile.
    gateway, sink, faults, switch = start(t, "fdatasync:1:EIO:path=.state:%s", segment_size="16M")
    load = load_through(t, gateway, faults, switch, 1, did="EIO")
    load.stop()
    assert not load.broken, load.broken
    wait_alert(gateway, "delivery states could not be synced")
    check_all_arrives(gateway, sink, load)
    return f"{len(load.acknowledged)} messages"


@suite.deadline(120)
def test_MQ02_slow_syncs_are_shared(t):
    gateway, sink, faults, switch = start(t, "fdatasync:always:300ms:path=.seg:%s")
    switch.on()
    load = Load(t, gateway.port, threads=40, per_connection=20)
    suite.wait_for("mail flows", lambda: len(load.acknowledged) >= 400, 30)
    load.stop()
    switch.off()
    assert not load.broken, load.broken
    syncs = len(faults.lines(did="300ms"))
    assert len(load.acknowledged) >= 10 * syncs, (len(load.acknowledged), syncs)
    check_all_arrives(gateway, sink, load)
    return f"{len(load.acknowledged)} messages, {syncs} syncs of 300 ms"


@suite.deadline(240)
def test_OP02_a_worker_whose_disk_hangs_is_not_stuck(t):
    """Its sync takes longer than a worker may be silent (--long: 75 s, else three heartbeats)."""
    seconds = 75 if LONG else 16
    gateway, sink, faults, switch = start(t, "fdatasync:1:hang:path=.seg:%s", workers=2)
    pids = gateway.pids()
    sink.replies["CONNECT"] = later(5, "220 at last") # until then all is queued, without a note
    queued = Load(t, gateway.port, threads=8, per_connection=10)
    suite.wait_for("a queue", lambda: len(queued.acknowledged) >= 100)
    queued.stop()
    clients = [Client(gateway.port, 120) for _ in range(8)]
    t.on_close(lambda: [client.close() for client in clients])
    for client in clients:
        assert all(r.code == 250 for r in client.start(recipients=["waits@example.test"]))
        assert client.command("DATA").code == 354
    switch.on()
    for client in clients:
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
    began = time.monotonic()
    assert missing(queued.acknowledged, [sink])
    del sink.replies["CONNECT"]
    suite.wait_for("what is queued goes on", lambda: not missing(queued.acknowledged, [sink]), 15)
    suite.wait_for("both workers say that they hang",
                   lambda: all(w["disk_hangs"] for w in gateway.worker_rows()), 20)
    suite.wait_for("the time has passed", lambda: time.monotonic() - began >= seconds, 120, 0.5)
    assert gateway.pids() == pids, gateway.log_text()[-2000:]
    switch.off()
    assert all(client.reply().code == 250 for client in clients)
    suite.wait_for("all of it", lambda: not gateway.queue())
    assert not missing(["waits@example.test"], [sink])
    return f"hung for {seconds} s, {len(queued.acknowledged)} delivered meanwhile"


if __name__ == "__main__":
    suite.run(globals())

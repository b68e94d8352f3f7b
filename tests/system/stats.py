#!/usr/bin/python3
"""OP04: the figures of the dashboard are what has happened."""
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import ScriptedServer

ACCEPTED, REFUSED, PUT_OFF, DEFERRED, FAILED = 7, 5, 2, 3, 4
EVENTS = ("in", "out", "deferred", "failed", "quarantined", "refused", "put_off")


def stats(gateway, minutes=60):
    return gateway.ctl_json("stats", "--limit", minutes)


def start(t):
    """Mail to good.test is taken by the next hop, to later.test deferred, to never.test refused."""
    gateway = Gateway(t, build="asan")
    for name, reply in (("good", None), ("later", "450 4.2.1 later"), ("never", "550 5.1.1 no")):
        gateway.put_profile(name, [ScriptedServer(t, replies={"RCPT": reply} if reply else {})])
        gateway.put_rule(name, name, recipients=[f"*@{name}.test"])
    for name in ("good", "later", "never"):
        gateway.wait_rules(f"to@{name}.test")
    return gateway


def settled(gateway):
    """The totals, when all that happened before this call is in them: each worker has told since."""
    began = time.monotonic()

    def all_told():
        since_ms = (time.monotonic() - began) * 1000 - 100
        return all(w["heartbeat_age_ms"] < since_ms for w in gateway.worker_rows())
    suite.wait_for("a heartbeat of each worker", all_told)
    return stats(gateway)["totals"]


def gained(gateway, before, **want):
    """Waits until the totals are `want` more than before, and no more."""
    want = {name: before[name] + want.get(name, 0) for name in EVENTS}
    suite.wait_for(f"{want}", lambda: stats(gateway)["totals"] == want)


def send(gateway, count, domain):
    for _ in range(count):
        with Client(gateway.port) as client:
            assert client.deliver(recipients=[f"to@{domain}"]).code == 250


def test_OP04_each_event_is_counted_in_its_series(t):
    gateway = start(t)
    before = settled(gateway)
    send(gateway, ACCEPTED, "good.test")
    send(gateway, DEFERRED, "later.test")
    send(gateway, FAILED, "never.test")
    with Client(gateway.port) as client:
        replies = client.start(recipients=[f"u{n}@elsewhere.test" for n in range(REFUSED)])
        assert [r.code for r in replies] == [550] * REFUSED, replies
        for _ in range(PUT_OFF):
            assert client.command("RCPT TO:<postmaster>").code == 451
    gained(gateway, before, **{"in": ACCEPTED + DEFERRED + FAILED}, out=ACCEPTED,
           deferred=DEFERRED, failed=FAILED, refused=REFUSED, put_off=PUT_OFF)
    now = stats(gateway)
    assert now["queue"]["length"] == DEFERRED, now
    waiting = {r["id"] for r in gateway.queue() if r["state"] == "deferred"} # within a second
    suite.wait_for("the oldest", lambda: stats(gateway)["queue"]["oldest"] in waiting)
    assert 0 <= stats(gateway)["queue"]["oldest_age_s"] < 120
    for name in EVENTS:
        assert sum(now["series"][name]) == now["totals"][name], (name, now)
    assert max(now["series"]["queue_length"]) >= DEFERRED, now
    assert len(now["time"]) == len(now["series"]["in"]) and now["step_s"] == 60
    assert all(at % 60 == 0 for at in now["time"])
    assert abs(now["time"][-1] - time.time()) < 120
    page = gateway.ctl_json("queue", "list", "--limit", 2)
    assert len(page["messages"]) == 2 and page["total"] == DEFERRED + FAILED, page
    page = gateway.ctl_json("queue", "list", "--limit", 2, "--state", "failed")
    assert page["total"] == FAILED, page
    assert "since " in gateway.ctl("stats")
    for row in gateway.worker_rows():
        assert 0 <= row["cpu_percent"] <= 1000 and row["restarts"] == 0, row


def test_OP04_no_figure_falls_when_a_worker_dies(t):
    gateway = start(t)
    before = settled(gateway)
    send(gateway, 4, "good.test")
    gained(gateway, before, **{"in": 4}, out=4)
    told = stats(gateway)["totals"]
    for pid in gateway.worker_pids():
        os.kill(pid, signal.SIGKILL)
    suite.wait_for("its successors", lambda: all(
        w["state"] == "running" and w["restarts"] == 1 and w["heartbeat_age_ms"] is not None
        for w in gateway.worker_rows()))
    send(gateway, 3, "good.test")
    suite.wait_for("all delivered", lambda: stats(gateway)["totals"]["out"] == told["out"] + 3)
    suite.wait_for("all told", lambda: stats(gateway)["totals"]["in"] == told["in"] + 3)
    now = stats(gateway)
    assert all(figure >= 0 for series in now["series"].values() for figure in series), now
    assert sum(now["series"]["in"]) == now["totals"]["in"]


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""SP23: no message is spent on a server that is known to be down, and what waited leaves at once."""
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import QUICK_HEALTH, Gateway, Refused
from peer.net import Client
from peer.servers import HANG, ScriptedServer, count_by_server, later, smtp_source

LATE = {"first": 600, "factor": 1, "max": 600} # a retry by itself would be too late for every test
TIMEOUTS = {"connect": 1, "greeting": 1, "handshake": 1, "command": 5}
DOWN, BACK = "a server is down", "a server takes mail again"


def start(t, count=2, workers=3, health=QUICK_HEALTH, **properties):
    journal = []
    servers = [ScriptedServer(t, str(i + 1), journal=journal) for i in range(count)]
    gateway = Gateway(t, workers=workers, health=health)
    properties.setdefault("retry", LATE)
    gateway.put_profile("relay", servers, timeouts=TIMEOUTS, **properties)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, servers, journal


def send(gateway, count=1):
    for _ in range(count):
        with Client(gateway.port) as client:
            assert client.deliver().code == 250


def send_one_by_one(gateway, journal, count):
    for _ in range(count):
        before = len(journal)
        send(gateway)
        suite.wait_for("it is delivered", lambda: len(journal) > before)


def wait_log(gateway, text, times=1, seconds=20):
    suite.wait_for(f"in the log {times} times: {text}",
                   lambda: gateway.log_text().count(text) >= times, seconds, 0.01)


def row_of(gateway, server):
    return next(r for r in gateway.rows("server", "list", "relay")
                if r["server"].endswith(f":{server.port}"))


def failed_attempts(gateway):
    """Of messages: a worker says so for each."""
    return gateway.log_text().count('msg="server failed"')


@suite.deadline(180)
def test_SP23_a_thousand_messages_pass_a_server_that_is_down(t):
    gateway, (one, two), journal = start(t)
    one.replies["CONNECT"] = HANG
    send_one_by_one(gateway, journal, 4) # what is under way at the same time counts once
    wait_log(gateway, DOWN)
    spent, before, began = failed_attempts(gateway), one.connections, time.monotonic()
    smtp_source(gateway.port, 1000)
    suite.wait_for("1,000 messages more", lambda: len(journal) >= 1004, 60)
    took = time.monotonic() - began
    probes = one.connections - before
    assert failed_attempts(gateway) == spent, "a message was spent on it"
    assert spent <= 4 and probes <= took / 0.8 + 2, (spent, probes, took)
    assert row_of(gateway, one)["state"] in ("down", "trying")

    one.replies.clear()
    wait_log(gateway, BACK)
    smtp_source(gateway.port, 500)
    suite.wait_for("500 messages more", lambda: len(journal) >= 1504, 60)
    assert len(one.messages) >= 250, count_by_server([one, two])
    assert len(journal) == 1504
    send(gateway)
    suite.wait_for("one more", lambda: len(journal) == 1505)
    assert journal[-1].server is one
    return f"{spent} attempts until it was known to be down, then 1,000 messages in {took:.1f} s " \
           f"with 0 attempts and {probes} probes; {len(one.messages)} of 501 when it was back"


@suite.deadline(120)
def test_SP23_a_busy_server_dies_few_messages_notice(t):
    soon = {"first": 1, "factor": 1, "max": 1} # what may have been taken when it died is deferred
    gateway, (one, two), journal = start(t, workers=4, retry=soon)
    source = threading.Thread(target=smtp_source, args=(gateway.port, 3000),
                              kwargs={"options": ["-N"]})
    source.start()
    suite.wait_for("it is busy", lambda: len(one.messages) > 500, 60)
    one.stop()
    source.join()
    suite.wait_for("all 3,000", lambda: len({r for m in journal for r in m.recipients}) == 3000, 90)
    spent = failed_attempts(gateway)
    assert spent <= 2 * 40 + 2, spent # what was under way (max_in_flight is 40), and two more
    return f"{spent} attempts at it, {len(two.messages)} messages to the other"


@suite.deadline(120)
def test_SP23_deferred_mail_leaves_within_5_s_of_the_probe(t):
    gateway, servers, journal = start(t)
    for server in servers:
        server.replies["CONNECT"] = HANG
    smtp_source(gateway.port, 300)

    def deferred():
        return sum(r["state"] == "deferred" for r in gateway.queue())
    suite.wait_for("both are down", lambda: gateway.log_text().count(DOWN) == 2, 30)
    waited = suite.wait_for("some are deferred", lambda: deferred() >= 10 and deferred(), 30)
    status = gateway.ctl_json("status")
    assert any("no server of profile" in w for w in status["warnings"]), status["warnings"]
    assert any("no server of a profile" in a["text"] for a in status["alerts"]), status["alerts"]
    servers[1].replies.clear()
    wait_log(gateway, BACK)
    began = time.monotonic()
    suite.wait_for("everything has left", lambda: len(journal) >= 300, 5)
    took = time.monotonic() - began
    assert len(journal) == 300
    suite.wait_for("nothing is left", lambda: not gateway.queue())
    status = gateway.ctl_json("status")
    assert not any("no server of profile" in w for w in status["warnings"]), status["warnings"]
    assert any("takes mail again" in a["text"] for a in status["alerts"]), status["alerts"]
    return f"{waited} deferred and {300 - waited} waiting left in {took:.2f} s"


@suite.deadline(180)
def test_SP23_the_only_server_is_down_with_1000_queued(t):
    gateway, (one,), journal = start(t, count=1, workers=4)
    seen = []

    def busy(server, _):
        seen.append(len(server._writers))
        return later(0.4, "421 4.3.2 not now")
    one.replies["CONNECT"] = busy
    smtp_source(gateway.port, 1000)
    wait_log(gateway, DOWN)
    suite.wait_for("what was under way has ended", lambda: not one._writers)
    del seen[:]
    suite.wait_for("six tries", lambda: len(seen) >= 6, 30)
    at_once = max(seen)
    assert at_once == 1, seen
    attempts = [r["attempts"] for r in gateway.queue()]
    assert len(attempts) == 1000 and max(attempts) <= 2, attempts
    spent = sum(attempts)
    assert spent <= 20 + 2 + len(seen) + 2, spent # under way then, until it was known, trials
    trials = gateway.log_text().count("a message is tried on a server that is down")
    assert trials >= 3, trials
    one.replies.clear()
    suite.wait_for("all of them", lambda: len(journal) >= 1000, 60)
    suite.wait_for("nothing is left", lambda: not gateway.queue())
    assert len(journal) == 1000
    return f"at most {at_once} at a time over {trials} trials; {spent} attempts of 1,000 messages"


@suite.deadline(180)
def test_SP23_drain_and_enable_under_load(t):
    gateway, (one, two), journal = start(t, workers=4, preference="round_robin")
    source = threading.Thread(target=smtp_source, args=(gateway.port, 4000),
                              kwargs={"options": ["-N"]})
    source.start()
    suite.wait_for("both are at work", lambda: all(len(s.messages) > 200 for s in (one, two)), 60)
    gateway.ctl("server", "drain", "relay", f"127.0.0.1:{one.port}") # as it may be typed
    suite.wait_for("what was there has ended", lambda: row_of(gateway, one)["in_flight"] == 0)
    rested, other = len(one.messages), len(two.messages)
    suite.wait_for("the other goes on", lambda: len(two.messages) > other + 200, 60)
    assert len(one.messages) == rested, "it was drained"
    gateway.ctl("server", "enable", "relay", f"smtp://127.0.0.1:{one.port}")
    suite.wait_for("it is at work again", lambda: len(one.messages) > rested, 60)
    source.join()
    suite.wait_for("all of them", lambda: len(journal) >= 4000, 90)
    suite.wait_for("nothing is left", lambda: not gateway.queue())
    assert len(journal) == len({r for m in journal for r in m.recipients}) == 4000
    audit = [(e["what"], e["object"]) for e in gateway.rows("audit", "list")[:2]]
    assert audit == [("server enabled", "relay"), ("server drained", "relay")], audit
    return "/".join(map(str, count_by_server([one, two])))


def test_SP23_a_drain_outlives_a_restart_and_mail_waits_for_its_end(t):
    gateway, (one, two), journal = start(t)
    gateway.ctl("server", "drain", "relay", f"127.0.0.1:{one.port}")
    gateway.ctl("server", "drain", "relay", f"127.0.0.1:{two.port}")
    assert gateway.stop() == 0
    gateway.start()
    assert row_of(gateway, one)["drained"] and row_of(gateway, two)["drained"]
    send(gateway, 20)
    suite.wait_for("they wait", lambda: len([r for r in gateway.queue()
                                             if r["state"] == "ready" and not r["attempts"]]) == 20)
    warnings = gateway.ctl_json("status")["warnings"]
    assert sum("is drained" in w for w in warnings) == 2, warnings
    gateway.ctl("server", "enable", "relay", f"127.0.0.1:{two.port}")
    suite.wait_for("they leave", lambda: len(journal) == 20)
    assert count_by_server([one, two]) == [0, 20]
    gateway.put_profile("relay", [one, two], timeouts=TIMEOUTS, retry=LATE) # an edit ends no drain
    assert row_of(gateway, one)["drained"]
    try:
        gateway.ctl("server", "drain", "relay", "10.9.8.7:25")
        raise AssertionError("a server that the profile does not have")
    except Refused as refused:
        assert refused.code == 1, refused


def test_SP23_a_refused_password_stays_until_the_profile_is_saved(t):
    gateway, (one, two), journal = start(t)
    one.replies.update(EHLO="535 5.7.8 who are you", HELO="535 5.7.8 who are you")
    send(gateway)
    suite.wait_for("at the second", lambda: len(journal) == 1)
    row = suite.wait_for("it is known", lambda: (r := row_of(gateway, one))["state"] ==
                         "login refused" and r)
    assert "535" in row["reason"] and row["next_probe"] is None, row
    assert any("refuses our login" in w for w in gateway.ctl_json("status")["warnings"])
    asked = one.connections
    send(gateway, 20)
    suite.wait_for("all at the second", lambda: len(two.messages) == 21)
    assert one.connections == asked
    one.replies.clear()
    gateway.put_profile("relay", [one, two], timeouts=TIMEOUTS, retry=LATE)
    send(gateway)
    suite.wait_for("at the first", lambda: len(one.messages) == 1)


def test_SP23_enable_uses_a_server_at_once(t):
    gateway, (one, two), journal = start(t, health={"probe_first": "600s", "probe_max": "600s"})
    one.stop()
    send_one_by_one(gateway, journal, 4)
    wait_log(gateway, DOWN)
    row = row_of(gateway, one)
    assert row["state"] == "down" and row["failures"] == 3 and row["next_probe"], row
    assert "refused" in row["reason"], row
    one.start()
    gateway.ctl("server", "enable", "relay", f"127.0.0.1:{one.port}")
    send(gateway)
    suite.wait_for("at the first", lambda: len(one.messages) == 1)


def test_SP23_the_settings_change_with_a_reload(t):
    gateway, (one, two), journal = start(t, health={"failures": 50, "probe_first": "600s"})
    one.stop()
    send_one_by_one(gateway, journal, 10)
    assert DOWN not in gateway.log_text()
    gateway.reload(health={"failures": 11})
    wait_log(gateway, "reloaded")
    send(gateway, 1)
    wait_log(gateway, DOWN)


if __name__ == "__main__":
    suite.run(globals())

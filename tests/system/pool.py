#!/usr/bin/python3
"""SP40 to SP49: the pool, its slots and the limits of connections, counted where the connections
arrive."""
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway, Refused
from peer.load import Load
from peer.net import Client
from peer.scripted import ScriptedPeer
from peer.servers import smtp_source


def start(t, script="", workers=2, pool=None, rows=False, **properties):
    peer = ScriptedPeer(t, script, rows=rows)
    gateway = Gateway(t, workers=workers)
    gateway.put_profile("relay", [peer], pool=pool or {"enabled": True}, **properties)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, peer


def send(gateway):
    with Client(gateway.port) as client:
        reply = client.deliver()
        assert reply.code == 250, reply


def wait_taken(peer, count, seconds=60):
    def all_there():
        taken = peer.report()["messages"]["taken"]
        assert taken <= count, f"{taken} of {count}"
        return taken == count
    suite.wait_for(f"{count} messages at the server", all_there, seconds)


def burst(gateway, peer, count, before=0, sessions=20, size=1024):
    smtp_source(gateway.port, count, sessions=sessions, size=size)
    wait_taken(peer, before + count)
    messages = peer.report()["messages"]
    assert messages["repeated"] == 0, messages
    return before + count


def attempts_that_failed(gateway):
    return [line for line in gateway.log_text().splitlines()
            if "server failed" in line or "msg=deferred" in line]


# ---- the five rules ----

def test_SP40_SP42_the_first_opens_a_connection_and_the_next_use_it(t):
    gateway, peer = start(t, workers=1)
    for count in range(1, 31):
        send(gateway)
        wait_taken(peer, count)
    report = peer.report()
    assert report["connections"]["accepted"] == 1, report
    assert report["commands"]["EHLO"] == 1, report
    assert report["per_connection"]["messages"] == {"30": 1}, report


def test_SP41_SP43_what_the_pool_cannot_hold_is_closed_with_QUIT(t):
    gateway, peer = start(t, "every END delay 300 then usual", workers=1,
                          pool={"enabled": True, "size": 2})
    smtp_source(gateway.port, 5, sessions=5)
    wait_taken(peer, 5)
    suite.wait_for("three of five have gone", lambda: peer.connections("open") == 2)
    connections = peer.connections()
    assert connections["accepted"] == 5 and connections["quits"] == 3, connections
    assert connections["by_end"]["quit"] == 3, connections


def test_SP44_one_that_is_not_used_says_QUIT_within_a_second_of_its_time(t):
    gateway, peer = start(t, workers=1, pool={"enabled": True, "expiry": 1})
    send(gateway)
    wait_taken(peer, 1)
    suite.wait_for("it has gone", lambda: peer.connections("ended") == 1)
    report = peer.report()
    stayed = report["times_ms"]["last_end"] - report["times_ms"]["last_message"]
    assert 950 <= stayed <= 2000, f"{stayed} ms"
    assert report["connections"]["by_end"]["quit"] == 1, report
    return f"idle for {stayed} ms"


def test_SP45_with_pooling_off_there_are_as_many_connections_as_deliveries(t):
    gateway, peer = start(t, pool={"enabled": False})
    burst(gateway, peer, 200)
    suite.wait_for("all have gone", lambda: peer.connections("open") == 0)
    report = peer.report()
    assert report["connections"]["accepted"] == 200, report
    assert report["connections"]["by_end"]["quit"] == 200, report
    assert report["per_connection"]["messages"] == {"1": 200}, report


def test_SP40_SP43_posternctl_pool_says_what_became_of_them(t):
    gateway, peer = start(t, "every END delay 50 then usual", workers=2,
                          pool={"enabled": True, "size": 3, "expiry": 1})
    burst(gateway, peer, 40, sessions=8)
    suite.wait_for("all have gone", lambda: peer.connections("open") == 0)
    row = gateway.rows("pool")[0]
    closed = {reason: row[reason] for reason in ("expired", "full", "lost", "retired", "spent",
                                                 "reclaimed")}
    assert row["open"] == row["idle"] == row["leases"] == 0, row
    assert sum(closed.values()) == row["misses"] == peer.connections("accepted"), row
    assert row["handshakes_saved"] == row["hits"] + row["handed_over"] == 40 - row["misses"], row
    assert closed["expired"] == 3, row
    text = gateway.ctl("pool")
    assert "PROFILE" in text and str(row["handshakes_saved"]) in text, text
    return f"{row['handshakes_saved']} handshakes saved, closed: {closed}"


# ---- slots ----

def check_size(t, size, workers):
    gateway, peer = start(t, "every END delay 20 then usual", workers,
                          pool={"enabled": True, "size": size}, max_connections=0,
                          max_in_flight=60)
    sent = 0
    for _ in range(4): # between bursts all that is kept is idle
        sent = burst(gateway, peer, 100, sent, sessions=50)
        time.sleep(0.15) # idle is who had no transaction for 100 ms
    most = peer.connections("most_idle")
    assert most <= size, f"{most} idle connections"
    gateway.stop()
    peer.stop()
    return most


def test_SP46_no_more_than_size_are_idle_over_all_workers(t):
    seen = []
    for size in (1, 2, 20, 999):
        for workers in (1, 2, 4):
            with suite.Scratch("postern-pool-size") as scratch:
                seen.append(f"{check_size(scratch, size, workers)}/{size}")
    return "most idle of 1, 2 and 4 workers: " + " ".join(seen)


def test_SP46_with_free_slots_elsewhere_none_is_closed_for_want_of_one(t):
    """All connections expire between the bursts and their slots stay where they were; the next burst
    has its connections at other workers."""
    gateway, peer = start(t, workers=4, pool={"enabled": True, "size": 12, "expiry": 1},
                          max_in_flight=6, rows=True)
    sent = 0
    for _ in range(6):
        sent = burst(gateway, peer, 60, sent, sessions=12)
        suite.wait_for("all have gone", lambda: peer.connections("open") == 0)
    rows = peer.report()["rows"]
    early = [row for row in rows if row["longest_idle_ms"] is None or row["longest_idle_ms"] < 850]
    assert not early, early
    return f"{len(rows)} connections for {sent} messages, each kept to its end"


# ---- leases ----

def check_limit(t, pool):
    gateway, peer = start(t, workers=4, pool=pool, max_connections=5)
    burst(gateway, peer, 2000, sessions=40)
    connections = peer.connections()
    assert connections["most_open"] <= 5, connections
    assert not attempts_that_failed(gateway)
    gateway.stop()
    return connections["most_open"], connections["accepted"]


def test_SP49_no_more_than_max_connections_are_open(t):
    return "most open, in all: %d, %d" % check_limit(t, {"enabled": True})


def test_SP49_no_more_than_max_connections_are_open_with_pooling_off(t):
    return "most open, in all: %d, %d" % check_limit(t, {"enabled": False})


def check_learnt(t, pool):
    gateway, peer = start(t, "limit 3", workers=4, pool=pool, max_connections=20)
    burst(gateway, peer, 1000, sessions=40)
    connections, log = peer.connections(), gateway.log_text()
    assert connections["most_open"] <= 3 + connections["turned_away"], connections
    assert not attempts_that_failed(gateway), attempts_that_failed(gateway)[0]
    assert "server is down" not in log
    suite.wait_for("it is told", lambda: "takes fewer connections" in gateway.log_text())
    assert all(r["attempts"] == 0 for r in gateway.queue()), gateway.queue()
    gateway.stop()
    return f"{connections['turned_away']} turned away, then none"


def test_SP49_a_server_that_bears_three_is_learnt(t):
    return check_learnt(t, {"enabled": True})


def test_SP49_a_server_that_bears_three_is_learnt_with_pooling_off(t):
    return check_learnt(t, {"enabled": False})


def test_SP49_what_was_learnt_rises_as_fast_as_the_configuration_says(t):
    """Not for an hour; then, after a reload, every second; then from the start of the gateway on."""
    peer = ScriptedPeer(t, "limit 3")
    gateway = Gateway(t, workers=2, pool={"raise_after": 3600})
    gateway.put_profile("relay", [peer], pool={"enabled": True}, max_connections=20)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()

    def using():
        return gateway.rows("pool")[0]["using"]

    sent = 0
    for change in ("reload", "start"):
        while using() == 20:
            sent = burst(gateway, peer, 200, sent, sessions=40)
        learnt, until = using(), time.monotonic() + (2.5 if change == "reload" else 0)
        while time.monotonic() < until:
            assert using() == learnt, "it rises within an hour"
        if change == "reload":
            gateway.reload(pool={"raise_after": "1s"})
        suite.wait_for(f"it rises after a {change}", lambda: using() > learnt)
        gateway.stop()
        gateway.start()
        suite.wait_for("nothing is known any more", lambda: using() == 20)


# ---- leases of the connection test ----

def test_SP49_SP51_the_test_of_a_profile_makes_room_among_idle_connections(t):
    """max_connections 1, and that one idle; then the same again at another worker."""
    gateway, peer = start(t, workers=4, pool={"enabled": True, "expiry": 600}, max_connections=1)
    for count in range(1, 7):
        send(gateway)
        wait_taken(peer, count)
        suite.wait_for("it is idle", lambda: gateway.rows("pool")[0]["idle"] == 1)
        gateway.ctl("profile", "test", "relay")
    connections = peer.connections()
    assert connections["most_open"] == 1, connections
    suite.wait_for("nothing is open", lambda: gateway.rows("pool")[0]["leases"] == 0)
    return f"{connections['accepted']} connections, one at a time"


def check_tests_beside_mail(t, pool, limit):
    gateway, peer = start(t, "every END delay 20 then usual", workers=2, pool=pool,
                          max_connections=limit)
    sender = t.spawn(["smtp-source", "-s", "10", "-m", "300", "-l", "1000", "-d", "-M",
                      "client.test", "-f", "from@client.test", "-t", "to@example.test",
                      f"127.0.0.1:{gateway.port}"])
    suite.wait_for("mail is under way", lambda: peer.messages() > 10)
    tested = 0
    while peer.messages() < 300:
        gateway.ctl("profile", "test", "relay")
        if tested % 3 == 0: # saving is a test of what is not stored yet
            gateway.put_profile("relay", [peer], test=True, pool=pool, max_connections=limit,
                                max_in_flight=30 + tested)
        tested += 1
    assert sender.wait(60) == 0
    wait_taken(peer, 300)
    assert tested >= 5, f"{tested} tests are none"
    connections = peer.connections()
    assert connections["most_open"] <= limit, connections
    assert peer.report()["messages"]["repeated"] == 0
    assert not attempts_that_failed(gateway), attempts_that_failed(gateway)[0]
    suite.wait_for("leases are those of idle connections", lambda:
                   gateway.rows("pool")[0]["leases"] == gateway.rows("pool")[0]["idle"])
    gateway.stop()
    peer.stop()
    return tested


def test_SP49_SP51_tests_beside_mail_come_to_their_turn_and_keep_the_limit(t):
    tested = []
    for pool in ({"enabled": True}, {"enabled": False}):
        for limit in (1, 3):
            with suite.Scratch("postern-pool-test") as scratch:
                tested.append(check_tests_beside_mail(scratch, pool, limit))
    return f"tests, pool on and off with 1 and 3 connections: {tested}"


def test_SP49_SP51_a_test_that_finds_all_connections_in_use_says_so(t):
    gateway, peer = start(t, "every DATA stall", workers=2, max_connections=2)
    smtp_source(gateway.port, 2, sessions=2)
    suite.wait_for("both are in use", lambda: peer.connections("open") == 2)
    begun = time.monotonic()
    try:
        gateway.ctl("profile", "test", "relay")
        raise AssertionError("it has passed")
    except Refused as refused:
        text = refused.out + refused.err
    assert "all 2 connections that max_connections allows" in text, text
    assert 4.5 < time.monotonic() - begun < 9, time.monotonic() - begun
    assert peer.connections("most_open") == 2, peer.connections()


def test_SP49_SP51_a_new_profile_is_tested_beside_whatever_is_open(t):
    """It has no limit yet, as it has no connections; nor has a server that is new in it."""
    gateway, peer = start(t, workers=2, max_connections=1)
    other = ScriptedPeer(t)
    send(gateway)
    suite.wait_for("one is idle", lambda: peer.connections("open") == 1)
    gateway.put_profile("another", [peer], test=True, max_connections=1)
    assert peer.connections("most_open") == 2, peer.connections()
    gateway.put_profile("relay", [peer, other], test=True, max_connections=1)
    assert peer.connections("most_open") == 2, peer.connections()
    assert other.connections("most_open") == 1, other.connections()


# ---- servers that end connections ----

CLOSERS = {
    "at 2 s of age": "every at age 2000 between drop",
    "at 2 s of age, with 421": "every at age 2000 between close 421 4.4.2 too old",
    "after 7 messages": "every after 7 messages drop",
    "after 7 messages, with 421": "every after 7 messages close 421 4.3.2 seven are enough",
    "after 1 s idle": "every after idle 1000 drop",
    "after 1 s idle, with 421": "every after idle 1000 close 421 4.4.2 idle for too long",
}


LEARNT = {2: ("messages", 7), 3: ("messages", 7), 4: ("idle", 1), 5: ("idle", 1)}


def learnt_of(gateway, profile, peer):
    """Three ends in a row must agree within a tenth: a busy machine may need some more of them."""
    for _ in range(15):
        learnt = {k: v for k, v in gateway.rows("pool", profile)[0]["learnt_life"].items() if v}
        if learnt:
            break
        with Client(gateway.port) as client:
            assert client.deliver(recipients=[f"to@{profile}.test"]).code == 250
        suite.wait_for("its connection was used", lambda: not gateway.queue())
        suite.wait_for("the idle one was ended", lambda: peer.connections("open") == 0)
    return learnt


@suite.deadline(240)
def test_SP48_servers_that_end_connections_cost_no_message_an_attempt(t):
    """5,000 messages to each of them, all at the same time, in bursts with a pause in which idle ones
    are ended."""
    gateway = Gateway(t, workers=2)
    peers = {}
    for number, script in enumerate(CLOSERS.values()):
        peers[number] = ScriptedPeer(t, script)
        gateway.put_profile(f"p{number}", [peers[number]], pool={"enabled": True})
        gateway.put_rule(f"p{number}", f"p{number}", [f"*@p{number}.test"])
    for number in peers:
        gateway.wait_rules(f"to@p{number}.test")
    for sent in range(1000, 5001, 1000):
        senders = [t.spawn(["smtp-source", "-s", "8", "-m", "1000", "-l", "1000", "-d", "-M",
                            "client.test", "-f", "from@client.test", "-t", f"to@p{number}.test",
                            f"127.0.0.1:{gateway.port}"]) for number in peers]
        for sender in senders:
            assert sender.wait(120) == 0
        for peer in peers.values():
            wait_taken(peer, sent)
        suite.wait_for("idle ones were ended", lambda: peers[4].connections("open") == 0 and
                       peers[5].connections("open") == 0)
    assert not attempts_that_failed(gateway), attempts_that_failed(gateway)[0]
    seen = []
    for number, name in enumerate(CLOSERS):
        report = peers[number].report()
        assert report["messages"]["repeated"] == 0, (name, report["messages"])
        assert report["messages"]["distinct"] == 5000, (name, report["messages"])
        ended = report["connections"]["by_end"]
        assert ended["server"] > 0, (name, ended)
        row = gateway.rows("pool", f"p{number}")[0]
        if number in LEARNT:
            learnt = learnt_of(gateway, f"p{number}", peers[number])
            assert list(learnt) == [LEARNT[number][0]], (name, learnt)
            assert 0.9 <= learnt[LEARNT[number][0]] / LEARNT[number][1] <= 1.15, (name, learnt)
            assert f"learnt {learnt[LEARNT[number][0]]:.4g}" in gateway.ctl("pool"), name
        seen.append(f"{name}: {ended['server']} ended by it, {row['stale']} found dead")
    return "; ".join(seen)


# ---- while things change ----

def check_books(gateway, peer):
    """Master, workers and server agree on what is open; no lease and no slot has leaked."""
    def agree():
        row = gateway.rows("pool")[0]
        open_ = peer.connections("open")
        return open_ == row["open"] == row["leases"] == sum(w["leases"] for w in row["workers"]) \
            and row["idle"] == open_ and row["idle_slots"] <= max(row["size"], open_)
    suite.wait_for("both sides count the same", agree)
    return gateway.rows("pool")[0]


def wait_all_run(gateway):
    suite.wait_for("all workers run", lambda: [w["state"] for w in gateway.worker_rows()] ==
                   ["running"] * gateway.workers)



def test_SP46_SP49_what_dead_workers_had_comes_free(t):
    gateway, peer = start(t, "every END delay 5 then usual", workers=4,
                          pool={"enabled": True, "size": 4}, max_connections=4)
    sent = 0
    for _ in range(5):
        os.kill(gateway.worker_pids()[0], signal.SIGKILL)
        wait_all_run(gateway)
        smtp_source(gateway.port, 100, sessions=10)
        sent += 100
        suite.wait_for("all is delivered", lambda: not gateway.queue(), 60)
    connections = peer.connections()
    assert connections["most_open"] <= 4, connections
    assert connections["most_idle"] <= 4, connections
    assert peer.report()["messages"]["distinct"] == sent
    check_books(gateway, peer)
    return f"most open {connections['most_open']}, most idle {connections['most_idle']}"


def test_SP47_edits_under_load_lose_nothing_and_keep_the_limit(t):
    gateway, peer = start(t, "every END delay 5 then usual", workers=2,
                          pool={"enabled": True, "size": 4}, max_connections=4)
    sender = t.spawn(["smtp-source", "-s", "10", "-m", "1500", "-l", "1000", "-d", "-M",
                      "client.test", "-f", "from@client.test", "-t", "to@example.test",
                      f"127.0.0.1:{gateway.port}"])
    edits = 0
    while sender.poll() is None:
        gateway.put_profile("relay", [peer], pool={"enabled": edits % 3 != 2, "size": 1 + edits % 4},
                            max_connections=4)
        edits += 1
    assert sender.returncode == 0
    wait_taken(peer, 1500)
    report = peer.report()
    assert report["messages"]["repeated"] == 0, report["messages"]
    assert report["connections"]["most_open"] <= 4, report["connections"]
    row = check_books(gateway, peer)
    assert row["hits"] + row["handed_over"] + row["misses"] + row["misses_off"] == 1500, row
    return f"{edits} edits, most open {report['connections']['most_open']}"


def reloads_went_through(gateway, count):
    suite.wait_for(f"{count} reloads", lambda: gateway.log_text().count("msg=reloaded") == count, 60)


def check_reloads(t, pool):
    """Workers come and go, some reloads while those before still drain, and the same number twice."""
    gateway, peer = start(t, "every END delay 1 then usual", workers=2, pool=pool,
                          max_connections=4)
    load = Load(t, gateway.port, threads=3)
    counts = (4, 1, 3, 3, 2, 4, 1, 2)
    for number, count in enumerate(counts, 1):
        before = len(load.acknowledged)
        gateway.reload(workers=count)
        reloads_went_through(gateway, number)
        if number % 3 != 0: # what has just begun to leave is wanted again, or the other way round
            suite.wait_for(f"{count} workers run", lambda: [
                w["state"] for w in gateway.worker_rows()] == ["running"] * count, 60)
            suite.wait_for("mail flows", lambda: len(load.acknowledged) >= before + 150, 60)
    load.stop()
    assert not load.broken, load.broken
    wait_taken(peer, len(load.acknowledged))
    report = peer.report()
    assert report["messages"]["repeated"] == 0, report["messages"]
    assert report["connections"]["most_open"] <= 4, report["connections"]
    assert report["connections"]["most_idle"] <= 4, report["connections"]
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert not attempts_that_failed(gateway), attempts_that_failed(gateway)[0]
    died = [line for line in gateway.log_text().splitlines() if "worker has died" in line]
    assert not died, died
    row = check_books(gateway, peer)
    assert len([w for w in row["workers"] if w["leases"] or w["idle_slots"]]) <= 2, row["workers"]
    if pool["enabled"]: # all leases and slots that there are can still be had
        peer.script("every END delay 200 then usual")
        smtp_source(gateway.port, 12, sessions=12)
        suite.wait_for("as many as may be are idle", lambda: gateway.rows("pool")[0]["idle"] == 4)
        check_books(gateway, peer)
    gateway.stop()
    connections = report["connections"]
    return f"{len(load.acknowledged)} messages over {connections['accepted']} connections, " \
           f"most open {connections['most_open']}, most idle {connections['most_idle']}"


@suite.deadline(240)
def test_SP46_SP49_reloads_under_load_lose_nothing_and_keep_the_limits(t):
    return check_reloads(t, {"enabled": True, "size": 4})


@suite.deadline(240)
def test_SP45_SP49_reloads_under_load_with_pooling_off_keep_the_limit(t):
    return check_reloads(t, {"enabled": False})


if __name__ == "__main__":
    suite.run(globals())

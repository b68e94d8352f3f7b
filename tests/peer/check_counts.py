#!/usr/bin/python3
"""The scripted peer counts right: what stands on its reports is worth no more than that."""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.net import Client
from peer.scripted import ScriptedPeer
from peer.servers import smtp_source
from peer.suite import expect, wait_for


def message(name, header="Message-ID"):
    return f"{header}: <{name}>\r\n\r\nbody\r\n".encode()


def test_who_ended_a_connection(t):
    peer = ScriptedPeer(t, "connection 5 NOOP drop", rows=True)
    Client(peer.port).quit()
    with Client(peer.port) as client: # without waiting
        client.send(b"QUIT\r\n")
    Client(peer.port).close()
    with Client(peer.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with Client(peer.port) as client:
        client.send(b"NOOP\r\n")
        assert client.ends_how()[1] == "FIN"
        client.send(b"QUIT\r\n") # too late to be heard
    peer.wait_ended(5)
    rows = peer.report()["rows"]
    assert [r["end"] for r in rows] == ["quit", "quit", "client", "client_reset", "server"], rows
    assert [r["quit"] for r in rows] == [True, True, False, False, False]
    expect(peer.connections(), quits=2, open=0, accepted=5)
    expect(peer.connections("by_end"), quit=2, client=1, client_reset=1, server=1)


def test_as_many_as_were_open_at_once_and_no_more(t):
    """One after the other, each opened the moment that the one before is closed: never two."""
    peer = ScriptedPeer(t)
    for _ in range(300):
        socket.create_connection(("127.0.0.1", peer.port)).close()
    peer.wait_ended(300)
    expect(peer.connections(), accepted=300, most_open=1)
    clients = [Client(peer.port) for _ in range(40)]
    for client in clients:
        client.close()
    peer.wait_ended(340)
    expect(peer.connections(), most_open=40, open=0)


class TooBusy(Exception):
    """This machine was, for what was to be shown."""


def at_once(peer, command):
    """A connection that says so in one go with its EHLO."""
    client = Client(peer.port, greet=False)
    client.reply()
    client.send(b"EHLO x\r\n" + command + b"\r\n")
    assert client.reply().code == 250
    return client


def begun(peer):
    """A connection that has been in a transaction from its EHLO on."""
    client = at_once(peer, b"MAIL FROM:<a@b>")
    assert client.reply().code == 250
    return client


def take_short_turns(client, seconds):
    """Short transactions, far less than 100 ms apart: from before an RSET is sent until the MAIL that
    follows has been answered."""
    began = rests_since = time.monotonic()
    while rests_since - began < seconds:
        sent = time.monotonic()
        client.send(b"RSET\r\nMAIL FROM:<a@b>\r\nRSET\r\n")
        assert [client.reply().code for _ in range(3)] == [250] * 3
        if time.monotonic() - rests_since > 0.08:
            raise TooBusy
        rests_since = sent
        time.sleep(0.02)
    client.command("MAIL FROM:<a@b>")
    if time.monotonic() - rests_since > 0.08:
        raise TooBusy


def look_at_idleness(t):
    peer = ScriptedPeer(t, "connection 3 NOOP delay 700\nconnection 5 NOOP stall\n"
                           "every QUIT reply 500 5.5.1 stay", rows=True)
    resting, busy = Client(peer.port), begun(peer)
    began, owed = time.monotonic(), at_once(peer, b"NOOP") # is owed a reply, which it will get
    greeted = Client(peer.port, greet=False) # has not said EHLO
    greeted.reply()
    stalled, leaving = at_once(peer, b"NOOP"), at_once(peer, b"QUIT")
    take_short_turns(busy, 0.35)
    expect(peer.connections(), idle=1, most_idle=1)
    busy.command("RSET")
    time.sleep(0.15)
    seen = peer.connections()
    assert resting.command("QUIT").code == 500 # no longer idle, though open
    if time.monotonic() - began > 0.7:
        raise TooBusy
    expect(seen, idle=2, most_idle=2)
    assert owed.reply().code == 250
    time.sleep(0.2)
    expect(peer.connections(), idle=2, most_idle=2)
    rows = peer.report()["rows"]
    assert rows[0]["longest_idle_ms"] >= 490, rows[0]
    assert rows[3]["longest_idle_ms"] is None
    for client in (resting, busy, owed, greeted, stalled, leaving):
        client.close()
    peer.wait_ended(6)
    expect(peer.connections(), idle=0, most_idle=2)


def test_idle_is_what_had_nothing_to_do_for_100_ms(t):
    for _ in range(10):
        try:
            return look_at_idleness(t)
        except TooBusy:
            pass
    raise suite.Skip("the machine is too busy for turns of less than 80 ms")


def test_idleness_between_two_looks_is_seen(t):
    """Nobody asks while they are idle, and they are not at the same time."""
    peer = ScriptedPeer(t)
    with begun(peer) as one, begun(peer) as two:
        for _ in range(2):
            one.command("RSET")
            time.sleep(0.16)
            one.command("MAIL FROM:<a@b>")
            two.command("RSET")
            time.sleep(0.16)
            two.command("MAIL FROM:<a@b>")
        expect(peer.connections(), most_idle=1, idle=0)
        two.command("RSET")
        one.command("RSET")
        time.sleep(0.16)
        one.command("MAIL FROM:<a@b>")
        two.command("MAIL FROM:<a@b>")
        expect(peer.connections(), most_idle=2, idle=0)


def test_repeated_and_distinct_messages(t):
    peer = ScriptedPeer(t, "connection 2 END delay 1 then drop")
    with Client(peer.port) as client:
        client.deliver(message("a"))
        client.deliver(message("b"), recipients=("one@x", "two@x"))
        client.deliver(message("b"), recipients=("three@x",)) # the rest of it: no repetition
        expect(peer.report()["messages"], taken=3, distinct=2, repeated=0, recipients=4)
        client.deliver(message("b"), recipients=("two@x", "four@x"))
        client.deliver(message("a"))
        client.deliver(message("S", "Subject"))
        client.deliver(message("S", "subject") + b"Message-ID: <a>\r\n") # in the body: no name
        client.deliver(b"\r\nno header\r\n")
        client.deliver(b"Message-ID: <c>\r\nSubject: S\r\n\r\n")
    expect(peer.report()["messages"], taken=9, repeated=2, unnamed=1)
    with Client(peer.port) as client:
        client.start()
        client.command("DATA")
        client.send(message("z") + b".\r\n")
        assert client.ends_how() == (b"", "FIN")
    expect(peer.report()["messages"], taken=9, unanswered=1, refused=0)


def test_times_are_ms_since_the_start(t):
    peer = ScriptedPeer(t)
    time.sleep(0.2)
    with Client(peer.port) as client:
        client.deliver()
        time.sleep(0.2)
        client.deliver()
    peer.wait_ended(1)
    times = peer.report()["times_ms"]
    assert 190 <= times["first_connection"] == times["last_connection"], times
    assert times["first_connection"] <= times["first_message"] < times["last_message"], times
    assert 190 <= times["last_message"] - times["first_message"], times
    assert times["last_message"] <= times["last_end"] <= times["now"], times


def test_a_line_per_second_for_who_looks_on(t):
    peer = ScriptedPeer(t, live=True)
    log = t.path("smtp_peer.log")
    with Client(peer.port) as client:
        client.deliver()
        wait_for("a line", lambda: "open 1 (most 1)" in log.read_text() and
                 "taken 1 (+1)" in log.read_text())
        wait_for("another", lambda: "taken 1 (+0)" in log.read_text())


def test_a_report_is_left_at_the_end(t):
    peer = ScriptedPeer(t)
    Client(peer.port).quit()
    peer.wait_ended(1)
    peer.stop()
    expect(peer.report()["connections"], accepted=1, quits=1)


def test_it_bears_load_and_counts_all_of_it(t):
    peer = ScriptedPeer(t)
    began = time.monotonic()
    smtp_source(peer.port, 5000, sessions=100)
    seconds = time.monotonic() - began
    smtp_source(peer.port, 500, sessions=20, reuse=False)
    wait_for("all ends", lambda: peer.connections("open") == 0)
    report = peer.report()
    expect(report["messages"], taken=5500, refused=0, unanswered=0)
    expect(report["commands"], MAIL=5500, END=5500)
    assert report["messages"]["distinct"] + report["messages"]["repeated"] == 5500, report
    return f"{5000 / seconds:.0f} messages/s"


if __name__ == "__main__":
    suite.run(globals())

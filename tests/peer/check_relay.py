#!/usr/bin/python3
"""The delaying relay takes its time, passes everything on, and counts round trips and connections right."""
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.net import ENVELOPE, Client
from peer.scripted import DelayRelay, ScriptedPeer
from peer.suite import expect, wait_for


def through(t, script="", delay_ms=20):
    peer = ScriptedPeer(t, script)
    return peer, DelayRelay(t, peer.port, delay_ms)


def test_relay_takes_its_time_each_way(t):
    peer, relay = through(t, delay_ms=30)
    began = time.monotonic()
    client = Client(relay.port, greet=False)
    client.reply()
    greeting = time.monotonic() - began
    assert 0.12 <= greeting < 2, greeting # SYN, its answer, ACK; the greeting
    took = []

    def some_are_in_time():
        began = time.monotonic()
        client.command("NOOP")
        took.append(time.monotonic() - began)
        return len(took) >= 15 and min(took) < 0.09 # the others: as busy as this machine is
    wait_for("a round trip of 60 ms and hardly more", some_are_in_time)
    assert min(took) >= 0.06, took
    client.quit()
    return f"60 ms took {1000 * min(took):.1f} to {1000 * max(took):.1f}"


def test_relay_counts_round_trips_and_connections(t):
    peer, relay = through(t, delay_ms=5)
    with Client(relay.port) as one, Client(relay.port) as two:
        one.send(ENVELOPE) # in one go
        for _ in range(3):
            one.reply()
        for _ in range(4):
            two.command("NOOP")
    wait_for("both ended", lambda: relay.report()["connections"]["open"] == 0)
    expect(relay.report(), round_trips=2 + 1 + 4)
    expect(relay.report()["connections"], accepted=2, most_open=2, refused=0)


def test_relay_passes_every_octet_and_the_end(t):
    peer, relay = through(t, "every NOOP huge 3000000 then drop", delay_ms=10)
    body = b"Subject: big\r\n\r\n" + b"0123456789\r\n" * 400000
    with Client(relay.port) as client:
        assert client.deliver(body).code == 250
        client.send(b"NOOP\r\n")
        said, ending = client.ends_how()
        assert (len(said), ending) == (3000006, "FIN")
    peer.wait_ended(1)
    expect(peer.report()["messages"], octets=len(body) + 3)
    wait_for("it is closed here, too", lambda: relay.report()["connections"]["open"] == 0)


def test_relay_passes_resets_both_ways(t):
    peer, relay = through(t, "connection 1 NOOP reset", delay_ms=10)
    with Client(relay.port) as client:
        client.send(b"NOOP\r\n")
        assert client.ends_how() == (b"", "RST")
    with Client(relay.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    peer.wait_ended(2)
    expect(peer.connections("by_end"), server=1, client_reset=1)
    peer.script("refuse")
    with Client(relay.port, greet=False) as client:
        assert client.ends_how() == (b"", "RST")
    expect(relay.report()["connections"], accepted=3, refused=1)


def test_relay_holds_the_delay_for_many_at_once(t):
    peer, relay = through(t)
    clients = [Client(relay.port) for _ in range(30)]

    def talk(client, took):
        for _ in range(5):
            began = time.monotonic()
            client.command("NOOP")
            took.append(time.monotonic() - began)

    def some_are_in_time(): # the others: as busy as this machine is
        took = []
        threads = [threading.Thread(target=talk, args=(c, took)) for c in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(took) == 150 and min(took) >= 0.04, took
        return sorted(took)[15] < 0.07
    wait_for("round trips of 40 ms and hardly more", some_are_in_time)
    for client in clients:
        client.close()


if __name__ == "__main__":
    suite.run(globals())

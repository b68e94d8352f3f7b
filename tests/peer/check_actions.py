#!/usr/bin/python3
"""The scripted peer does what a script tells it to do instead of the usual: each action, to the octet."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.net import Client
from peer.scripted import ScriptedPeer
from peer.suite import expect


def test_replies_of_several_lines_and_raw_octets(t):
    peer = ScriptedPeer(t, r"""every NOOP reply 250 one\ntwo\nthree
every RSET raw 2\x35\x30 raw\\\r\n
every QUIT raw 221-a\r\n then usual""")
    with Client(peer.port) as client:
        assert client.command("NOOP").lines == ["250-one", "250-two", "250 three"]
        assert client.command("RSET").lines == ["250 raw\\"]
        client.send(b"QUIT\r\n")
        assert client.ends_how() == (b"221-a\r\n221 2.0.0 bye\r\n", "FIN")


def test_delays_hold_up_what_follows(t):
    peer = ScriptedPeer(t, "every MAIL delay 200\nevery RCPT delay 100 then reply 450 4.2.1 late then "
                           "delay 200 then drop")
    with Client(peer.port) as client:
        began = time.monotonic()
        client.send(b"MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nNOOP\r\n")
        times = []
        for wanted in (250, 450):
            assert client.reply().code == wanted
            times.append(time.monotonic() - began)
        assert client.ends_how() == (b"", "FIN")
        times.append(time.monotonic() - began)
        for took, at_least in zip(times, (0.19, 0.29, 0.48)):
            assert at_least <= took < at_least + 2, times
    peer.wait_ended(1)
    expect(peer.report()["commands"], NOOP=0)


def test_half_a_reply_then_nothing(t):
    peer = ScriptedPeer(t, "every MAIL half")
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        assert client.socket.recv(100) == b"250 2.1"
        client.send(b"NOOP\r\n")
        assert client.is_silent()


def test_stall_reads_and_says_nothing_deaf_does_not_read(t):
    peer = ScriptedPeer(t, "connection 1 MAIL stall\nconnection 2.. MAIL deaf")
    chunk = b"x" * (1 << 20)
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        for _ in range(32):
            client.send(chunk)
        assert client.is_silent()
    peer.wait_ended(1)
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        client.socket.settimeout(0.3)
        try:
            for _ in range(32):
                client.send(chunk)
            raise AssertionError("somebody reads")
        except TimeoutError:
            pass
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\nthis is not read")
        assert client.is_silent()
        expect(peer.connections(), ended=1)
    peer.wait_ended(2) # an end is known all the same


def test_drop_and_reset(t):
    peer = ScriptedPeer(t, "connection 1 banner drop\nconnection 2 banner delay 20 then reset\n"
                           "connection 3 MAIL reply 250 ok then drop", rows=True)
    endings = []
    for _ in range(2):
        with Client(peer.port, greet=False) as client:
            endings.append(client.ends_how())
    assert endings == [(b"", "FIN"), (b"", "RST")], endings
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        assert client.ends_how() == (b"250 ok\r\n", "FIN")
        peer.wait_ended(2)
        expect(peer.connections(), ended=2, open=1) # until the client ends, too
    peer.wait_ended(3)
    assert [r["end"] for r in peer.report()["rows"]] == ["server"] * 3


def test_close_has_a_last_word(t):
    peer = ScriptedPeer(t, "connection 1 EHLO close\nconnection 2 EHLO close 554 5.7.1 go away")
    for wanted in (b"421 4.3.2 closing\r\n", b"554 5.7.1 go away\r\n"):
        with Client(peer.port, greet=False) as client:
            client.reply()
            client.send(b"EHLO x\r\n")
            assert client.ends_how() == (wanted, "FIN")


def test_flood_huge_and_garbage(t):
    peer = ScriptedPeer(t, "every MAIL flood 5000000\nevery NOOP huge 300000\nevery RSET garbage")
    with Client(peer.port) as client:
        client.send(b"RSET\r\n")
        assert b"\xff" in client.socket.recv(100)
        client.send(b"NOOP\r\n")
        assert len(client.line()) == 300004
        client.send(b"MAIL FROM:<a@b>\r\n")
        got = 0
        while got < 5000000:
            got += len(client.socket.recv(1 << 20))
        assert got == 5000000 and client.is_silent()


def test_early_says_the_next_reply_too_and_then_nothing(t):
    peer = ScriptedPeer(t, "every DATA early")
    with Client(peer.port) as client:
        client.start()
        assert client.command("DATA").code == 354
        assert client.reply().code == 250 # no content was sent
        client.send(b"Subject: x\r\n\r\nbody\r\n.\r\n")
        assert client.is_silent()
        assert client.command("NOOP").code == 250
    expect(peer.report()["messages"], taken=1)


if __name__ == "__main__":
    suite.run(globals())

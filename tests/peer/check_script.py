#!/usr/bin/python3
"""A script is understood: without one the scripted peer is a good server; rules fit whom and when they
say, settings say who may come, and what is wrong with a line is said."""
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.net import ENVELOPE, Client
from peer.scripted import BadScript, ScriptedPeer
from peer.suite import expect, wait_for


# ---- a good server ------------------------------------------------------------------------------

def test_a_good_server_needs_no_script(t):
    peer = ScriptedPeer(t)
    with Client(peer.port) as client:
        assert "SIZE 104857600" in client.ehlo.text and "PIPELINING" in client.ehlo.text
        assert client.deliver().code == 250
        assert client.command("RCPT TO:<a@b>").code == 503
        assert client.command("DATA").code == 503
        assert client.command("RSET").code == client.command("NOOP").code == 250
        assert client.command("VRFY a").code == 500
        assert client.quit().code == 221
    peer.wait_ended(1)
    expect(peer.report()["commands"], EHLO=1, MAIL=1, RCPT=2, DATA=2, END=1, RSET=1, NOOP=1, QUIT=1,
           other=1)


def test_commands_in_one_packet_and_content_in_many(t):
    peer = ScriptedPeer(t)
    with Client(peer.port) as client:
        client.send(ENVELOPE)
        assert [client.reply().code for _ in range(3)] == [250, 250, 354]
        for octet in b"Subject: x\r\n\r\n..\r\n.\n\r.\r\r\n.\r\nQUIT\r\n": # only the last dot is one
            client.send(bytes([octet]))
        assert [client.reply().code for _ in range(2)] == [250, 221]
    expect(peer.report()["messages"], taken=1, octets=28)


def test_settings_say_who_it_is_and_what_it_can(t):
    peer = ScriptedPeer(t, "name mx.test\nextensions 8BITMIME, LIMITS MAILMAX=7")
    with Client(peer.port) as client:
        assert client.greeting.text == "mx.test ESMTP"
        assert client.ehlo.lines == ["250-mx.test", "250-8BITMIME", "250 LIMITS MAILMAX=7"]
    peer.script("extensions")
    with Client(peer.port) as client:
        assert client.ehlo.lines == ["250 peer.test"]


# ---- points and selection -----------------------------------------------------------------------

def test_rules_go_by_connection_by_turn_and_by_how_often(t):
    peer = ScriptedPeer(t, "connection 2 MAIL 2.. reply 451 4.3.0 second of second\n"
                           "connection 3..4 EHLO reply 550 no\n"
                           "every RCPT 2 reply 452 4.5.3 second recipient # a comment\n"
                           "every NOOP times 2 reply 250 twice\n"
                           "every NOOP reply 250 after that\n"
                           "every RSET once reply 250 first")
    with Client(peer.port) as one, Client(peer.port) as two:
        for client, wanted in ((one, [250, 250]), (two, [250, 451])):
            codes = []
            for _ in range(2):
                codes.append(client.command("MAIL FROM:<a@b>").code)
                client.command("RSET")
            assert codes == wanted, codes
        for _ in range(2): # of RCPT it is the transaction that counts
            assert [r.code for r in one.start(recipients=("a@b", "c@d", "e@f"))] == [250, 452, 250]
            one.command("RSET")
        says = [c.command("NOOP").text for c in (one, two, one)]
        assert says == ["twice", "twice", "after that"], says
    for wanted in (550, 550, 250):
        with Client(peer.port, greet=False) as client:
            client.reply()
            assert client.command("EHLO x").code == wanted
    used = {r["line"]: r["used"] for r in peer.report()["rules"]}
    assert used == {1: 1, 2: 2, 3: 2, 4: 2, 5: 1, 6: 1}, used


def test_every_command_has_its_point(t):
    points = ("EHLO", "HELO", "MAIL", "RCPT", "DATA", "RSET", "NOOP", "QUIT")
    script = "".join(f"every {p} reply 499 {p}\n" for p in points)
    peer = ScriptedPeer(t, "every accept reply 299 accept\nevery other reply 499 other\n" + script)
    with Client(peer.port, greet=False) as client:
        assert client.reply().lines == ["299 accept"]
        for point in points:
            assert client.command(f"{point} x").lines == [f"499 {point}"]
        assert client.command("EXPN x").lines == ["499 other"]


def test_END_and_content_have_theirs(t):
    peer = ScriptedPeer(t, "connection 1 END reply 554 5.6.0 not this\nconnection 2 content 10 reset")
    with Client(peer.port) as client:
        assert client.deliver().code == 554
        assert client.command("MAIL FROM:<a@b>").code == 250
    with Client(peer.port) as client:
        client.send(ENVELOPE + b"123456789")
        for _ in range(3):
            client.reply()
        assert client.is_silent()
        client.send(b"0")
        assert client.ends_how() == (b"", "RST")
    expect(peer.report()["messages"], taken=0, refused=1)
    expect(peer.report()["commands"], END=1)


def test_after_so_many_messages(t):
    peer = ScriptedPeer(t, "every after 3 messages close 421 4.3.2 three are enough")
    for _ in range(2):
        with Client(peer.port) as client:
            assert [client.deliver().code for _ in range(3)] == [250] * 3
            assert client.ends_how() == (b"421 4.3.2 three are enough\r\n", "FIN")
    peer.wait_ended(2)
    report = peer.report()
    assert report["per_connection"]["messages"] == {"3": 2}
    expect(report["connections"]["by_end"], server=2, quit=0)


def lasts(client, began):
    said = client.ends_how()[0]
    return said, time.monotonic() - began


def test_at_an_age_and_after_idleness(t):
    peer = ScriptedPeer(t, "connection 1 at age 1200 drop\nconnection 2 after idle 1400 close 421 idle")
    began = time.monotonic()
    with Client(peer.port) as one, Client(peer.port) as two:
        while time.monotonic() - began < 0.25: # neither the one nor the other is put off by age
            assert one.command("NOOP").code == 250
        busy_at = time.monotonic()
        two.deliver()
        said, seconds = lasts(one, began)
        assert said == b"" and 1.18 < seconds < 4, (said, seconds)
        said, seconds = lasts(two, busy_at)
        assert said == b"421 idle\r\n" and 1.38 < seconds < 4, (said, seconds)


def test_an_age_that_waits_for_the_end_of_a_transaction(t):
    peer = ScriptedPeer(t, "every at age 1000 between close 421 too old")
    began = time.monotonic()
    with Client(peer.port) as client:
        assert client.command("EHLO client.test").code == 250
        assert all(r.code == 250 for r in client.start(recipients=["to@example.test"]))
        while time.monotonic() - began < 1.2:
            assert client.command("NOOP").code == 250
        assert client.command("DATA").code == 354
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        said, _ = client.ends_how()
        assert said == b"250 2.0.0 taken\r\n421 too old\r\n", said


# ---- who may come -------------------------------------------------------------------------------

def refused(port):
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


def test_limit_turns_away_who_is_one_too_many(t):
    peer = ScriptedPeer(t, "limit 2 421 4.7.0 two")
    with Client(peer.port) as one, Client(peer.port):
        with Client(peer.port, greet=False) as third:
            assert third.ends_how() == (b"421 4.7.0 two\r\n", "FIN")
        one.close()
        Client(peer.port).quit() # there is room at once
    expect(peer.connections(), accepted=4, most_open=3, turned_away=1)


def test_refuse_and_return_on_the_same_port(t):
    peer = ScriptedPeer(t, "refuse after 2")
    Client(peer.port).quit()
    Client(peer.port).quit()
    wait_for("two came", lambda: peer.connections("accepted") == 2)
    assert refused(peer.port)
    peer.script("")
    Client(peer.port).quit()
    peer.script("refuse")
    assert refused(peer.port)
    peer.script("")
    port = peer.port
    peer.restart()
    assert peer.port == port
    with Client(port) as client:
        assert client.deliver().code == 250


def test_hole_leaves_the_client_waiting(t):
    peer = ScriptedPeer(t, "hole")
    began = time.monotonic()
    try:
        socket.create_connection(("127.0.0.1", peer.port), 0.5)
        raise AssertionError("connected")
    except TimeoutError:
        assert time.monotonic() - began > 0.45
    peer.script("")
    Client(peer.port).quit()


def test_a_new_script_holds_for_open_connections(t):
    peer = ScriptedPeer(t, "every MAIL reply 451 4.3.0 not now")
    with Client(peer.port) as client:
        assert client.command("MAIL FROM:<a@b>").code == 451
        peer.script("")
        assert client.deliver().code == 250


def test_bad_scripts_name_the_line(t):
    peer = ScriptedPeer(t, "every NOOP reply 250 kept")
    for line, word in (("every MAIL reply hello", "three digits"), ("every MALI drop", "MALI"),
                       ("sometimes MAIL drop", "sometimes"), ("every MAIL", "action"),
                       ("connection 3..2 MAIL drop", "which"), ("every MAIL delay", "number"),
                       ("every MAIL drop it", "it"), ("limit none", "limit"), ("hole in one", "in one"),
                       ("every MAIL raw \\q", "escape"), ("every at age 5 half", "usual"),
                       ("every MAIL times reply 250", "times"), ("every after 3 reset", "messages"),
                       ("refuse after all", "refuse"), ("every MAIL drop then reply 250", "drop"),
                       ("every MAIL explode", "explode")):
        try:
            peer.script("# one\n\n" + line)
            raise AssertionError(f"taken: {line}")
        except BadScript as error:
            assert "line 3: " in str(error) and word in str(error), error
    with Client(peer.port) as client:
        assert client.command("NOOP").text == "kept"
    try:
        ScriptedPeer(t, "every")
        raise AssertionError("started")
    except BadScript as error:
        assert "line 1: where?" in str(error), error


if __name__ == "__main__":
    suite.run(globals())

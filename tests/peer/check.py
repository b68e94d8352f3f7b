#!/usr/bin/python3
"""The scripted peer, the delaying relay and the TLS receiver do what is asked of them, and count right:
what stands on them is worth no more than that."""
import base64
import pathlib
import socket
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.certificates import Authority
from peer.net import Client, Closed
from peer.scripted import BadScript, DelayRelay, ScriptedPeer, TlsSink
from peer.servers import smtp_source
from peer.suite import wait_for

ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<to@example.test>\r\nDATA\r\n"


def message(name, header="Message-ID"):
    return f"{header}: <{name}>\r\n\r\nbody\r\n".encode()


def is_silent(client, seconds=0.25):
    """Not an octet, and no end, for so long."""
    client.socket.settimeout(seconds)
    try:
        client.socket.recv(1)
        return False
    except TimeoutError:
        return True
    finally:
        client.socket.settimeout(20)


def ends_how(client):
    """What the client reads until the end: octets, and "FIN" or "RST"."""
    got, client._rest = client._rest, b""
    while True:
        try:
            more = client.socket.recv(1 << 20)
        except ConnectionResetError:
            return got, "RST"
        if not more:
            return got, "FIN"
        got += more


def expect(actual, **wanted):
    wrong = {k: (actual[k], v) for k, v in wanted.items() if actual[k] != v}
    assert not wrong, f"(is, should be): {wrong}"


def wait_ended(peer, count):
    wait_for(f"{count} ends", lambda: peer.connections("ended") >= count)


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
    wait_ended(peer, 1)
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
        assert is_silent(client)
        client.send(b"0")
        assert ends_how(client) == (b"", "RST")
    expect(peer.report()["messages"], taken=0, refused=1)
    expect(peer.report()["commands"], END=1)


def test_after_so_many_messages(t):
    peer = ScriptedPeer(t, "every after 3 messages close 421 4.3.2 three are enough")
    for _ in range(2):
        with Client(peer.port) as client:
            assert [client.deliver().code for _ in range(3)] == [250] * 3
            assert ends_how(client) == (b"421 4.3.2 three are enough\r\n", "FIN")
    wait_ended(peer, 2)
    report = peer.report()
    assert report["per_connection"]["messages"] == {"3": 2}
    expect(report["connections"]["by_end"], server=2, quit=0)


def lasts(client, began):
    said = ends_how(client)[0]
    return said, time.monotonic() - began


def test_at_an_age_and_after_idleness(t):
    peer = ScriptedPeer(t, "connection 1 at age 400 drop\nconnection 2 after idle 300 close 421 idle")
    began = time.monotonic()
    with Client(peer.port) as one, Client(peer.port) as two:
        while time.monotonic() - began < 0.25: # neither the one nor the other is put off by age
            assert one.command("NOOP").code == 250
        two.deliver()
        idle_since = time.monotonic()
        said, seconds = lasts(one, began)
        assert said == b"" and 0.38 < seconds < 3, (said, seconds)
        said, seconds = lasts(two, idle_since)
        assert said == b"421 idle\r\n" and 0.28 < seconds < 3, (said, seconds)


def test_an_age_that_waits_for_the_end_of_a_transaction(t):
    peer = ScriptedPeer(t, "every at age 300 between close 421 too old")
    began = time.monotonic()
    with Client(peer.port) as client:
        assert client.command("EHLO client.test").code == 250
        assert all(r.code == 250 for r in client.start(recipients=["to@example.test"]))
        while time.monotonic() - began < 0.5:
            assert client.command("NOOP").code == 250
        assert client.command("DATA").code == 354
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        said, _ = ends_how(client)
        assert said == b"250 2.0.0 taken\r\n421 too old\r\n", said


# ---- actions ------------------------------------------------------------------------------------

def test_replies_of_several_lines_and_raw_octets(t):
    peer = ScriptedPeer(t, r"""every NOOP reply 250 one\ntwo\nthree
every RSET raw 2\x35\x30 raw\\\r\n
every QUIT raw 221-a\r\n then usual""")
    with Client(peer.port) as client:
        assert client.command("NOOP").lines == ["250-one", "250-two", "250 three"]
        assert client.command("RSET").lines == ["250 raw\\"]
        client.send(b"QUIT\r\n")
        assert ends_how(client) == (b"221-a\r\n221 2.0.0 bye\r\n", "FIN")


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
        assert ends_how(client) == (b"", "FIN")
        times.append(time.monotonic() - began)
        for took, at_least in zip(times, (0.19, 0.29, 0.48)):
            assert at_least <= took < at_least + 2, times
    wait_ended(peer, 1)
    expect(peer.report()["commands"], NOOP=0)


def test_half_a_reply_then_nothing(t):
    peer = ScriptedPeer(t, "every MAIL half")
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        assert client.socket.recv(100) == b"250 2.1"
        client.send(b"NOOP\r\n")
        assert is_silent(client)


def test_stall_reads_and_says_nothing_deaf_does_not_read(t):
    peer = ScriptedPeer(t, "connection 1 MAIL stall\nconnection 2.. MAIL deaf")
    chunk = b"x" * (1 << 20)
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        for _ in range(32):
            client.send(chunk)
        assert is_silent(client)
    wait_ended(peer, 1)
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
        assert is_silent(client)
        expect(peer.connections(), ended=1)
    wait_ended(peer, 2) # an end is known all the same


def test_drop_and_reset(t):
    peer = ScriptedPeer(t, "connection 1 banner drop\nconnection 2 banner delay 20 then reset\n"
                           "connection 3 MAIL reply 250 ok then drop", rows=True)
    endings = []
    for _ in range(2):
        with Client(peer.port, greet=False) as client:
            endings.append(ends_how(client))
    assert endings == [(b"", "FIN"), (b"", "RST")], endings
    with Client(peer.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n")
        assert ends_how(client) == (b"250 ok\r\n", "FIN")
        expect(peer.connections(), ended=2, open=1) # until the client ends, too
    wait_ended(peer, 3)
    assert [r["end"] for r in peer.report()["rows"]] == ["server"] * 3


def test_close_has_a_last_word(t):
    peer = ScriptedPeer(t, "connection 1 EHLO close\nconnection 2 EHLO close 554 5.7.1 go away")
    for wanted in (b"421 4.3.2 closing\r\n", b"554 5.7.1 go away\r\n"):
        with Client(peer.port, greet=False) as client:
            client.reply()
            client.send(b"EHLO x\r\n")
            assert ends_how(client) == (wanted, "FIN")


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
        assert got == 5000000 and is_silent(client)


def test_early_says_the_next_reply_too_and_then_nothing(t):
    peer = ScriptedPeer(t, "every DATA early")
    with Client(peer.port) as client:
        client.start()
        assert client.command("DATA").code == 354
        assert client.reply().code == 250 # no content was sent
        client.send(message("x") + b".\r\n")
        assert is_silent(client)
        assert client.command("NOOP").code == 250
    expect(peer.report()["messages"], taken=1)


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
            assert ends_how(third) == (b"421 4.7.0 two\r\n", "FIN")
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


# ---- what it counts -----------------------------------------------------------------------------

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
        assert ends_how(client)[1] == "FIN"
        client.send(b"QUIT\r\n") # too late to be heard
    wait_ended(peer, 5)
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
    wait_ended(peer, 300)
    expect(peer.connections(), accepted=300, most_open=1)
    clients = [Client(peer.port) for _ in range(40)]
    for client in clients:
        client.close()
    wait_ended(peer, 340)
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
    """Short transactions, far less than 100 ms apart."""
    rested, began = time.monotonic(), time.monotonic()
    while rested - began < seconds:
        client.send(b"RSET\r\nMAIL FROM:<a@b>\r\nRSET\r\n")
        if time.monotonic() - rested > 0.08:
            raise TooBusy
        rested = time.monotonic()
        assert [client.reply().code for _ in range(3)] == [250] * 3
        time.sleep(0.02)
    client.command("MAIL FROM:<a@b>")
    if time.monotonic() - rested > 0.08:
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
    expect(peer.connections(), idle=2, most_idle=2)
    resting.send(b"QUIT\r\n") # no longer idle, though open
    if time.monotonic() - began > 0.7:
        raise TooBusy
    assert owed.reply().code == 250
    time.sleep(0.2)
    expect(peer.connections(), idle=2, most_idle=2)
    rows = peer.report()["rows"]
    assert rows[0]["longest_idle_ms"] >= 490, rows[0]
    assert rows[3]["longest_idle_ms"] is None
    for client in (resting, busy, owed, greeted, stalled, leaving):
        client.close()
    wait_ended(peer, 6)
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
        assert ends_how(client) == (b"", "FIN")
    expect(peer.report()["messages"], taken=9, unanswered=1, refused=0)


def test_times_are_ms_since_the_start(t):
    peer = ScriptedPeer(t)
    time.sleep(0.2)
    with Client(peer.port) as client:
        client.deliver()
        time.sleep(0.2)
        client.deliver()
    wait_ended(peer, 1)
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
                 "taken 1 (+1)" in log.read_text(), 5)
        wait_for("another", lambda: "taken 1 (+0)" in log.read_text(), 5)


def test_a_report_is_left_at_the_end(t):
    peer = ScriptedPeer(t)
    Client(peer.port).quit()
    wait_ended(peer, 1)
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


# ---- the relay ----------------------------------------------------------------------------------

def through(t, script="", delay_ms=20):
    peer = ScriptedPeer(t, script)
    return peer, DelayRelay(t, peer.port, delay_ms)


def test_relay_takes_its_time_each_way(t):
    peer, relay = through(t, delay_ms=30)
    began = time.monotonic()
    client = Client(relay.port, greet=False)
    client.reply()
    greeting = time.monotonic() - began
    assert 0.12 <= greeting < 0.5, greeting # SYN, its answer, ACK; the greeting
    took = []
    for _ in range(15):
        began = time.monotonic()
        client.command("NOOP")
        took.append(time.monotonic() - began)
    assert 0.06 <= min(took) < 0.09, took # the others: as busy as this machine is
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
        said, ending = ends_how(client)
        assert (len(said), ending) == (3000006, "FIN")
    wait_ended(peer, 1)
    expect(peer.report()["messages"], octets=len(body) + 3)
    wait_for("it is closed here, too", lambda: relay.report()["connections"]["open"] == 0)


def test_relay_passes_resets_both_ways(t):
    peer, relay = through(t, "connection 1 NOOP reset", delay_ms=10)
    with Client(relay.port) as client:
        client.send(b"NOOP\r\n")
        assert ends_how(client) == (b"", "RST")
    with Client(relay.port) as client:
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    wait_ended(peer, 2)
    expect(peer.connections("by_end"), server=1, client_reset=1)
    peer.script("refuse")
    with Client(relay.port, greet=False) as client:
        assert ends_how(client) == (b"", "RST")
    expect(relay.report()["connections"], accepted=3, refused=1)


def test_relay_holds_the_delay_for_many_at_once(t):
    peer, relay = through(t)
    took, clients = [], [Client(relay.port) for _ in range(30)]

    def talk(client):
        for _ in range(5):
            began = time.monotonic()
            client.command("NOOP")
            took.append(time.monotonic() - began)
    threads = [threading.Thread(target=talk, args=(c,)) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(took) == 150 and min(took) >= 0.04, min(took)
    assert sorted(took)[15] < 0.07, sorted(took)[15]
    for client in clients:
        client.close()


# ---- the receiver of TLS ------------------------------------------------------------------------

def over_tls(t, newest=ssl.TLSVersion.TLSv1_3, **options):
    """A sink, and what sends so many messages there over one connection: talk(count, session) returns
    the session to resume next time."""
    ca = Authority(t, f"ca-{time.monotonic_ns()}")
    sink = TlsSink(t, ca.issue("sink", ["IP:127.0.0.1"]), **options)
    context = ssl.create_default_context(cafile=ca.certificate)
    context.maximum_version = newest

    def secure(client, session):
        client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1",
                                            session=session)

    def talk(count=1, session=None):
        with Client(sink.port, greet=not options.get("smtps")) as client:
            if options.get("smtps"):
                secure(client, session)
                assert client.reply().code == 220
            else:
                assert "STARTTLS" in client.ehlo.text
                assert client.command("STARTTLS").code == 220
                secure(client, session)
            assert "STARTTLS" not in client.command("EHLO again").text
            for _ in range(count):
                assert client.deliver(b"Subject: x\r\n\r\n..\r\n.\n" + b"y" * 70 + b"\r\n").code == 250
            session = client.socket.session
            assert session is not None and client.quit().code == 221
            return session
    return sink, talk


def test_tls_sink_counts_handshakes_and_messages(t):
    for newest in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        for smtps in (False, True):
            sink, talk = over_tls(t, newest, smtps=smtps)
            session = talk(3)
            talk(2, session)
            talk()
            report = sink.report()
            expect(report["handshakes"], full=2, resumed=1, failed=0)
            expect(report["messages"], taken=6, in_clear=0)
            expect(report, connections=3)
            assert 0 < report["messages"]["seconds"] < 20 and report["cpu_seconds"] > 0, report


def test_tls_sink_resumes_nothing_if_told_so(t):
    for newest in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        sink, talk = over_tls(t, newest, resumes=False)
        session = talk()
        talk(1, session)
        expect(sink.report()["handshakes"], full=2, resumed=0)


def test_tls_sink_takes_mail_in_clear_and_says_so(t):
    sink, _ = over_tls(t)
    smtp_source(sink.port, 2000, sessions=10)
    expect(sink.report()["messages"], taken=2000, in_clear=2000)
    expect(sink.report()["handshakes"], full=0, resumed=0, failed=0)


def test_tls_sink_counts_failed_handshakes_and_ends_injected_commands(t):
    sink, talk = over_tls(t)
    with Client(sink.port) as client:
        client.send(b"STARTTLS\r\nNOOP\r\n")
        assert ends_how(client)[0] == b""
    with Client(sink.port) as client:
        assert client.command("STARTTLS").code == 220
        client.send(b"NOOP\r\n" * 4)
        ends_how(client)
    talk()
    expect(sink.report()["handshakes"], full=1, failed=1)


def test_a_secret_that_turns_up_is_found(t):
    secret = "tell-nobody-of-it"
    for before in ("", "\0", "\0a\0", "user\0"): # each way to begin in base64
        with suite.Scratch("postern-secret") as scratch:
            gateway = Gateway(scratch, start=False)
            gateway.secrets.note({"servers": [], "oauth": {"client_secret": secret}})
            assert gateway.secrets.found() == ""
            gateway.log.write_bytes(b"AUTH PLAIN " + base64.b64encode(f"{before}{secret}".encode()))
            assert "posternd.log" in gateway.secrets.found(), before
            gateway.log.write_text(f"password={secret}")
            assert "posternd.log" in scratch.reports()
            gateway.log.write_text("nothing")
            scratch.path("profile.json").write_text(secret) # the test's own
            assert scratch.reports() == ""


if __name__ == "__main__":
    suite.run(globals())

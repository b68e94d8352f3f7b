#!/usr/bin/python3
"""MQ01, SR03, SR04: mail in as it should be, refused where it should be, out as it came."""
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import ScriptedServer, smtp_source


def start(t, workers=1, build="asan", **options):
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=workers, build=build, **options)
    gateway.put_profile("relay", [sink], retry={"first": 1, "max": 1})
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink


def test_MQ01_ehlo_says_what_is_there(t):
    gateway, _ = start(t, smtp={"max_message_size": 1048576})
    with Client(gateway.port) as client:
        words = {line.split()[0] for line in client.ehlo.text.splitlines()[1:]}
        assert {"PIPELINING", "SIZE", "8BITMIME", "ENHANCEDSTATUSCODES"} <= words, words
        assert "1048576" in client.ehlo.text
        assert "gw.test" in client.greeting.text
        assert client.command("HELO old.test").code == 250
        assert client.command("NOOP").code == 250
        assert client.command("VRFY someone").code == 252
        assert client.command("RSET").code == 250
        assert client.command("NONSENSE").code == 500
        assert client.quit().code == 221


def test_a_message_arrives_as_it_was_with_one_received_line(t):
    gateway, sink = start(t)
    content = b"Subject: hello\r\nFrom: <a@client.test>\r\n\r\nline\r\n.dot\r\n\r\nend\r\n"
    with Client(gateway.port) as client:
        assert client.deliver(content.replace(b"\r\n.", b"\r\n.."), sender="a@client.test",
                              recipients=["b@example.test", "c@example.test"]).code == 250
    suite.wait_for("it", lambda: sink.messages)
    message = sink.messages[0]
    assert message.recipients == ["b@example.test", "c@example.test"]
    assert message.sender.startswith("<a@client.test>")
    received = message.body.removesuffix(content)
    assert received != message.body, message.body
    assert re.fullmatch(rb"Received: from client\.test [^\n]*127\.0\.0\.1(?:.|\r\n[ \t])*\r\n",
                        received), received
    assert received.count(b"Received:") == 1 and b"gw.test" in received


def test_pipelined_commands_are_answered_in_order(t):
    gateway, sink = start(t)
    with Client(gateway.port) as client:
        client.send(b"MAIL FROM:<>\r\nRCPT TO:<a@example.test>\r\nRCPT TO:<b@other.test>\r\nDATA\r\n")
        codes = [client.reply().code for _ in range(4)]
        assert codes == [250, 250, 550, 354], codes
        client.send(b"Subject: x\r\n\r\nx\r\n.\r\nMAIL FROM:<again@client.test>\r\nQUIT\r\n")
        assert [client.reply().code for _ in range(3)] == [250, 250, 221]
    suite.wait_for("it", lambda: sink.messages)
    assert sink.messages[0].sender.startswith("<>")


def test_SR03_who_is_refused_and_how(t):
    gateway, _ = start(t)
    with Client(gateway.port) as client:
        assert client.command("MAIL FROM:<x@client.test>").code == 250
        for recipient, code, enhanced in (
                ("x@other.test", 550, "5.7.1"), ("postmaster", 451, "4.3.5"),
                ("postmaster@example.test", 451, "4.3.5"), ("a%b@example.test", 550, None),
                ("a!b@example.test", 550, None), ("a@b@example.test", 550, None)):
            reply = client.command(f"RCPT TO:<{recipient}>")
            assert reply.code == code, (recipient, reply)
            assert enhanced in (None, reply.enhanced), (recipient, reply)
        assert client.command("RCPT TO:<@relay.test:x@example.test>").code == 250
        assert client.command("DATA").code == 354


def test_SR03_without_any_rule_mail_waits_outside(t):
    gateway = Gateway(t, workers=1, build="asan")
    with Client(gateway.port) as client:
        reply, = client.start()
        assert reply.code == 451 and reply.enhanced == "4.3.5", reply
    assert "rule" in gateway.ctl("status")


def test_SR04_recipients_under_two_rules_go_their_own_ways(t):
    gateway, sink = start(t)
    other = ScriptedServer(t)
    gateway.put_profile("other", [other])
    gateway.put_rule("others", "other", ["*@other.test"])
    gateway.wait_rules("to@other.test")
    sink.stop()
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["a@example.test", "b@other.test",
                                          "c@example.test"]).code == 250
    suite.wait_for("one way", lambda: other.messages)
    assert other.messages[0].recipients == ["b@other.test"]
    sink.start()
    suite.wait_for("the other way", lambda: sink.messages)
    assert sink.messages[0].recipients == ["a@example.test", "c@example.test"]
    assert len(other.messages) == 1


def test_MQ01_limits_of_size_and_recipients(t):
    gateway, sink = start(t, smtp={"max_message_size": 65536, "max_recipients": 100})
    with Client(gateway.port) as client:
        assert client.command("MAIL FROM:<a@client.test> SIZE=65537").code == 552
        for reply in client.start(recipients=[f"r{i}@example.test" for i in range(100)]):
            assert reply.code == 250
        reply = client.command("RCPT TO:<more@example.test>")
        assert (reply.code, reply.enhanced) == (452, "4.5.3"), reply
        reply = client.content(b"Subject: x\r\n\r\n" + (b"z" * 70 + b"\r\n") * 1000)
        assert (reply.code, reply.enhanced) == (552, "5.3.4"), reply
        assert client.command("NOOP").code == 250
    assert not gateway.queue() and not sink.messages


def test_a_session_of_errors_is_ended(t):
    gateway, _ = start(t, smtp={"max_errors": 5})
    with Client(gateway.port) as client:
        codes = [client.command("NONSENSE").code for _ in range(4)]
        assert set(codes) == {500}, codes
        while (reply := client.command("NONSENSE")).code == 500:
            codes.append(500)
            assert len(codes) < 10
        assert reply.code == 421, reply


def test_MQ05_a_loop_is_cut_by_its_received_lines(t):
    gateway, sink = start(t, smtp={"max_hops": 10})
    with Client(gateway.port) as client:
        client.start()
        reply = client.content(b"Received: from a by b; now\r\n" * 11 + b"Subject: x\r\n\r\nx\r\n")
        assert (reply.code, reply.enhanced) == (554, "5.4.6"), reply
    assert not sink.messages


def test_a_message_larger_than_memory_for_one_is_streamed(t):
    gateway, sink = start(t, build="debug")
    content = b"Subject: big\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 150000
    with Client(gateway.port, 60) as client:
        assert client.deliver(content).code == 250
    suite.wait_for("all of it", lambda: sink.messages, 60)
    assert sink.messages[0].body.endswith(content)
    return f"{len(content) >> 20} MiB"


def test_an_aborted_large_message_leaves_nothing(t):
    gateway, sink = start(t)
    client = Client(gateway.port)
    client.start()
    assert client.command("DATA").code == 354
    client.send(b"Subject: big\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 40000)
    client.close()
    with Client(gateway.port) as client:
        assert client.deliver().code == 250
    suite.wait_for("the other", lambda: sink.messages)
    assert not gateway.queue() and len(sink.messages) == 1


@suite.deadline(180)
def test_sizes_from_nothing_to_a_mebibyte_and_past_it(t):
    gateway, sink = start(t)
    contents = [b"", b"\r\n", b"Subject: x\r\n\r\n"]
    contents += [b"S: x\r\n\r\n" + b"a" * 60 + b"\r\n" + (b"b" * 62 + b"\r\n") * (size // 64)
                 for size in (4096, 65536, (1 << 20) - 4096, 1 << 20, (1 << 20) + 64)]
    for content in contents:
        with Client(gateway.port, 60) as client:
            assert client.deliver(content).code == 250
        suite.wait_for("it", lambda: sink.messages, 30)
        assert sink.journal.pop().body.endswith(content)


@suite.deadline(180)
def test_3000_messages_under_sanitizers(t):
    gateway, sink = start(t, workers=2)
    smtp_source(gateway.port, 3000, options=["-N"], seconds=120)
    suite.wait_for("3,000 messages", lambda: len(sink.messages) >= 3000, 90)
    assert len({m.recipients[0] for m in sink.messages}) == len(sink.messages) == 3000
    assert gateway.stop() == 0


if __name__ == "__main__":
    suite.run(globals())

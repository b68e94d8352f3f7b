#!/usr/bin/python3
"""MQ04: CRLF.CRLF and nothing else ends a message; CRLF and nothing else ends a command."""
import itertools
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.net import Client, Closed
from peer.servers import ScriptedServer

ENDS = [b"\r\n", b"\n", b"\r", b"\r\r\n", b"\n\r", b"\0\r\n", b"\r\0\n", b"\r\n\0"]
DOTS = [b".", b"..", b".\0", b"\0.", b". "]
INNER = b"MAIL FROM:<evil@client.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\n" \
        b"Subject: smuggled\r\n\r\nevil\r\n"


def start(t):
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=1, build="asan")
    gateway.put_profile("relay", [sink])
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink


def send_raw(gateway, number, content):
    """One message with this content, whole and in one piece; the codes of all replies after 354."""
    with Client(gateway.port, 20) as client:
        for reply in client.start("case@client.test", [f"case{number}@example.test"]):
            assert reply.code == 250, reply
        assert client.command("DATA").code == 354
        client.send(content + b"QUIT\r\n")
        codes = []
        try:
            while not codes or codes[-1] not in (221, 421):
                codes.append(client.reply().code)
        except Closed:
            pass
        return codes


@suite.deadline(180)
def test_MQ04_no_mix_around_the_end_of_data_makes_a_second_message(t):
    gateway, sink = start(t)
    cases = [a + dot + b for a, dot, b in itertools.product(ENDS, DOTS, ENDS)
             if (a, dot, b) != (b"\r\n", b".", b"\r\n") and a + dot + b != b"\r\n.\r\n\0"]
    taken = {}
    for number, case in enumerate(cases):
        # ends[-1] of the case before the dot may itself complete CRLF.CRLF with what follows: only
        # the true end of data may do so.
        content = b"Subject: outer\r\n\r\nbody" + case + INNER + b"\r\n.\r\n"
        if b"\r\n.\r\n" in content[:-5]:
            continue
        codes = send_raw(gateway, number, content)
        assert codes and codes[0] // 100 in (2, 5), (case, codes)
        assert codes[1:] in ([221], [], [421]), (case, codes) # nothing inside it was a command
        if codes[0] == 250:
            taken[number] = content
    with Client(gateway.port) as client:
        assert client.deliver(recipients=["sentinel@example.test"]).code == 250
    suite.wait_for("all that was taken",
                   lambda: len(sink.messages) >= len(taken) + 1, 60)
    suite.wait_for("the queue is empty", lambda: not gateway.queue())
    assert len(sink.messages) == len(taken) + 1
    for message in sink.messages:
        assert "evil" not in message.sender, message.sender
        assert len(message.recipients) == 1 and "victim" not in message.recipients[0]
    return f"{len(cases)} mixes: {len(taken)} taken as content, {len(cases) - len(taken)} refused"


def test_MQ04_bare_cr_and_lf_are_refused_by_default(t):
    gateway, sink = start(t)
    for number, line in enumerate((b"a\nb\r\n", b"a\rb\r\n", b"\n", b"\r", b"a\r\r\n")):
        codes = send_raw(gateway, number, b"Subject: x\r\n\r\n" + line + b"\r\n.\r\n")
        assert codes[0] // 100 == 5, (line, codes)
    assert not sink.messages


def test_MQ04_dots_and_strange_bytes_that_are_lawful_arrive_unchanged(t):
    gateway, sink = start(t)
    bodies = [b".\r\n", b"..\r\n", b".a\r\n..b\r\n", b"\r\n", b"a\r\n\r\n.\x01\r\n", b"x" * 998 + b"\r\n"]
    for body in bodies:
        with Client(gateway.port) as client:
            content = b"Subject: x\r\n\r\n" + body
            stuffed = b"\r\n".join(b"." + s if s.startswith(b".") else s
                                   for s in content.split(b"\r\n"))
            assert client.deliver(stuffed).code == 250
        suite.wait_for("it arrives", lambda: sink.messages)
        assert sink.journal.pop().body.endswith(content), body


def test_MQ04_a_bare_lf_or_cr_never_ends_a_command(t):
    gateway, _ = start(t)
    for ending in (b"\n", b"\r", b"\n\r", b"\0\n"):
        with Client(gateway.port) as client:
            client.send(b"NOOP" + ending + b"RSET" + ending + b"VRFY x\r\nQUIT\r\n")
            codes = []
            try:
                while True:
                    codes.append(client.reply().code)
            except Closed:
                pass
            assert 250 not in codes and codes[0] // 100 in (4, 5), (ending, codes)
            assert len(codes) <= 2, (ending, codes)


if __name__ == "__main__":
    suite.run(globals())

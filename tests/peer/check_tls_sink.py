#!/usr/bin/python3
"""The receiver of TLS takes mail over both ways to begin, and counts handshakes and messages right."""
import pathlib
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.net import Client
from peer.scripted import TlsSink
from peer.servers import smtp_source
from peer.suite import expect


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
        assert client.ends_how()[0] == b""
    with Client(sink.port) as client:
        assert client.command("STARTTLS").code == 220
        client.send(b"NOOP\r\n" * 4)
        client.ends_how()
    talk()
    expect(sink.report()["handshakes"], full=1, failed=1)


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""MQ01, SP07: mail that comes in over TLS, with the digital ID."""
import pathlib
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.certificates import Authority
from peer.engine import Context, Engine
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import ScriptedServer


def start(t, paper, **options):
    sink = ScriptedServer(t)
    gateway = Gateway(t, workers=1, tls={"certificate": paper.certificate, "key": paper.key},
                      **options)
    gateway.put_profile("relay", [sink])
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink


def context(ca):
    made = ssl.create_default_context(cafile=ca.certificate)
    made.check_hostname = True
    return made


def connect(gateway):
    client = smtplib.SMTP("127.0.0.1", gateway.port, local_hostname="client.test", timeout=20)
    client._host = "gw.test" # the name that the certificate is for
    return client


def test_MQ01_mail_is_taken_in_TLS_and_the_trace_says_so(t):
    ca = Authority(t)
    gateway, sink = start(t, ca.issue("gw", ["gw.test"]))
    with connect(gateway) as client:
        client.ehlo()
        assert client.has_extn("starttls")
        client.starttls(context=context(ca))
        assert client.sock.version() == "TLSv1.3"
        client.ehlo()
        assert not client.has_extn("starttls")
        client.sendmail("from@client.test", ["to@example.test"], "Subject: x\r\n\r\n" + "y" * 300000)
    suite.wait_for("it is delivered", lambda: sink.messages)
    assert b"with ESMTPS id" in sink.messages[0].body
    assert sink.messages[0].body.count(b"y") >= 300000


def test_MQ01_swaks_speaks_it_too(t):
    ca = Authority(t)
    gateway, sink = start(t, ca.issue("gw", ["gw.test"]))
    done = subprocess.run(["swaks", "--server", f"127.0.0.1:{gateway.port}", "--tls",
                           "--from", "from@client.test", "--to", "to@example.test"],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done
    suite.wait_for("it is delivered", lambda: sink.messages)


def talk(gateway, *lines):
    """What comes back after each, in clear."""
    said = []
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as peer:
        file = peer.makefile("rb")

        def reply():
            while (line := file.readline())[3:4] == b"-":
                pass
            return line.decode().strip()
        said.append(reply())
        for line in lines:
            peer.sendall(line.encode())
            said.append(reply())
    return said[1:]


def test_SP31_what_is_said_before_the_handshake_ends_the_session(t):
    ca = Authority(t)
    gateway, _ = start(t, ca.issue("gw", ["gw.test"]))
    said = talk(gateway, "EHLO a.test\r\n", "STARTTLS\r\nMAIL FROM:<evil@a.test>\r\n", "")
    assert said[1].startswith("554 5.5.1") and said[2] == "", said


def test_MQ01_where_STARTTLS_may_come(t):
    ca = Authority(t)
    gateway, _ = start(t, ca.issue("gw", ["gw.test"]))
    for lines, code in (
            (["STARTTLS\r\n"], "503"),
            (["EHLO a.test\r\n", "STARTTLS now\r\n"], "501"),
            (["EHLO a.test\r\n", "MAIL FROM:<a@a.test>\r\n", "STARTTLS\r\n"], "503"),
            (["EHLO a.test\r\n", "STARTTLS\r\n"], "220")):
        assert talk(gateway, *lines)[-1].startswith(code), (lines, code)
    with connect(gateway) as client:
        client.starttls(context=context(ca))
        client.ehlo()
        assert client.docmd("STARTTLS")[0] == 503


def test_MQ01_without_a_digital_id_it_is_not_there(t):
    gateway = Gateway(t, workers=1)
    said = talk(gateway, "EHLO a.test\r\n", "STARTTLS\r\n")
    assert said[1].startswith("502 5.5.1"), said


def go_to_tls(peer):
    """As far as the 220 to STARTTLS, in clear."""
    file = peer.makefile("rb")
    for line in ("", "EHLO a.test\r\n", "STARTTLS\r\n"):
        peer.sendall(line.encode())
        while (got := file.readline())[3:4] == b"-":
            pass
        assert got.startswith((b"220", b"250")), got
    return file


def test_MQ01_who_does_not_go_on_is_sent_away_in_time_and_without_a_word_in_clear(t):
    ca = Authority(t)
    gateway, _ = start(t, ca.issue("gw", ["gw.test"]), smtp={"command_timeout": "1s"})
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as peer:
        assert go_to_tls(peer).read() == b"", "a word after 220 that is not TLS"
    with socket.create_connection(("127.0.0.1", gateway.port), 20) as peer:
        file = go_to_tls(peer)
        peer.sendall(b"MAIL FROM:<evil@a.test>\r\n")
        assert b"250" not in file.read()
    suite.wait_for("it is told", lambda: "no TLS with a client" in gateway.log_text())


def secured(peer):
    """The connection's engine, in TLS."""
    go_to_tls(peer)
    engine = Engine(Context())
    while not engine.shake():
        peer.sendall(engine.take())
        engine.feed(peer.recv(65536))
    peer.sendall(engine.take())
    return engine


def flood(peer, engine):
    """Key updates until they are not taken any more, and no answer is read; how many."""
    count = 0
    try:
        while count < 100000:
            for _ in range(500):
                engine.update_key()
            peer.sendall(engine.take())
            count += 500
    except (ConnectionError, TimeoutError):
        pass
    return count


def test_MQ01_a_flood_of_key_updates_is_cut_off_and_delays_nobody(t):
    ca = Authority(t)
    gateway, _ = start(t, ca.issue("gw", ["gw.test"]))
    took = 0.0
    with Client(gateway.port) as other:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", gateway.port), 20) as peer:
                engine = secured(peer)
                floods = threading.Thread(target=flood, args=(peer, engine))
                floods.start()
                while floods.is_alive():
                    sent = time.monotonic()
                    assert other.command("NOOP").code == 250
                    took = max(took, time.monotonic() - sent)
                floods.join()
    suite.wait_for("it is told", lambda: gateway.log_text().count("without end, and no data") == 5)
    assert took < 2, took
    return f"a NOOP beside it took {took:.3f} s at most"


def test_SP07_a_reload_takes_the_new_digital_id_and_keeps_the_old_one_if_it_is_bad(t):
    ca = Authority(t)
    paper, other = ca.issue("gw", ["gw.test"]), ca.issue("new", ["gw.test", "new.test"])
    gateway, _ = start(t, paper)

    def names():
        with connect(gateway) as client:
            client.starttls(context=context(ca))
            return [v for _, v in client.sock.getpeercert()["subjectAltName"]]
    assert names() == ["gw.test"]
    paper.certificate.write_bytes(other.certificate.read_bytes())
    paper.key.write_bytes(other.key.read_bytes())
    gateway.reload()
    suite.wait_for("the new one is shown", lambda: names() == ["gw.test", "new.test"])
    paper.key.write_text("nonsense")
    gateway.reload()
    suite.wait_for("it is told", lambda: "the one from before stays" in gateway.log_text())
    assert names() == ["gw.test", "new.test"]


def test_SP07_one_that_ends_soon_is_told(t):
    ca = Authority(t)
    gateway, _ = start(t, ca.issue("gw", ["gw.test"], days=3))
    suite.wait_for("an alert", lambda: any("ends soon" in a["text"] for a in
                                           gateway.ctl_json("status")["alerts"]))


if __name__ == "__main__":
    suite.run(globals())

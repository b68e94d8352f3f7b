#!/usr/bin/python3
"""SP30 to SP32: what is said in clear, what in TLS, and with whom."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.secured import Papers, log_of, put, send, uri
from peer.servers import DROP, HANG, ScriptedServer

OFFERS = ("good", "not offered", "bad CA", "wrong name", "expired", "client certificate demanded")
WISHES = ("none", "starttls_optional", "starttls_required", "smtps")

# What becomes of the mail: "tls", "clear", or None: the server fails, with these words.
CLEAR, TLS = "clear", "tls"
EXPECTED = {
    ("none", None): CLEAR,
    ("starttls_optional", "not offered"): CLEAR,
    ("starttls_optional", "client certificate demanded"): CLEAR, # the handshake fails
    ("starttls_optional", None): TLS, # whoever it is with
    ("starttls_required", "good"): TLS,
    ("starttls_required", "not offered"): "STARTTLS is not offered",
    ("smtps", "good"): TLS,
    ("smtps", "not offered"): "what came is not TLS",
    (None, "bad CA"): "unable to get local issuer certificate",
    (None, "wrong name"): "the certificate is for other.test, not for 127.0.0.1",
    (None, "expired"): "certificate has expired",
    (None, "client certificate demanded"): "the TLS handshake failed",
}


def expected(wish, offer):
    return EXPECTED.get((wish, offer)) or EXPECTED.get((wish, None)) or EXPECTED[(None, offer)]


def test_SP30_SP31_SP32_every_wish_with_every_offer(t):
    papers, cells = Papers(t), {}
    gateway = Gateway(t, workers=2)
    for wish in WISHES:
        for offer in OFFERS:
            name = f"{wish}-{offer}".replace(" ", "-").replace("_", "-").lower()
            smtps = wish == "smtps" and offer != "not offered"
            server = ScriptedServer(t, tls=papers.context(offer), smtps=smtps)
            put(gateway, name, [uri(server, wish == "smtps")], ca=papers.ca.pem,
                **({} if wish == "smtps" else {"encryption": wish}))
            cells[name] = (wish, offer, server)
    gateway.wait_rules(f"x@{list(cells)[-1]}.test")
    for name in cells:
        send(gateway, f"x@{name}.test")
    for name, (wish, offer, server) in cells.items():
        want = expected(wish, offer)
        if want in (CLEAR, TLS):
            suite.wait_for(f"{name} is delivered", lambda: server.messages)
            tls = server.messages[0].tls
            assert (tls is not None) == (want == TLS), (name, tls)
        else:
            suite.wait_for(f"{name} is deferred", lambda: want in log_of(gateway, name))
            assert not server.messages, name
            assert not any(c.startswith(("MAIL", "RCPT")) for c in server.commands), name
        if wish == "none":
            assert "STARTTLS" not in server.commands, name
    return f"{len(cells)} cells"


def test_SP31_each_downgrade_is_logged_and_says_why(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    broken = ScriptedServer(t, tls=papers.context("client certificate demanded"))
    without = ScriptedServer(t)
    for name, server in (("broken", broken), ("without", without)):
        put(gateway, name, [server], encryption="starttls_optional")
    gateway.wait_rules("x@without.test")
    for name in ("broken", "without"):
        send(gateway, f"x@{name}.test")
    suite.wait_for("both", lambda: broken.messages and without.messages)
    lines = [l for l in gateway.log_text().splitlines() if "event=downgrade" in l]
    assert len(lines) == 2, lines
    assert sum("STARTTLS is not offered" in l for l in lines) == 1, lines
    assert sum("the TLS handshake failed" in l for l in lines) == 1, lines
    for name in ("broken", "without"):
        suite.wait_for("it is counted", lambda: [
            s["downgraded"] for s in gateway.ctl_json("pool", name)["servers"]] == [1])
    delivered = [l for l in gateway.log_text().splitlines() if "msg=delivered" in l]
    assert all('tls="in clear: ' in l for l in delivered), delivered
    assert broken.connections == 2, "over a new connection to the same server"


def test_SP31_after_STARTTLS_all_is_said_anew(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    server = ScriptedServer(t, tls=papers.good.server_context())
    put(gateway, "relay", [server], encryption="starttls_required", ca=papers.ca.pem)
    gateway.wait_rules("x@relay.test")
    send(gateway, "x@relay.test")
    suite.wait_for("it arrives", lambda: server.messages)
    (line,) = [l for l in gateway.log_text().splitlines() if "msg=delivered" in l]
    assert 'tls="TLSv1.3 TLS_' in line and ', verified"' in line, line
    (row,) = gateway.ctl_json("pool", "relay")["servers"]
    assert (row["secured"], row["resumed"], row["downgraded"]) == (1, 0, 0), row
    verbs = [c.split()[0] for c in server.commands]
    assert verbs[:4] == ["EHLO", "STARTTLS", "EHLO", "MAIL"], server.commands


# Reply to STARTTLS -> what becomes of it with starttls_optional and with starttls_required.
REFUSALS = {
    "454": ("454 4.7.0 TLS not available", CLEAR, "454 4.7.0 TLS not available"),
    "502": ("502 5.5.1 not today", CLEAR, "502 5.5.1 not today"),
    "250": ("250 2.0.0 what", CLEAR, "250 2.0.0 what"),
    "421": ("421 4.3.2 closing", "421 4.3.2 closing", "421 4.3.2 closing"),
    "dropped": (DROP, "closed the connection", "closed the connection"),
    "no reply": (HANG, "timed out", "timed out"),
    "injected": ("220 2.0.0 go ahead\r\n250 2.0.0 injected", "an attack", "an attack"),
}


def test_SP31_what_a_server_may_answer_to_STARTTLS(t):
    papers, cells = Papers(t), {}
    gateway = Gateway(t, workers=2)
    for i, (what, (reply, *wanted)) in enumerate(REFUSALS.items()):
        for wish, want in zip(("starttls_optional", "starttls_required"), wanted):
            name = f"r{i}-{wish[9:]}"
            server = ScriptedServer(t, tls=papers.good.server_context(),
                                    replies={"STARTTLS": reply})
            put(gateway, name, [server], encryption=wish, ca=papers.ca.pem,
                timeouts={"command": 1, "handshake": 1})
            cells[name] = (what, want, server)
    gateway.wait_rules(f"x@{list(cells)[-1]}.test")
    for name in cells:
        send(gateway, f"x@{name}.test")
    for name, (what, want, server) in cells.items():
        if want == CLEAR:
            suite.wait_for(f"{what}, {name}: it goes in clear", lambda: server.messages)
            assert server.messages[0].tls is None
        else:
            suite.wait_for(f"{what}, {name}: deferred", lambda: want in log_of(gateway, name))
            assert not server.messages, name
    return f"{len(cells)} cells"


def test_SP07_the_digital_id_is_shown_to_whoever_asks_for_it(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1, tls={"certificate": papers.client.certificate,
                                         "key": papers.client.key})
    server = ScriptedServer(t, tls=papers.good.server_context(client_ca=papers.ca), smtps=True)
    put(gateway, "relay", [uri(server, True)], ca=papers.ca.pem, client_certificate=True)
    gateway.wait_rules("x@relay.test")
    send(gateway, "x@relay.test")
    suite.wait_for("it arrives", lambda: server.messages)
    assert ("DNS", "gateway.test") in server.messages[0].client["subjectAltName"]


def test_SP32_without_verification_it_goes_to_whoever_it_is(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    server = ScriptedServer(t, tls=papers.context("bad CA"), smtps=True)
    put(gateway, "relay", [uri(server, True)], verify_certificate=False)
    gateway.wait_rules("x@relay.test")
    send(gateway, "x@relay.test")
    suite.wait_for("it arrives", lambda: server.messages)
    assert server.messages[0].tls == "TLSv1.3"


def test_SP42_pooled_connections_keep_their_TLS_and_fresh_ones_resume_it(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    pooled = ScriptedServer(t, tls=papers.good.server_context())
    single = ScriptedServer(t, tls=papers.good.server_context())
    for name, server, pool in (("pooled", pooled, True), ("single", single, False)):
        put(gateway, name, [server], encryption="starttls_required", ca=papers.ca.pem,
            pool={"enabled": pool})
    gateway.wait_rules("x@single.test")
    for n in range(10):
        for name, server in (("pooled", pooled), ("single", single)):
            send(gateway, f"x@{name}.test")
            suite.wait_for(f"message {n}", lambda: len(server.messages) == n + 1)
    assert all(m.tls for m in pooled.messages + single.messages)
    assert (pooled.handshakes, single.handshakes) == (1, 10)
    assert single.resumed == 9, single.resumed
    return f"10 messages each: 1 handshake with the pool, 10 without, {single.resumed} resumed"


if __name__ == "__main__":
    suite.run(globals())

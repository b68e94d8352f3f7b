#!/usr/bin/python3
"""SP33, SP34: where a password is sent, by which mechanism, and what becomes of it otherwise."""
import base64
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.secured import Papers, log_of, put, send, uri
from peer.servers import Login, ScriptedServer

WISHES = ("none", "starttls_optional", "starttls_required", "smtps")
NAME, PASSWORD = "gateway", "tell-nobody-of-it"
LOGINS = ("right", "wrong", "not offered", "only in TLS")

# (encryption, certificate verified?, verify_certificate, what the server has) -> in, or why not.
IN = "in"


def login_expected(wish, is_good, verify, offer):
    is_clear = wish == "none"
    if not is_clear and verify and not is_good:
        return ("the password is not sent to a server whose" if wish == "starttls_optional"
                else "unable to get local issuer certificate")
    if offer == "not offered":
        return "AUTH is not offered"
    if offer == "only in TLS" and is_clear:
        return "AUTH is not offered"
    return "535 5.7.8" if offer == "wrong" else IN


def test_SP33_SP34_the_password_goes_only_where_it_may(t):
    papers, cells = Papers(t), {}
    gateway = Gateway(t, workers=2, health={"failures": 3})
    for wish in WISHES:
        for offer in LOGINS:
            for is_good in (True, False):
                for verify in (True, False):
                    name = f"p{len(cells)}"
                    login = None if offer == "not offered" else Login(
                        NAME, "another" if offer == "wrong" else PASSWORD,
                        only_in_tls=offer == "only in TLS")
                    server = ScriptedServer(t, smtps=wish == "smtps", login=login,
                                            tls=papers.context("good" if is_good else "bad CA"))
                    put(gateway, name, [uri(server, wish == "smtps")], ca=papers.ca.pem,
                        username=NAME, password=PASSWORD, verify_certificate=verify,
                        **({} if wish == "smtps" else {"encryption": wish}))
                    cells[name] = (wish, is_good, verify, offer, server)
    gateway.wait_rules(f"x@{list(cells)[-1]}.test")
    for name in cells:
        send(gateway, f"x@{name}.test")
    for name, (*cell, server) in cells.items():
        want = login_expected(*cell)
        if want == IN:
            suite.wait_for(f"{cell} is delivered", lambda: server.messages)
            assert server.login.used, cell
        else:
            suite.wait_for(f"{cell}: {want}", lambda: want in log_of(gateway, name))
            assert not server.messages, cell
            if not want.startswith("535"):
                assert not any(c.startswith("AUTH") for c in server.commands), cell
    everything = gateway.log_text() + t.path("posternd.stderr.log").read_text()
    for secret in (PASSWORD, base64.b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()):
        assert secret not in everything
    return f"{len(cells)} cells"


def test_SP33_nothing_is_downgraded_with_a_password(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    login = Login(NAME, PASSWORD)
    server = ScriptedServer(t, tls=papers.good.server_context(), login=login,
                            replies={"STARTTLS": "454 4.7.0 not now"})
    put(gateway, "relay", [server], encryption="starttls_optional", username=NAME,
        password=PASSWORD)
    gateway.wait_rules("x@relay.test")
    send(gateway, "x@relay.test")
    suite.wait_for("deferred", lambda: "the password is not sent in clear" in
                   log_of(gateway, "relay"))
    assert not login.used and not server.messages
    assert not any(c.startswith("AUTH") for c in server.commands), server.commands


def test_SP34_the_strongest_first_and_the_next_only_where_it_is_not_done(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    rows = {"strongest": ({}, ["CRAM-MD5"]), "broken": ({"broken": ("CRAM-MD5",)}, ["PLAIN"]),
            "old": ({"broken": ("CRAM-MD5", "PLAIN")}, ["LOGIN"]),
            "none": ({"broken": ("CRAM-MD5", "PLAIN", "LOGIN")}, [])}
    servers = {}
    for name, (options, _) in rows.items():
        servers[name] = ScriptedServer(t, tls=papers.good.server_context(), smtps=True,
                                       login=Login(NAME, PASSWORD, **options))
        put(gateway, name, [uri(servers[name], True)], ca=papers.ca.pem, username=NAME,
            password=PASSWORD)
    gateway.wait_rules("x@none.test")
    for name, (_, used) in rows.items():
        send(gateway, f"x@{name}.test")
        suite.wait_for(name, lambda: servers[name].messages or
                       "504 5.5.4" in log_of(gateway, name))
        assert servers[name].login.used == used, (name, servers[name].login.used)


def test_SP23_a_refused_password_is_not_tried_again_until_it_is_changed(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=2)
    login = Login(NAME, "another")
    server = ScriptedServer(t, tls=papers.good.server_context(), login=login)
    put(gateway, "relay", [server], encryption="starttls_required", ca=papers.ca.pem,
        username=NAME, password=PASSWORD)
    gateway.wait_rules("x@relay.test")
    for _ in range(20):
        send(gateway, "x@relay.test")
    suite.wait_for("the server is known to refuse it", lambda: any(
        s["state"] == "login refused" for s in gateway.ctl_json("server", "list")["servers"]))
    tries = sum(c.startswith("AUTH") for c in server.commands)
    assert tries <= 5, f"an account may be locked: {tries} tries"
    login.password = PASSWORD
    put(gateway, "relay", [server], encryption="starttls_required", ca=papers.ca.pem,
        username=NAME, password=PASSWORD)
    suite.wait_for("all arrive", lambda: len(server.messages) == 20)
    suite.wait_for("the log has how", lambda: "login by CRAM-MD5" in gateway.log_text())
    return f"{tries} tries for 20 messages"


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""SP34: logging in with OAuth tokens: fetched, shared by the workers, renewed, refused, not had."""
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.secured import Papers, log_of, put, send
from peer.servers import Login, ScriptedServer, smtp_source
from peer.token_server import TokenServer

USER, CLIENT, SECRET = "mailer@example.test", "gateway-client", "client+secret/&nobody"
REFRESH = "refresh=token&nobody"


def oauth(server, **more):
    return {"grant": "client_credentials", "client_id": CLIENT, "client_secret": SECRET,
            "token_url": server.url, "scope": "https://mail.test/.default", "user": USER, **more}


class Scene:
    def __init__(self, t, workers=2, lives=3600, answer=None, tokens=None, **properties):
        self.t, self.papers = t, Papers(t)
        self.tokens = tokens or TokenServer(t, self.papers.good.server_context(), lives, answer)
        self.login = Login(USER, self.tokens.tokens, mechanisms=("PLAIN", "XOAUTH2"))
        self.relay = ScriptedServer(t, tls=self.papers.good.server_context(), login=self.login)
        self.gateway = Gateway(t, workers=workers, health={"failures": 100})
        self.save(**properties)
        self.gateway.wait_rules("x@relay.test")

    def save(self, **properties):
        put(self.gateway, "relay", [self.relay],
            **{"encryption": "starttls_required", "ca": self.papers.ca.pem,
               "oauth": oauth(self.tokens), "pool": {"enabled": False}, **properties})

    def send(self, count=1):
        for _ in range(count):
            send(self.gateway, "x@relay.test")

    def wait_taken(self, count):
        suite.wait_for(f"{count} messages", lambda: len(self.relay.messages) == count, 30)

    def wait_said(self, words):
        suite.wait_for(words, lambda: words in log_of(self.gateway, "relay"), 30)

    def check_secrets(self):
        everything = self.gateway.log_text() + self.gateway.ctl("profile", "show", "relay") + \
            self.t.path("posternd.stderr.log").read_text()
        for secret in (SECRET, REFRESH, *self.tokens.tokens):
            assert secret not in everything, secret


def test_SP34_all_workers_log_in_with_one_token(t):
    scene = Scene(t, workers=4)
    smtp_source(scene.gateway.port, 60, sessions=20, recipient="x@relay.test")
    scene.wait_taken(60)
    assert len(scene.tokens.forms) == 1, scene.tokens.forms
    assert scene.tokens.forms[0] == {"grant_type": "client_credentials", "client_id": CLIENT,
                                     "client_secret": SECRET,
                                     "scope": "https://mail.test/.default"}
    assert set(scene.login.used) == {"XOAUTH2"} and len(scene.login.used) == 60
    assert "login by XOAUTH2" in log_of(scene.gateway, "relay")
    scene.check_secrets()
    return f"{len(scene.login.used)} logins with 1 token"


def test_SP34_a_refresh_token_is_another_grant(t):
    scene = Scene(t)
    scene.save(oauth=oauth(scene.tokens, grant="refresh_token", refresh_token=REFRESH))
    scene.send()
    scene.wait_taken(1)
    assert scene.tokens.forms[-1]["refresh_token"] == REFRESH
    assert scene.tokens.forms[-1]["grant_type"] == "refresh_token"
    scene.check_secrets()


def test_SP34_a_token_is_renewed_before_it_ends(t):
    """It lives for 5 s, and is asked for anew from the fourth on: nobody ever waits for one."""
    scene = Scene(t, workers=1, lives=5)
    scene.send()
    scene.wait_taken(1)
    count = 1
    end = time.monotonic() + 12
    while time.monotonic() < end:
        scene.send()
        count += 1
        scene.wait_taken(count)
    fetched = len(scene.tokens.forms)
    assert 3 <= fetched <= 5, fetched
    assert log_of(scene.gateway, "relay").count("msg=delivered") == count
    return f"{fetched} tokens for {count} messages in 12 s"


def test_SP34_a_token_that_was_withdrawn_is_replaced_within_the_session(t):
    scene = Scene(t, workers=1)
    scene.send()
    scene.wait_taken(1)
    old = time.monotonic() + 5.2
    suite.wait_for("the token is no longer new", lambda: time.monotonic() > old)
    scene.tokens.tokens.clear() # withdrawn
    scene.tokens.count = 100
    scene.send()
    scene.wait_taken(2)
    assert len(scene.tokens.forms) == 2
    assert "535" not in log_of(scene.gateway, "relay"), "nobody hears of it"
    scene.tokens.tokens.clear() # one so young is not doubted: the server does not want us
    scene.send()
    scene.wait_said("535 5.7.8 no such token")
    assert len(scene.tokens.forms) == 2


def test_SP34_without_a_token_the_mail_waits_and_the_reason_is_told(t):
    def refuse(server, form):
        return 401, {"error": "invalid_client",
                     "error_description": f"no client\r\nknows {form['client_secret'][:3]}"}
    scene = Scene(t, answer=refuse)
    scene.send(3)
    scene.wait_said("the token server answered 401: invalid_client: no client  knows")
    assert not scene.relay.messages
    assert len(scene.tokens.forms) == 1, "a server that refuses is left alone for a while"
    assert not any(c.startswith("AUTH") for c in scene.relay.commands)
    scene.tokens.answer = None
    scene.save(oauth=oauth(scene.tokens, scope="another")) # a new version has its own
    for row in scene.gateway.queue():
        scene.gateway.ctl("queue", "retry", row["id"])
    scene.wait_taken(3)
    scene.check_secrets()


ODD = {
    "nothing": (200, {}, "answered 200 without an access_token"),
    "not JSON": (200, "<html>", "answered 200 without an access_token"),
    "a token with a line end": (200, {"access_token": "a\r\nb"}, "is no token"),
    "an empty token": (200, {"access_token": ""}, "is no token"),
    "a token of 9 KB": (200, {"access_token": "x" * 9000}, "is no token"),
    "elsewhere": (302, {}, "the token server answered 302"),
    "not now": (503, "later", "the token server answered 503"),
    "our secret": (400, {"error": SECRET}, "the token server answered 400"),
}


def test_SP34_odd_answers_are_told_in_words(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1, health={"failures": 100})
    relay = ScriptedServer(t, tls=papers.good.server_context(), login=Login(USER, set(),
                           mechanisms=("XOAUTH2",)))
    for number, (status, body, _) in enumerate(ODD.values()):
        server = TokenServer(t, papers.good.server_context(),
                             answer=lambda s, f, said=(status, body): said)
        put(gateway, f"p{number}", [relay], encryption="starttls_required", ca=papers.ca.pem,
            oauth=oauth(server))
    gateway.wait_rules(f"x@p{len(ODD) - 1}.test")
    for number, (_, _, words) in enumerate(ODD.values()):
        send(gateway, f"x@p{number}.test")
        suite.wait_for(words, lambda: words in log_of(gateway, f"p{number}"), 30)
    assert SECRET not in gateway.log_text()
    return f"{len(ODD)} answers"


def test_SP34_the_token_server_must_prove_itself(t):
    papers = Papers(t)
    for name, words in (("bad CA", "unable to get local issuer certificate"),
                        ("wrong name", "certificate is for"), ("expired", "has expired")):
        with suite.Scratch("postern-oauth") as scratch:
            server = TokenServer(scratch, papers.servers[name].server_context())
            scene = Scene(scratch, tokens=server, ca=papers.ca.pem, encryption="none")
            scene.send()
            scene.wait_said(words)
            assert not server.forms, "the secret has not left"
            scene.gateway.stop()


def test_SP07_SP34_the_digital_id_is_shown_to_a_token_server_that_asks(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1, health={"failures": 100},
                      tls={"certificate": papers.client.certificate, "key": papers.client.key})
    server = TokenServer(t, papers.context("client certificate demanded"))
    login = Login(USER, server.tokens, mechanisms=("XOAUTH2",))
    relay = ScriptedServer(t, tls=papers.good.server_context(), login=login)
    for name, shows in (("shown", True), ("hidden", False)):
        put(gateway, name, [relay], encryption="starttls_required", ca=papers.ca.pem,
            oauth=oauth(server), client_certificate=shows)
    gateway.wait_rules("x@hidden.test")
    send(gateway, "x@shown.test")
    suite.wait_for("delivered", lambda: relay.messages)
    send(gateway, "x@hidden.test")
    suite.wait_for("refused", lambda: "the token server: " in log_of(gateway, "hidden"))
    assert len(server.forms) == 1
    return log_of(gateway, "hidden").partition("the token server: ")[2].split('"')[0]


def test_SP34_SP51_a_test_fetches_a_token_of_its_own(t):
    scene = Scene(t, workers=1)
    scene.send()
    scene.wait_taken(1)
    before = len(scene.tokens.forms)
    steps = scene.gateway.ctl("profile", "test", "relay")
    assert "XOAUTH2: 2.7.0 in" in steps, steps
    assert len(scene.tokens.forms) == before + 1
    scene.tokens.answer = lambda s, f: (400, {"error": "invalid_scope"})
    steps = scene.gateway.run_ctl("profile", "test", "relay").stdout
    assert "400: invalid_scope; check `oauth`" in steps, steps
    scene.check_secrets()


def test_SP34_a_worker_that_dies_while_it_fetches_is_replaced(t):
    held = []

    def hold(server, form):
        if not held:
            held.append(form)
            time.sleep(5) # the first is never needed
        return None
    scene = Scene(t, workers=2, answer=hold)
    scene.send()
    suite.wait_for("the token server is asked", lambda: held)
    owner = [w for w in scene.gateway.worker_rows() if w["jobs"]][0]
    os.kill(owner["pid"], signal.SIGKILL)
    scene.wait_taken(1)
    assert len(scene.tokens.forms) >= 2


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""SP51: what the connection test says of servers that are not as the profile says, one by one and
64 of them side by side."""
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.engine import Context
from peer.gateway import Gateway
from peer.net import sockets
from peer.secured import Papers, put, uri
from peer.servers import DROP, HANG, Login, ScriptedServer
from peer.tls_peer import TlsPeer

NAME, PASSWORD = "gateway", "tell-nobody-of-it"


class Misfit:
    """What is set, what is there, and what the connection test says at which step."""

    def __init__(self, step, words, offer="good", wish="starttls_required", there="starttls",
                 ca=True, replies=None, login=None, more=None):
        """`login`: what the server knows; the profile then has a name and a password."""
        self.step, self.words, self.offer, self.wish = step, words, offer, wish
        self.there, self.ca, self.replies = there, ca, replies
        self.login, self.more = login, dict(more or {})
        if login is not None:
            self.more.update(username=NAME, password=PASSWORD)


MISFITS = {
    "clear port as smtps": Misfit("tls", "write smtp://", wish="smtps", there="clear"),
    "smtps port as smtp": Misfit("greeting", "write smtps://", there="smtps"),
    "no STARTTLS": Misfit("starttls", "set `encryption`", there="clear"),
    "CA not given": Misfit("certificate", "paste the certificate of the CA", ca=False),
    "another CA": Misfit("certificate", "paste the certificate of the CA", offer="bad CA"),
    "self-signed": Misfit("certificate", "paste it, or its CA, into `ca`", offer="self-signed"),
    "wrong name": Misfit("certificate", "for other.test, not for 127.0.0.1", offer="wrong name"),
    "expired": Misfit("certificate", "renew", offer="expired"),
    "expired, smtps": Misfit("certificate", "renew", offer="expired", wish="smtps", there="smtps"),
    "no client certificate": Misfit("starttls", "client_certificate",
                                    offer="client certificate demanded"),
    "no client certificate, smtps": Misfit("tls", "client_certificate", wish="smtps",
                                           offer="client certificate demanded", there="smtps"),
    "refused now": Misfit("starttls", "refuses TLS now",
                          replies={"STARTTLS": "454 4.7.0 not available"}),
    "injected": Misfit("starttls", "does not come from the server alone",
                       replies={"STARTTLS": "220 go\r\n250 injected"}),
    "dropped": Misfit("starttls", "closed the connection", replies={"STARTTLS": DROP}),
    "wrong password": Misfit("auth", "check `username` and `password`",
                             login=Login(NAME, "another")),
    "no AUTH": Misfit("auth", "remove `username` and `password`", login=Login(NAME, PASSWORD, ()),
                      replies={"EHLO": "250-sink.test\r\n250 STARTTLS"}),
    "AUTH only in TLS": Misfit("auth", "set `encryption` to starttls_required", wish="none",
                               login=Login(NAME, PASSWORD, only_in_tls=True)),
    "AUTH in clear after all": Misfit("auth", "set `encryption` to starttls_required",
                                      wish="starttls_optional", there="clear",
                                      login=Login(NAME, PASSWORD)),
    "AUTH to anyone": Misfit("auth", "paste its CA into `ca`", wish="starttls_optional",
                             offer="bad CA", login=Login(NAME, PASSWORD)),
    "no mechanism of ours": Misfit("auth", "have its administrator allow it",
                                   login=Login(NAME, PASSWORD, ("GSSAPI", "NTLM"))),
    "AUTH not now": Misfit("auth", "try again, or ask its administrator",
                           login=Login(NAME, PASSWORD), replies={"AUTH": "454 4.7.0 not now"}),
    "greeting 554": Misfit("greeting", "let its administrator allow our address",
                           replies={"CONNECT": "554 5.7.1 not you"}),
    "greeting 421": Misfit("greeting", "try again, or ask its administrator",
                           replies={"CONNECT": "421 4.3.2 busy"}),
    "no greeting": Misfit("greeting", "sent no greeting", replies={"CONNECT": HANG}),
    "not SMTP": Misfit("greeting", "no SMTP server",
                       replies={"CONNECT": "HTTP/1.1 400 Bad Request"}),
    "our name refused": Misfit("ehlo", "set `ehlo_name`",
                               replies={"EHLO": "550 5.7.1 no", "HELO": "550 5.7.1 no"}),
    "nobody there": Misfit("connect", "does the server listen on this port?", there="nowhere"),
}


def misfit_server(t, papers, misfit, login):
    tls = papers.context(misfit.offer) if misfit.there != "clear" else None
    server = ScriptedServer(t, tls=tls, smtps=misfit.there == "smtps", replies=misfit.replies,
                            login=login)
    if misfit.there == "nowhere":
        server.stop()
    return server


def test_SP51_the_connection_test_names_the_step_and_what_to_do(t):
    papers = Papers(t)
    papers.servers["self-signed"] = papers.ca.issue("lonely", ["IP:127.0.0.1"],
                                                    is_self_signed=True)
    gateway = Gateway(t, workers=1)
    file = t.path("profile.json")
    for what, misfit in MISFITS.items():
        server = misfit_server(t, papers, misfit, misfit.login)
        profile = {"name": what, "type": "smtp", "servers": [uri(server, misfit.wish == "smtps")],
                   "timeouts": {"greeting": 1, "handshake": 2}, **misfit.more}
        if misfit.wish != "smtps":
            profile["encryption"] = misfit.wish
        if misfit.ca:
            profile["ca"] = papers.ca.pem
        file.write_text(json.dumps(profile))
        done = gateway.run_ctl("--json", "profile", "test", file)
        assert done.returncode == 1, (what, done.stdout)
        step = failed_step(json.loads(done.stdout))
        assert step["step"] == misfit.step and misfit.words in step["text"], (what, step)
        assert not any(c.startswith(("MAIL", "RCPT")) for c in server.commands), what
        assert PASSWORD not in done.stdout + done.stderr
    return f"{len(MISFITS)} misconfigurations"


def failed_step(answer):
    failed = [s for server in answer["test"]["servers"] for s in server["steps"]
              if s["result"] == "failed"]
    assert len(failed) == 1, answer
    return failed[0]


def test_SP51_the_connection_test_shows_version_cipher_and_certificate(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    server = ScriptedServer(t, tls=papers.good.server_context())
    smtps = ScriptedServer(t, tls=papers.good.server_context(), smtps=True)
    file = t.path("profile.json")
    file.write_text(json.dumps({"name": "x", "type": "smtp", "ca": papers.ca.pem,
                                "encryption": "starttls_required",
                                "servers": [uri(server), uri(smtps, True)]}))
    answer = gateway.ctl_json("profile", "test", file)
    ladders = [[s["step"] for s in one["steps"]] for one in answer["test"]["servers"]]
    assert ladders == [["resolve", "connect", "greeting", "ehlo", "starttls", "certificate",
                        "ehlo", "quit"],
                       ["resolve", "connect", "tls", "certificate", "greeting", "ehlo",
                        "quit"]], ladders
    texts = {s["step"]: s["text"] for s in answer["test"]["servers"][0]["steps"]}
    assert "TLSv1.3, TLS_" in texts["starttls"], texts
    assert texts["certificate"].startswith("verified, for 127.0.0.1, ends 20"), texts


def test_SP51_a_test_says_what_has_changed_since_the_last(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    server = ScriptedServer(t, tls=papers.good.server_context())
    put(gateway, "relay", [server], ca=papers.ca.pem, encryption="starttls_required")
    first = gateway.ctl_json("profile", "test", "relay")["test"]["servers"][0]
    again = gateway.ctl_json("profile", "test", "relay")["test"]["servers"][0]
    assert again["last"]["passed"] and again["changes"] == [], (first, again)
    server.replies["EHLO"] = "250-sink.test\r\n250-STARTTLS\r\n250 SIZE 17"
    text = gateway.ctl("profile", "test", "relay")
    assert text.count(f"at {again['last']['time'][:10]}") == 2 and "it was ok: offers" in text, text
    server.stop()
    text = gateway.run_ctl("profile", "test", "relay").stdout
    assert "connect      failed" in text and "it was ok: 127.0.0.1" in text, text


# ---- 64 servers side by side ----

SERVERS = 64
LIMIT_S = 10 # for each, and so for all
LATE = "not through within 10 s"

# Faults of a TlsPeer -> whether at smtps, the step that fails (None: none does), what is said.
TLS_FAULTS = {
    "hello: stall": (True, "tls", LATE),
    "hello: close": (True, "tls", "closed during the handshake"),
    "hello: alert": (True, "tls", "handshake failure"),
    "flight: stall": (True, "tls", LATE),
    "flight: reset": (True, "tls", "reset"),
    "flight: torn, stall": (True, "tls", LATE),
    "flight: slow": (True, "tls", LATE),
    "flight: garbage, stall": (True, "tls", ""),
    "flight: clear, stall": (True, "tls", "write smtp://"),
    "flight: forged, stall": (True, "tls", ""),
    "finished: stall": (True, "greeting", LATE),
    "CONNECT: stall": (True, "greeting", LATE),
    "CONNECT: half, close": (True, "greeting", "closed"),
    "CONNECT: forged, stall": (True, "tls", "bad record mac"),
    "220: inject": (False, "starttls", "does not come from the server alone"),
    "flight: usual, reset": (False, "starttls", "client_certificate"),
    "flight: half, stall": (False, "starttls", LATE),
    "finished: close": (False, "starttls", "client_certificate"),
    "EHLO: stall": (False, "ehlo", LATE),
    "EHLO: close": (False, "starttls", "client_certificate"),
    "EHLO: half, close": (False, "ehlo", "closed"),
    "EHLO: usual, close": (False, "auth", ""),
    "AUTH: stall": (False, "auth", LATE),
    "AUTH: goodbye, close": (False, "auth", ""),
    "QUIT: stall": (False, None, ""),
    "QUIT: reset": (True, None, ""),
    "MAIL: flood": (False, None, ""),
}


class Entry:
    """A server of the profile: what is said about it at which step, and what it has heard."""

    def __init__(self, what, server, is_smtps, step, words, heard):
        self.what, self.uri = what, uri(server, is_smtps)
        self.step, self.words, self.heard = step, words, heard


def misfit_entry(t, papers, what, misfit):
    """As in a profile that asks for TLS and has a name and a password."""
    login = misfit.login or Login(NAME, PASSWORD)
    server = misfit_server(t, papers, misfit, login)
    words = LATE if misfit.replies == {"CONNECT": HANG} else misfit.words
    return Entry(what, server, misfit.wish == "smtps", misfit.step, words, lambda: server.commands)


def tls_entry(t, what, context, is_smtps, step, words, fault=""):
    peer = TlsPeer(t, context, fault, smtps=is_smtps)
    return Entry(what, peer, is_smtps, step, words, lambda: peer.in_clear + peer.in_tls)


def make_entries(t, papers):
    entries = [misfit_entry(t, papers, what, misfit) for what, misfit in MISFITS.items()
               if misfit.wish in ("starttls_required", "smtps") and misfit.ca]
    context = Context(papers.good)
    entries += [tls_entry(t, what, context, *rest, fault=what)
                for what, rest in TLS_FAULTS.items()]
    entries.append(tls_entry(t, "chain of 10000", Context(papers.good, papers.chain(10000)), True,
                             "tls", "excessive message size"))
    entries.append(tls_entry(t, "TLS 1.1", Context(papers.good, version="1.1"), True, "tls", ""))
    assert len(entries) <= SERVERS - 8, len(entries)
    while len(entries) < SERVERS:
        entries.append(tls_entry(t, "well", context, len(entries) % 2 == 0, None, ""))
    return entries


def fault_of(entry, answer):
    """What is not as it should be, None if all is."""
    steps = answer["steps"]
    failed = [s for s in steps if s["result"] == "failed"]
    if entry.step is None:
        is_right = not failed and steps[-1]["step"] == "quit"
    else:
        is_right = (failed == steps[-1:] and failed[0]["step"] == entry.step
                    and entry.words in failed[0]["text"])
    is_right &= steps[0]["step"] == "resolve"
    is_right &= sum(s["ms"] for s in steps) < (LIMIT_S + 1) * 1000
    is_right &= not any(c.startswith(("MAIL", "RCPT", "DATA")) for c in entry.heard())
    return None if is_right else f"{entry.what}: {steps}, {entry.heard()}"


def test_SP51_64_servers_at_once_each_with_its_own_answer(t):
    papers = Papers(t)
    papers.servers["self-signed"] = papers.ca.issue("lonely", ["IP:127.0.0.1"],
                                                    is_self_signed=True)
    entries = make_entries(t, papers)
    gateway = Gateway(t, workers=1)
    gateway.put_profile("many", [e.uri for e in entries], encryption="starttls_required",
                        ca=papers.ca.pem, username=NAME, password=PASSWORD)
    worker, = gateway.worker_pids()
    before, began = sockets(worker), time.monotonic()
    done = gateway.run_ctl("--json", "profile", "test", "many")
    took = time.monotonic() - began
    assert done.returncode == 1, done
    answers = json.loads(done.stdout)["test"]["servers"]
    assert [a["server"] for a in answers] == [e.uri for e in entries]
    wrong = [text for entry, answer in zip(entries, answers) if (text := fault_of(entry, answer))]
    assert not wrong, "\n".join(wrong)
    assert LIMIT_S - 1 < took < LIMIT_S + 2, took
    assert PASSWORD not in done.stdout + done.stderr + gateway.log_text()
    suite.wait_for("no lease", lambda: not any(r["leases"] for r in gateway.rows("pool")))
    suite.wait_for("no socket", lambda: sockets(worker) <= before)
    assert gateway.worker_pids() == [worker]
    well = sum(e.step is None for e in entries)
    return f"{SERVERS} servers, {well} of them well, {took:.1f} s"


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""SP51: what the connection test says of a Core or Vault that is not as the profile says."""
import concurrent.futures
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.core_server import CoreServer
from peer.gateway import Gateway
from peer.secured import Papers
from peer.vault_server import KEY, VaultServer
from peer.web_faults import Cut, Garbage, Hang, Reset, Status, nginx_page

ALIEN = "a-key-that-nobody-has-given-out"
LIMIT_S, AT_ONCE = 10, 8


class Misfit:
    """What is there, what the profile says of it, and what the connection test says at which step."""

    def __init__(self, kind, step, words, offer=None, faults=(), keys=(KEY,), url=None, **profile):
        """`offer`: what it shows in TLS, None: it speaks in clear; `faults`: by call; `url` of its own:
        what is written instead; `profile`: its properties."""
        self.kind, self.step, self.words, self.offer = kind, step, words, offer
        self.faults, self.keys, self.url = dict(faults), keys, url or (lambda own: own)
        self.profile = {"api_key": KEY, **profile}


def vault(*arguments, **more):
    return Misfit("vault", *arguments, **more)


def core(*arguments, **more):
    return Misfit("core", *arguments, **more)


def in_tls(url):
    return url.replace("http://", "https://")


def in_clear(url):
    return url.replace("https://", "http://")


MISFITS = {
    "wrong key": vault("request", "make one in the Vault's settings", keys=[ALIEN]),
    "wrong key, core": core("request", "it answered 403: Access denied; the key is wrong", keys=[ALIEN]),
    "no key": core("request", "set `api_key`", api_key=None),
    "wrong path": vault("request", "it answered 404; is it a Vault, and is the path right?",
                        url=lambda own: own.replace("/vault_rest", "/vault")),
    "a web site": vault("request", "with a page for people, but not as a MetaDefender Vault does",
                        faults={"version": Status(200, nginx_page(200, "Welcome"))}),
    "TLS to a clear port": vault("tls", "if this port does not speak TLS, write http://",
                                 url=in_tls),
    "clear to a TLS port": vault("request", "if this port speaks TLS, write https://", "good",
                                 url=in_clear),
    "clear to a TLS port of nginx": core(
        "request", "this port speaks TLS: write https://",
        faults={"version": Status(400, nginx_page(
            400, "The plain HTTP request was sent to HTTPS port"))}),
    "CA not given": vault("certificate", "paste the certificate of the CA", "good", ca=None),
    "wrong name": core("certificate", "for other.test, not for 127.0.0.1", "wrong name"),
    "another CA": core("certificate", "paste the certificate of the CA", "bad CA"),
    "expired": vault("certificate", "renew", "expired"),
    "client certificate": vault("request", "`client_certificate`", "client certificate demanded"),
    "not ready": core("request", "GET /readyz: it answered 503; it is there and takes nothing now",
                      faults={"readyz": Status(503)}),
    "readyz in trouble": core("request", "GET /readyz: it answered 500",
                              faults={"readyz": Status(500, b'{"err":"unexpected"}')}),
    "busy": core("request", "it answered 503: Server is too busy. Try again later.; it is there",
                 faults={"version": Status(503, b'{"err":"Server is too busy. Try again later."}')}),
    "in trouble": vault("request", "it answered 500; it is in trouble itself",
                        faults={"version": Status(500, nginx_page(500))}),
    "nginx without its Vault": vault("request", "it answered 502; it is in trouble itself",
                                     faults={"version": Status(502, nginx_page(502))}),
    "redirect": vault("request", "it answered 301; it sends us elsewhere",
                      faults={"version": Status(301, nginx_page(301))}),
    "no JSON": core("request", "not as a MetaDefender Core does",
                    faults={"version": Status(200, b"5.11.0 of today")}),
    "no object": core("request", "not as a MetaDefender Core does",
                      faults={"version": Status(200, b"[]")}),
    "no HTTP": vault("request", "what came is not HTTP", faults={"version": Garbage()}),
    "reset": vault("request", "the connection was lost", "good", faults={"version": Reset()}),
    "cut": core("request", "closed before an answer", faults={"version": Cut()}),
    "cut in the middle": core("request", "in the middle of the answer",
                              faults={"version": Cut("middle")}),
    "silent": core("request", "not through within 10 s; it does not answer",
                   faults={"version": Hang()}),
    "silent when ready": core("request", "not through within 10 s", faults={"readyz": Hang()}),
    "a Core": vault("request", "it answered 404; is it a Vault", url=lambda own: own + "/vault_rest"),
    "a Vault": core("request", "it answered 404; is it a Core?",
                    url=lambda own: own.replace("/vault_rest", "")),
    "nobody": vault("connect", "a Vault on 8010, or 8000 if it is old"),
}
OTHER_THAN_SAID = {"a Core": CoreServer, "a Vault": VaultServer}


def server_of(t, papers, what, misfit):
    make = OTHER_THAN_SAID.get(what, {"core": CoreServer, "vault": VaultServer}[misfit.kind])
    server = make(t, keys=misfit.keys, tls=papers.context(misfit.offer))
    for call, fault in misfit.faults.items():
        server.faults.add(call, fault, times=None)
    if what == "nobody":
        server.down()
    return server


def profile_of(papers, what, misfit, server):
    profile = {"name": what, "type": misfit.kind, "servers": [misfit.url(server.url)],
               "ca": papers.ca.pem, **misfit.profile}
    return {name: value for name, value in profile.items() if value is not None}


def run(gateway, profile):
    """(what posternctl said, the steps of the first server)."""
    file = gateway.scratch.path(f"{profile['name']}.json")
    file.write_text(json.dumps(profile))
    done = gateway.run_ctl("--json", "profile", "test", file)
    answer = json.loads(done.stdout)
    assert "test" in answer, answer
    return done, answer["test"]["servers"][0]["steps"]


def fault_of(gateway, papers, what, server):
    """What is not as it should be, None if all is."""
    misfit, began = MISFITS[what], time.monotonic()
    done, steps = run(gateway, profile_of(papers, what, misfit, server))
    failed = [s for s in steps if s["result"] == "failed"]
    is_right = (done.returncode == 1 and failed == steps[-1:] and failed[0]["step"] == misfit.step
                and misfit.words in failed[0]["text"] and KEY not in done.stdout + done.stderr
                and time.monotonic() - began < LIMIT_S + 2
                and not set(server.calls) - {"version", "readyz", "none"})
    return None if is_right else f"{what}: {steps}, {server.calls}"


def test_SP51_the_test_of_a_core_or_vault_names_the_step_and_what_to_do(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    servers = {what: server_of(t, papers, what, misfit) for what, misfit in MISFITS.items()}
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        faults = list(pool.map(lambda what: fault_of(gateway, papers, what, servers[what]), MISFITS))
    assert not any(faults), "\n".join(filter(None, faults))
    for what, server in servers.items():
        suite.wait_for(f"no connection is left: {what}", lambda: server.open == 0)
    return f"{len(MISFITS)} misconfigurations"


ASKED = ["resolve", "connect", "request"]
ASKED_IN_TLS = ["resolve", "connect", "tls", "certificate", "request"]


def expect_well(gateway, kind, server, steps, words, **more):
    profile = {"name": "x", "type": kind, "servers": [server.url], "api_key": KEY, **more}
    done, found = run(gateway, profile)
    assert done.returncode == 0 and [s["step"] for s in found] == steps, done
    assert all(s["result"] == "ok" for s in found) and words in found[-1]["text"], found
    assert not server.violations, server.violations
    suite.wait_for("no connection is left", lambda: server.open == 0)
    return {s["step"]: s["text"] for s in found}


def test_SP51_a_core_and_a_vault_that_are_well(t):
    papers = Papers(t)
    gateway = Gateway(t, workers=1, tls={"certificate": papers.client.certificate,
                                         "key": papers.client.key})
    expect_well(gateway, "vault", VaultServer(t), ASKED, "MetaDefender Vault 3.11.4")
    expect_well(gateway, "core", CoreServer(t, keys=[KEY]), ASKED,
                "MetaDefender Core MSCL 5.11.0, ready")
    old = CoreServer(t)
    old.faults.add("readyz", Status(404, nginx_page(404)), times=None)
    expect_well(gateway, "core", old, ASKED, "do not tell whether they are ready")
    good = papers.context("good")
    texts = expect_well(gateway, "vault", VaultServer(t, tls=good), ASKED_IN_TLS, "Vault",
                        ca=papers.ca.pem)
    assert "TLSv1.3, TLS_" in texts["tls"], texts
    assert texts["certificate"].startswith("verified, for 127.0.0.1, ends 20"), texts
    anyone = VaultServer(t, tls=papers.context("wrong name"))
    expect_well(gateway, "vault", anyone, ASKED_IN_TLS, "Vault", verify_certificate=False)
    careful = CoreServer(t, tls=papers.context("client certificate demanded"))
    expect_well(gateway, "core", careful, ASKED_IN_TLS, "ready", ca=papers.ca.pem,
                client_certificate=True)
    return "6 servers"


def test_SP49_the_test_of_a_stored_core_has_its_lease_and_leaves_nothing_open(t):
    gateway = Gateway(t, workers=1)
    server = CoreServer(t, keys=[KEY])
    gateway.put_profile("core", [server.url], test=True, type="core", api_key=KEY,
                        max_connections=1)
    before = server.connections
    for _ in range(5):
        answer = gateway.ctl_json("profile", "test", "core")
        assert answer["test"]["passed"], answer
    assert server.connections == before + 10, "one to look at it, and one for both requests"
    suite.wait_for("no connection is left", lambda: server.open == 0)
    suite.wait_for("no lease", lambda: not any(r["leases"] for r in gateway.rows("pool")))


if __name__ == "__main__":
    suite.run(globals())

#!/usr/bin/python3
"""SP30 to SP34 against real servers, Postfix and Exim: every way to protect a connection with every way
that a server may have it, and every way to log in."""
import pathlib
import sys
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.exim import Exim
from peer.gateway import Gateway
from peer.postfix import Postfix
from peer.secured import Papers, log_of, put, send

WISHES = ("none", "starttls_optional", "starttls_required", "smtps")
NAME, PASSWORD = "gateway", "tell-nobody-of-it"
IN = "in"

# What the server offers, when it is no certificate's name of peer.secured.
DEMANDED, SHOWN = "client certificate demanded", "client certificate demanded and shown"

# How the profile logs in -> what the server has: None, or whether only in TLS.
LOGINS = {"no AUTH": None, "right": False, "wrong": False, "not offered": None, "only in TLS": True}

CERTIFICATES = {"bad CA": "unable to get local issuer certificate",
                "wrong name": "the certificate is for other.test, not for 127.0.0.1",
                "expired": "certificate has expired"}


# What the two say each in its own way. Without the certificate that they demand, Postfix lets the
# handshake end and refuses then, with 421 in TLS; Exim breaks the handshake off.
WORDS = {Postfix: {"no certificate": "No client certificate presented", "wrong": "535 5.7.8",
                   "strongest": "SCRAM-SHA-256"},
         Exim: {"no certificate": "the TLS handshake failed: tlsv13 alert certificate required",
                "wrong": "535 Incorrect authentication data", "strongest": "CRAM-MD5"}}


def expected(kind, wish, offer, login):
    """IN, or words of the reason why not."""
    is_required = wish in ("starttls_required", "smtps")
    is_downgraded = wish == "starttls_optional" and offer == DEMANDED and kind is Exim
    if wish != "none" and offer == DEMANDED and not is_downgraded:
        return WORDS[kind]["no certificate"]
    if is_required and offer == "not offered":
        return "what came is not TLS" if wish == "smtps" else "STARTTLS is not offered"
    if is_required and offer in CERTIFICATES:
        return CERTIFICATES[offer]
    is_clear = wish == "none" or offer == "not offered" or is_downgraded
    if login != "no AUTH":
        if is_clear and wish == "starttls_optional":
            return "the password is not sent in clear"
        if offer in CERTIFICATES and not is_clear:
            return "the password is not sent to a server whose certificate does not check out"
        if login == "not offered" or is_clear and (login == "only in TLS" or
                                                   offer in (DEMANDED, SHOWN)):
            return "AUTH is not offered"
        if login == "wrong":
            return WORDS[kind]["wrong"]
    if offer in (DEMANDED, SHOWN) and is_clear:
        return "530 5.7.0" # it takes nothing in clear
    return IN


def put_cell(gateway, papers, name, server, wish, offer, login):
    is_smtps = wish == "smtps"
    port = server.tls_port if is_smtps and offer != "not offered" else server.port
    properties = {"client_certificate": offer == SHOWN}
    if not is_smtps:
        properties["encryption"] = wish
    if login != "no AUTH":
        properties.update(username=NAME, password="another" if login == "wrong" else PASSWORD)
    put(gateway, name, [f"{'smtps' if is_smtps else 'smtp'}://127.0.0.1:{port}"],
        ca=papers.ca.pem, **properties)


def round_of(t, gateway, papers, kind, offer, number):
    """All wishes and logins with one kind of server; how many there were."""
    paper = papers.servers.get(offer, papers.good)

    def start(what):
        return kind(t, paper, login=None if what is None else (NAME, PASSWORD),
                    login_only_in_tls=bool(what), offers_tls=offer != "not offered",
                    client_ca=papers.ca if offer in (DEMANDED, SHOWN) else None)
    with ThreadPoolExecutor() as pool: # that is where the time goes
        servers = dict(zip((None, False, True), pool.map(start, (None, False, True))))
    cells = {}
    for wish in WISHES:
        for login, what in LOGINS.items():
            name = f"c{number}x{len(cells)}"
            put_cell(gateway, papers, name, servers[what], wish, offer, login)
            cells[name] = (wish, offer, login)
    gateway.wait_rules(f"x@{list(cells)[-1]}.test")
    for name in cells:
        send(gateway, f"x@{name}.test")
    for name, cell in cells.items():
        want = expected(kind, *cell)
        words = "msg=delivered" if want == IN else want
        suite.wait_for(f"{cell}: {want}", lambda: words in log_of(gateway, name))
        assert want == IN or "msg=delivered" not in log_of(gateway, name), cell
    logged_in = [cell for cell in cells.values() if expected(kind, *cell) == IN and cell[2] != "no AUTH"]

    def taken_by():
        return [how for server in servers.values() for how in server.taken().values()]
    suite.wait_for("their logs are written", lambda: sum(map(bool, taken_by())) >= len(logged_in))
    taken = taken_by()
    assert sum(map(bool, taken)) == len(logged_in), (offer, taken, logged_in)
    assert all(how in ("", WORDS[kind]["strongest"]) for how in taken), taken
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda server: server.stop(), servers.values()))
    return len(cells)


def every_cell(t, kind):
    papers = Papers(t)
    gateway = Gateway(t, workers=2, tls={"certificate": papers.client.certificate,
                                         "key": papers.client.key})
    count = sum(round_of(t, gateway, papers, kind, offer, i) for i, offer in enumerate(
        ("good", "not offered", *CERTIFICATES, DEMANDED, SHOWN)))
    assert PASSWORD not in gateway.log_text()
    return f"{count} cells"


def each_mechanism(t, kind, mechanisms):
    papers = Papers(t)
    gateway = Gateway(t, workers=1)
    for mechanism in mechanisms:
        server = kind(t, papers.good, login=(NAME, PASSWORD), mechanisms=mechanism)
        name = mechanism.lower()
        put(gateway, name, [f"smtps://127.0.0.1:{server.tls_port}"], ca=papers.ca.pem,
            username=NAME, password=PASSWORD)
        gateway.wait_rules(f"x@{name}.test")
        send(gateway, f"x@{name}.test")
        suite.wait_for(f"it is taken after {mechanism}",
                       lambda: list(server.taken().values()) == [mechanism])
        server.stop()


def test_SP30_to_SP34_every_cell_against_a_real_postfix(t):
    return every_cell(t, Postfix)


def test_SP30_to_SP34_every_cell_against_a_real_exim(t):
    return every_cell(t, Exim)


def test_SP34_each_mechanism_gets_in_at_a_real_postfix(t):
    each_mechanism(t, Postfix, ("SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"))


def test_SP34_each_mechanism_gets_in_at_a_real_exim(t):
    each_mechanism(t, Exim, ("CRAM-MD5", "PLAIN", "LOGIN"))


if __name__ == "__main__":
    suite.run(globals())

"""A console that has something to show on every page: profiles of each type, rules, mail in each
state, a server that is down."""
from .chromium import Site
from .core_server import CoreServer
from .gateway import QUICK_HEALTH
from .net import Client
from .servers import ScriptedServer
from .suite import wait_for
from .vault_server import VaultServer

EVIL = b"Subject: an offer\r\n\r\nthis is EVIL\r\n"
GONE = "smtp://127.0.0.1:1"
STATES = ("deferred", "held", "failed", "quarantined")


class Furnished(Site):
    """`ids`: of one message in each of STATES."""

    def __init__(self, t, **options):
        self.relay, self.core, self.vault = ScriptedServer(t), CoreServer(t), VaultServer(t)
        super().__init__(t, health=QUICK_HEALTH, **options)
        self.core.block(b"EVIL", "Infected")
        gateway = self.gateway
        gateway.put_profile("Exchange", [self.relay, GONE], preference="round_robin", retry={"first": 600})
        gateway.put_profile("Partner", [GONE], username="gateway", password="nine lives of a lantern",
                            retry={"first": 600})
        gateway.put_profile("Scanner", [self.core.url], type="core")
        gateway.put_profile("Archive", [self.vault.url], type="vault", api_key=self.vault.key)
        gateway.put_rule("Inbound", "Exchange", core="Scanner", vault="Archive")
        gateway.put_rule("Partner mail", "Partner", ["*@partner.test"])
        gateway.put_rule("Switched off", "Exchange", ["*@off.test"], enabled=False)
        for domain in ("example", "partner"):
            gateway.wait_rules(f"to@{domain}.test")
        self.ids = {"quarantined": self.send(EVIL)}
        self.wait_state("quarantined")
        self.send(b"Subject: good\r\n\r\nnothing in it\r\n")
        wait_for("delivered", lambda: self.relay.messages, 40)
        self.relay.replies["RCPT"] = "550 5.1.1 nobody of that name"
        self.ids["failed"] = self.send(b"Subject: to nobody\r\n\r\nnothing in it\r\n")
        self.wait_state("failed")
        del self.relay.replies["RCPT"]
        for state in ("held", "deferred"):
            self.ids[state] = self.send(b"Subject: later\r\n\r\nnothing in it\r\n", "to@partner.test")
        gateway.ctl("queue", "hold", self.ids["held"])
        self.wait_state("held")
        self.wait_state("deferred")

    def send(self, content, to="to@example.test"):
        with Client(self.gateway.port) as client:
            reply = client.deliver(content, recipients=[to])
        assert reply.code == 250, reply
        return reply.text.split()[-1]

    def wait_state(self, state):
        return wait_for(f"{self.ids[state]} is {state}", lambda: next(
            (r for r in self.gateway.queue() if r["id"] == self.ids[state] and r["state"] == state), None), 40)

    def id_of(self, kind, name):
        return self.gateway.ctl_json(kind, "show", name)["id"]

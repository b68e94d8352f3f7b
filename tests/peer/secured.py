"""A gateway and servers that are not to be spoken to in clear, or not by just anybody."""
from .certificates import Authority
from .net import Client


class Papers:
    def __init__(self, t):
        self.ca, self.other = Authority(t), Authority(t, "other-ca")
        self.good = self.ca.issue("good", ["IP:127.0.0.1"])
        self.client = self.ca.issue("gateway", ["gateway.test"])
        self.servers = {
            "good": self.good,
            "bad CA": self.other.issue("stranger", ["IP:127.0.0.1"]),
            "wrong name": self.ca.issue("wrong", ["other.test"]),
            "expired": self.ca.issue("expired", ["IP:127.0.0.1"], days=-1),
        }

    def chain(self, length):
        """A file with the good certificate and, behind it, so many in all."""
        path = self.good.certificate.with_name(f"chain-{length}.pem")
        path.write_text(self.good.pem + self.ca.pem * (length - 1))
        return path

    def context(self, offer):
        if offer == "client certificate demanded":
            return self.good.server_context(client_ca=self.ca)
        return self.servers[offer].server_context() if offer in self.servers else None


def send(gateway, recipient):
    with Client(gateway.port) as client:
        reply = client.deliver(recipients=[recipient])
        assert reply.code == 250, reply


def uri(server, smtps=False):
    return f"{'smtps' if smtps else 'smtp'}://127.0.0.1:{server.port}"


def put(gateway, name, uris, **properties):
    gateway.put_profile(name, uris, retry={"first": 600, "max": 600}, **properties)
    gateway.put_rule(name, name, [f"*@{name}.test"])


def log_of(gateway, profile):
    return "\n".join(l for l in gateway.log_text().splitlines() if f"profile={profile} " in l)

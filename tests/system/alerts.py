#!/usr/bin/python3
"""OP08: whoever the setting `alerts` names hears of what began, once in a while that it lasts, and of
its end; through a relay like any other mail."""
import email
import email.policy
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.faults import Faults
from peer.gateway import QUICK_HEALTH, Gateway, Refused
from peer.net import Client
from peer.servers import ScriptedServer
from peer.vault_server import VaultServer

QUICK = {"gather": "1s"}
SOON = {"first": 1, "factor": 1, "max": 1}
SETTING = {"profile": "desk", "to": ["it@desk.test", "night@desk.test"], "from": "gw@desk.test",
           "disk_free_percent": 0} # of the machine that the test runs on
ATTACHED = (b"Subject: with a file\r\nMIME-Version: 1.0\r\n"
            b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
            b"Content-Disposition: attachment; filename=a.bin\r\n\r\ncontent\r\n--b--\r\n")


class Desk(ScriptedServer):
    """Where alerts arrive."""

    def parsed(self):
        return [email.message_from_bytes(m.body, policy=email.policy.default)
                for m in self.messages]

    def subjects(self):
        return [m["subject"] for m in self.parsed()]

    def wait(self, *words, after=0, seconds=15):
        """The first mail behind the first `after` whose subject has these words."""
        def found():
            return next((m for m in self.parsed()[after:]
                         if all(w in m["subject"] for w in words)), None)
        return suite.wait_for(f"a mail with {words}", found, seconds)


def start(t, servers, alerts=None, env=None, **more):
    """`servers`: name of a profile and its servers; mail for NAME@example.test goes there."""
    desk = Desk(t, "desk")
    gateway = Gateway(t, workers=2, health=QUICK_HEALTH, alerts={**QUICK, **(alerts or {})}, env=env)
    gateway.put_profile("desk", [desk], retry=SOON)
    put_setting(gateway, SETTING)
    for name, list_ in servers.items():
        gateway.put_profile(name, list_, retry=SOON)
        gateway.put_rule(name, name, recipients=[f"{name}@example.test"], **more)
        gateway.wait_rules(f"{name}@example.test")
    return gateway, desk


def put_setting(gateway, alerts):
    return gateway.ctl("settings", "put", "-", stdin=json.dumps({"alerts": alerts}))


def send(gateway, to, body=b"Subject: s\r\n\r\nb\r\n"):
    with Client(gateway.port) as client:
        assert client.deliver(body, recipients=[f"{to}@example.test"]).code == 250


def rows(gateway, kind):
    return [a for a in gateway.rows("alert", "list") if a["kind"] == kind]


def bring_down(gateway, name, *servers):
    """With mail that finds out."""
    for server in servers:
        server.stop()
    kinds = ("server_down", "profile_down")
    count = len(servers)

    def is_down():
        send(gateway, name)
        return sum(not a["ended"] for k in kinds for a in rows(gateway, k)
                   if name in a["object"].split()) >= count
    suite.wait_for(f"{name} is known to be down", is_down, every=0.2)


def test_OP08_a_server_is_down_for_a_while(t):
    one, two = ScriptedServer(t, "one"), ScriptedServer(t, "two")
    gateway, desk = start(t, {"relay": [one, two]}, alerts={"repeat": "3s"})
    bring_down(gateway, "relay", one)
    mail = desk.wait("server down")
    assert mail["subject"].startswith("[gw.test] server down: relay smtp://127.0.0.1:"), mail
    assert mail["from"] == "gw@desk.test" and mail["auto-submitted"] == "auto-generated", mail
    assert mail["to"] == "it@desk.test, night@desk.test", mail["to"]
    assert sorted(desk.messages[0].recipients) == ["it@desk.test", "night@desk.test"]
    assert desk.messages[0].sender.startswith("<>"), desk.messages[0].sender
    text = mail.get_content()
    assert "NEW" in text and "refused" in text and "since 20" in text, text
    desk.wait("still: server down")
    one.start()
    over = desk.wait("over: server down", seconds=20)
    assert "it is over after" in over.get_content(), over.get_content()
    words = [s.split("] ")[1].split(":")[0] for s in desk.subjects()]
    assert words == ["server down"] + ["still"] * (len(words) - 2) + ["over"], words
    told = [m.when for m in desk.messages[:-1]]
    assert min(b - a for a, b in zip(told, told[1:])) > 2.5, told
    row, = rows(gateway, "server_down")
    assert row["ended"] and row["mailed"] and row["count"] == 1, row
    assert f":{one.port}" in row["object"], row
    return f"{len(words) - 2} times still"


def test_OP08_what_begins_together_is_one_mail(t):
    one, two = ScriptedServer(t, "one"), ScriptedServer(t, "two")
    gateway, desk = start(t, {"a": [one], "b": [two]}, alerts={"gather": "3s"})
    bring_down(gateway, "a", one)
    bring_down(gateway, "b", two)
    text = desk.wait("no server of a profile", "(and 1 more)").get_content()
    assert '"a" takes mail' in text and '"b" takes mail' in text, text
    assert len(desk.messages) == 1, desk.subjects()
    one.start()
    two.start()
    desk.wait("over:", "(and 1 more)")
    assert len(desk.messages) == 2, desk.subjects()


def test_OP08_a_vault_is_down_and_mail_flows_by_itself_when_it_is_back(t):
    sink, vault = ScriptedServer(t, "sink"), VaultServer(t)
    desk = Desk(t, "desk")
    gateway = Gateway(t, workers=2, health=QUICK_HEALTH, alerts=QUICK)
    gateway.put_profile("desk", [desk], retry=SOON)
    put_setting(gateway, SETTING)
    gateway.put_profile("relay", [sink], retry=SOON)
    gateway.put_profile("store", [vault.url], type="vault", api_key=vault.key)
    gateway.put_rule("all", "relay", recipients=["*@example.test"], vault="store")
    gateway.wait_rules()
    send(gateway, "to", ATTACHED)
    suite.wait_for("it arrives", lambda: len(sink.messages) == 1)
    vault.down()
    for _ in range(5):
        send(gateway, "to", ATTACHED)
    mail = desk.wait("no server of a profile takes mail: store")
    assert vault.url.split("/")[2] in mail.get_content(), mail.get_content()
    assert len(sink.messages) == 1
    vault.up()
    suite.wait_for("what waited arrives", lambda: len(sink.messages) == 6, 30)
    desk.wait("over: no server of a profile takes mail: store")
    assert len(desk.messages) == 2, desk.subjects()


def test_MQ09_a_message_that_is_held(t):
    sink = ScriptedServer(t, "sink")
    gateway, desk = start(t, {"relay": [sink]},
                          env=Faults(t).env(hooks="deliver:1:abort:mark=X-Kills"))
    send(gateway, "relay", b"Subject: poison\r\n\r\nX-Kills: worker\r\n")
    mail = desk.wait("message held", seconds=60)
    row, = rows(gateway, "message_held")
    id_ = row["object"].split()[0]
    assert f"message {id_} (group 0) is held: 2 workers died" in mail.get_content(), mail
    gateway.ctl("queue", "delete", id_)
    desk.wait("over: message held")
    assert sum("message held" in s for s in desk.subjects()) == 2, desk.subjects()


def test_OP08_the_profile_of_alerts_is_down(t):
    one = ScriptedServer(t, "one")
    gateway, desk = start(t, {"relay": [one]})
    desk.stop()
    gateway.ctl("alert", "test")
    suite.wait_for("it is known to be down", lambda: any(
        a["object"] == "desk" for a in rows(gateway, "profile_down")))
    bring_down(gateway, "relay", one)
    began = time.monotonic()
    suite.wait_for("several looks have gone by", lambda: time.monotonic() - began > 5)
    own = [r for r in gateway.queue() if r["rule"] == "own"]
    assert len(own) == 1, own
    assert all(a["mailed"] is None for a in rows(gateway, "profile_down"))
    desk.start()
    mail = desk.wait("no server of a profile takes mail: relay", seconds=30)
    text = mail.get_content()
    assert 'OVER   no server of a profile takes mail: no server of profile "desk"' in text, text
    assert desk.wait("test: alerts arrive")
    suite.wait_for("nothing of its own is left",
                   lambda: not any(r["rule"] == "own" for r in gateway.queue()))
    assert len(desk.messages) == 2, desk.subjects()


def test_OP08_a_restart_tells_nothing_twice(t):
    one, two = ScriptedServer(t, "one"), ScriptedServer(t, "two")
    gateway, desk = start(t, {"relay": [one, two]})
    bring_down(gateway, "relay", one)
    desk.wait("server down")
    since = rows(gateway, "server_down")[0]["since"]
    assert gateway.stop() == 0
    gateway.start()
    row, = rows(gateway, "server_down")
    assert row["since"] == since and row["mailed"] and not row["ended"], row
    bring_down(gateway, "relay")
    suite.wait_for("it is found again", lambda: [send(gateway, "relay"), any(
        r["state"] == "down" for r in gateway.rows("server", "list", "relay"))][1], every=0.2)
    one.start()
    desk.wait("over: server down")
    assert len(desk.messages) == 2, desk.subjects()


def refusal(call, *args):
    try:
        call(*args)
    except Refused as refused:
        assert refused.code == 1, refused
        return str(refused)
    raise AssertionError("it was not refused")


def test_SP53_the_setting_and_its_profile(t):
    one = ScriptedServer(t, "one")
    gateway, desk = start(t, {"relay": [one]})
    text = refusal(gateway.ctl, "profile", "delete", "desk")
    assert "the setting alerts uses it" in text, text
    gateway.put_profile("files", ["http://127.0.0.1:1"], type="core")
    wrong = {"profile": "files", "to": ["it@desk.test", "no mailbox"], "queue_age": -1,
             "queue_length": 1.5, "who": 1}
    text = refusal(put_setting, gateway, wrong)
    for part in ("alerts.profile", "is not of type smtp", "alerts.to[1]", "alerts.from",
                 "is missing", "alerts.queue_age", "0 (never) to 2592000", "alerts.queue_length",
                 "must be a whole number", "alerts.who"):
        assert part in text, (part, text)
    shown = gateway.ctl_json("settings", "show")["alerts"]
    assert shown["profile"] == "desk" and shown["queue_age"] == 3600, shown
    assert gateway.ctl_json("export")["settings"]["alerts"] == shown
    assert "on its way" in gateway.ctl("alert", "test")
    mail = desk.wait("test: alerts arrive")
    assert "Nothing is wrong." in mail.get_content()
    put_setting(gateway, None)
    assert "nobody is told" in refusal(gateway.ctl, "alert", "test")
    gateway.ctl("profile", "delete", "desk")
    assert "test alert sent" in str(gateway.rows("audit", "list"))


if __name__ == "__main__":
    suite.run(globals())

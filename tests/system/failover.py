#!/usr/bin/python3
"""SP20, SP22: which server a delivery goes to, and what makes it go to the next."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import QUICK_HEALTH, Gateway
from peer.net import Client
from peer.servers import DROP, ScriptedServer, count_by_server, later


def start(t, names=("1", "2"), workers=2, **properties):
    journal = []
    servers = [ScriptedServer(t, n, journal=journal) for n in names]
    gateway = Gateway(t, workers=workers, health=QUICK_HEALTH)
    properties.setdefault("retry", {"first": 1, "factor": 1, "max": 1})
    gateway.put_profile("relay", servers, **properties)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, servers, journal


def send(gateway, **envelope):
    with Client(gateway.port) as client:
        reply = client.deliver(**envelope)
        assert reply.code == 250, reply


def test_SP20_first_then_second_then_first_again(t):
    gateway, (one, two), journal = start(t)
    for expected, change in (([20, 0], None), ([20, 20], one.stop), ([40, 20], one.start)):
        if change:
            change()
        if change == one.start: # down by now: it is asked once a second (SP23)
            suite.wait_for("the first takes mail again",
                           lambda: "takes mail again" in gateway.log_text())
        for _ in range(20): # one after the other: a server that is back gets a few at a time (SP23)
            before = len(journal)
            send(gateway)
            suite.wait_for("the message", lambda: len(journal) > before)
        assert count_by_server([one, two]) == expected, count_by_server([one, two])


# What the first server does -> the second one gets the message within the same attempt.
NEXT_SERVER = {
    "greeting_554": {"CONNECT": "554 5.3.2 no service"},
    "greeting_421": {"CONNECT": "421 4.3.2 closing"},
    "greeting_drop": {"CONNECT": DROP},
    "ehlo_and_helo_refused": {"EHLO": "550 5.7.1 no", "HELO": "550 5.7.1 no"},
    "ehlo_421": {"EHLO": "421 4.3.2 closing"},
    "mail_421": {"MAIL": "421 4.3.2 closing"},
    "mail_system_451": {"MAIL": "451 4.3.0 trouble"},
    "mail_4xx_no_enhanced_code": {"MAIL": "450 trouble"},
    "mail_drop": {"MAIL": DROP},
    "rcpt_system_452": {"RCPT": "452 4.3.1 disk full"},
    "rcpt_drop": {"RCPT": DROP},
    "data_421": {"DATA": "421 4.3.2 closing"},
    "end_of_data_421": {"END": "421 4.3.2 closing"},
}


def next_server(replies):
    def test(t):
        gateway, (one, two), journal = start(t)
        one.replies.update(replies)
        send(gateway)
        suite.wait_for("the message at the second", lambda: journal)
        assert count_by_server([one, two]) == [0, 1]
        assert one.connections >= 1
    return test


# Reply of the first server -> no other server is tried; how the message ends.
NOT_NEXT_SERVER = {
    "rcpt_550_is_final": ({"RCPT": "550 5.1.1 no such user"}, "failed"),
    "mail_550_is_final": ({"MAIL": "550 5.7.1 not you"}, "failed"),
    "end_of_data_554_is_final": ({"END": "554 5.6.0 spam"}, "failed"),
    "rcpt_450_defers": ({"RCPT": "450 4.2.1 busy"}, "deferred"),
    "mail_450_4_1_8_defers": ({"MAIL": "450 4.1.8 sender"}, "deferred"),
    "end_of_data_451_defers": ({"END": "451 4.7.1 greylisted"}, "deferred"),
    "lost_after_end_of_data_defers": ({"END": DROP}, "deferred"),
}


def not_next_server(replies, ending):
    def test(t):
        gateway, (one, two), journal = start(t, retry={"first": 600, "max": 600})
        one.replies.update(replies)
        send(gateway)
        row = suite.wait_for(f"the message is {ending}", lambda: next(
            (r for r in gateway.queue() if r["state"] == ending), None))
        assert two.connections == 0 and not journal
        # Nothing is lost: the server mends its ways, an operator says retry.
        one.replies.clear()
        gateway.ctl("queue", "retry", row["id"])
        suite.wait_for("delivered after all", lambda: len(one.messages) == 1)
        suite.wait_for("the queue is empty", lambda: not gateway.queue())
    return test


for name, replies in NEXT_SERVER.items():
    globals()[f"test_SP22_next_server_after_{name}"] = next_server(replies)
for name, (replies, ending) in NOT_NEXT_SERVER.items():
    globals()[f"test_SP22_{name}"] = not_next_server(replies, ending)


def test_SP49_too_many_connections_is_no_failure_while_another_is_open(t):
    gateway, (one, two), journal = start(t, workers=1)
    one.replies["DATA"] = later(2, "354 go on") # so long the first connection is open
    one.replies["CONNECT"] = lambda s, _: "421 4.3.2 too many" if s.connections == 2 else None
    send(gateway)
    suite.wait_for("the first is under way", lambda: "DATA" in one.commands)
    send(gateway)
    suite.wait_for("both messages", lambda: len(journal) == 2)
    assert one.connections == 3, one.connections
    assert two.connections == 0, "the second message went to the next server"


def test_SP22_one_recipient_of_two_refused_the_other_delivered(t):
    gateway, (one, _), journal = start(t)
    one.replies["RCPT"] = lambda _s, a: "550 5.1.1 unknown" if "bad@" in a else None
    send(gateway, recipients=["bad@example.test", "good@example.test"])
    suite.wait_for("the good one", lambda: journal)
    assert journal[0].recipients == ["good@example.test"]
    suite.wait_for("the bad one is kept as failed",
                   lambda: [r for r in gateway.queue() if r["state"] == "failed"])
    assert len(journal) == 1


def test_SP22_all_servers_dead_defers_and_the_retry_delivers(t):
    gateway, servers, journal = start(t)
    for server in servers:
        server.stop()
    send(gateway)
    suite.wait_for("deferred", lambda: [r for r in gateway.queue() if r["state"] == "deferred"])
    servers[1].start()
    suite.wait_for("delivered by its retry", lambda: journal)


def test_SP22_the_record_of_an_attempt_says_why_each_server_was_passed_over_or_failed(t):
    gateway, servers, _ = start(t, names=("1", "2", "3"), retry={"first": 600, "max": 600},
                                pool={"enabled": True})
    uris = [f"smtp://127.0.0.1:{s.port}" for s in servers]
    gateway.ctl("server", "drain", "relay", uris[0])
    servers[1].stop()
    servers[2].replies["RCPT"] = "450 4.2.1 mailbox busy"
    send(gateway)
    row = suite.wait_for("deferred", lambda: next(
        (r for r in gateway.queue() if r["state"] == "deferred"), None))
    (attempt,) = gateway.ctl_json("queue", "show", row["id"])["groups"][0]["message"]["attempts"]
    told = [(s["server"], s["result"], s.get("pool")) for s in attempt["tried"]]
    assert told == [(uris[0], "passed over: drained", None), (uris[1], "server failed", "miss"),
                    (uris[2], "deferred", "miss")], told
    shown = gateway.ctl("queue", "show", row["id"])
    for line in (f"{uris[0]}  passed over: drained\n", f"{uris[1]}  server failed: ",
                 f"{uris[2]}  deferred: 450 4.2.1 mailbox busy ("):
        assert line in shown, shown
    logged = [l for l in gateway.log_text().splitlines() if "msg=deferred" in l]
    assert len(logged) == 1 and f"{uris[0]} is drained; {uris[1]} failed after" in logged[0], logged


def test_SP40_SP42_the_log_says_how_each_connection_was_come_by(t):
    gateway, _, journal = start(t, names=("1",), workers=1, pool={"enabled": True})
    for n in range(3):
        send(gateway)
        suite.wait_for(f"message {n}", lambda: len(journal) == n + 1)
        suite.wait_for("it is logged",
                       lambda: gateway.log_text().count("msg=delivered") == n + 1)
    ways = [w for line in gateway.log_text().splitlines() if "msg=delivered" in line
            for w in line.split() if w.startswith("pool=")]
    assert ways == ["pool=miss", "pool=hit", "pool=hit"], ways


def test_MQ08_an_8bit_body_goes_to_the_server_that_takes_it(t):
    gateway, (one, two), journal = start(t)
    one.extensions = ("PIPELINING",)
    body = "Subject: x\r\n\r\ngrüße\r\n".encode()
    with Client(gateway.port) as client:
        assert client.start(parameters=" BODY=8BITMIME")[0].code == 250
        assert client.content(body).code == 250
    suite.wait_for("at the second", lambda: journal)
    assert two.messages[0].body.endswith(body)
    assert "BODY=8BITMIME" in two.messages[0].sender


def test_MQ08_an_8bit_body_that_no_server_takes_fails_cleanly(t):
    gateway, servers, journal = start(t)
    for server in servers:
        server.extensions = ("PIPELINING",)
    with Client(gateway.port) as client:
        assert client.start(parameters=" BODY=8BITMIME")[0].code == 250
        assert client.content("Subject: x\r\n\r\ngrüße\r\n".encode()).code == 250
    row = suite.wait_for("failed", lambda: next(
        (r for r in gateway.queue() if r["state"] == "failed"), None))
    assert "5.6.3" in gateway.ctl("queue", "show", row["id"])
    assert not journal


if __name__ == "__main__":
    suite.run(globals())

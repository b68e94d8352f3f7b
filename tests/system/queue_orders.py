#!/usr/bin/python3
"""MQ06: what an operator sees of queued mail, and orders about it."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import HANG, ScriptedServer


def start(t, **properties):
    sink = ScriptedServer(t)
    gateway = Gateway(t, build="asan")
    properties.setdefault("retry", {"first": 600, "max": 600})
    gateway.put_profile("relay", [sink], **properties)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway, sink


def send(gateway, **envelope):
    with Client(gateway.port) as client:
        assert client.deliver(**envelope).code == 250


def wait_row(gateway, state, count=1):
    rows = suite.wait_for(f"{count} {state}", lambda: (
        lambda found: found if len(found) == count else None)(
        [r for r in gateway.queue() if r["state"] == state]))
    return rows[0]


def test_MQ06_show_tells_the_way_of_a_message(t):
    gateway, sink = start(t)
    sink.replies["RCPT"] = "450 4.2.1 mailbox busy today"
    send(gateway, sender="a@client.test", recipients=["b@example.test"])
    row = wait_row(gateway, "deferred")
    text = gateway.ctl("queue", "show", row["id"])
    for word in ("a@client.test", "b@example.test", "all", "relay", str(sink.port),
                 "4.2.1 mailbox busy today"):
        assert word in text, (word, text)
    assert gateway.run_ctl("queue", "show", "0000000000000").returncode == 1


def test_MQ06_show_tells_what_became_of_each_of_many_recipients(t):
    gateway, sink = start(t)
    refused, busy = {"r128", "r255", "r299"}, {"r130", "r298"} # r0 to r127 are through

    def on_rcpt(_, argument):
        name = argument.partition("<")[2].partition("@")[0]
        return ("550 5.1.1 unknown" if name in refused else
                "450 4.2.1 busy" if name in busy else None)

    sink.replies["RCPT"] = on_rcpt
    send(gateway, recipients=[f"r{number}@example.test" for number in range(300)])
    row = wait_row(gateway, "deferred", 2)
    suite.wait_for("the first group", lambda: len(gateway.queue()) == 2)
    shown = gateway.ctl_json("queue", "show", row["id"])
    assert [g["state"] for g in shown["groups"]] == ["deferred", "deferred", "delivered"]
    states = {r["address"].partition("@")[0]: r["state"]
              for g in shown["groups"] for r in g["message"]["recipients"]}
    assert states == {f"r{n}": "refused" if f"r{n}" in refused else
                               "open" if f"r{n}" in busy else "delivered" for n in range(300)}
    assert sum(g.get("open_recipients", 0) for g in shown["groups"]) == len(busy)
    text = gateway.ctl("queue", "show", row["id"])
    assert all(f"r{n}@example.test" in text for n in range(300))


def test_MQ06_retry_now_delivers(t):
    gateway, sink = start(t)
    sink.replies["RCPT"] = "450 4.2.1 later"
    send(gateway)
    row = wait_row(gateway, "deferred")
    sink.replies.clear()
    gateway.ctl("queue", "retry", row["id"])
    suite.wait_for("delivered", lambda: sink.messages)
    suite.wait_for("gone from the queue", lambda: not gateway.queue())


def test_MQ06_hold_outlives_a_crash_and_release_delivers(t):
    gateway, sink = start(t)
    sink.stop()
    send(gateway)
    row = wait_row(gateway, "deferred")
    gateway.ctl("queue", "hold", row["id"])
    gateway.kill_all()
    sink.start()
    gateway.start()
    assert wait_row(gateway, "held")["id"] == row["id"]
    assert not sink.messages
    gateway.ctl("queue", "release", row["id"])
    suite.wait_for("delivered", lambda: sink.messages)


def test_MQ06_delete_is_for_good(t):
    gateway, sink = start(t)
    sink.stop()
    send(gateway)
    row = wait_row(gateway, "deferred")
    gateway.ctl("queue", "delete", row["id"])
    assert not gateway.queue()
    gateway.kill_all()
    sink.start()
    gateway.start()
    assert not gateway.queue()
    send(gateway, recipients=["other@example.test"])
    suite.wait_for("the next message", lambda: sink.messages)
    assert [m.recipients for m in sink.messages] == [["other@example.test"]]


def test_MQ06_reroute_sends_it_another_way(t):
    gateway, sink = start(t)
    other = ScriptedServer(t)
    gateway.put_profile("other", [other])
    sink.stop()
    send(gateway)
    row = wait_row(gateway, "deferred")
    assert gateway.run_ctl("queue", "reroute", row["id"], "nobody").returncode == 1
    gateway.ctl("queue", "reroute", row["id"], "other")
    suite.wait_for("at the other", lambda: other.messages)
    suite.wait_for("gone from the queue", lambda: not gateway.queue())


def test_MQ06_past_its_end_of_data_is_too_late(t):
    gateway, sink = start(t)
    sink.replies["END"] = HANG
    send(gateway)
    suite.wait_for("the end of data was read", lambda: sink.ends)
    row = gateway.queue()[0]
    done = gateway.run_ctl("queue", "delete", row["id"])
    assert done.returncode == 1 and "too late" in (done.stderr + done.stdout).lower(), done
    assert gateway.queue()


def test_MQ05_what_cannot_be_delivered_is_kept_as_failed_over_a_restart(t):
    gateway, sink = start(t)
    sink.replies["RCPT"] = "550 5.1.1 unknown"
    send(gateway)
    row = wait_row(gateway, "failed")
    assert gateway.stop() == 0
    gateway.start()
    assert wait_row(gateway, "failed")["id"] == row["id"]
    assert "5.1.1 unknown" in gateway.ctl("queue", "show", row["id"])


def test_SP54_a_saved_profile_is_used_by_the_next_attempt(t):
    gateway, sink = start(t)
    sink.stop()
    send(gateway)
    row = wait_row(gateway, "deferred")
    other = ScriptedServer(t)
    gateway.put_profile("relay", [other])
    gateway.ctl("queue", "retry", row["id"])
    suite.wait_for("at the new server", lambda: other.messages)


if __name__ == "__main__":
    suite.run(globals())

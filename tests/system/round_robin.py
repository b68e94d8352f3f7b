#!/usr/bin/python3
"""SP21: a real round robin, whatever the parallelism."""
import pathlib
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.net import Client
from peer.servers import CountingSink, ScriptedServer, smtp_source

RETRY = {"first": 1, "factor": 1, "max": 1}


def start(t, sinks, workers=4, **properties):
    gateway = Gateway(t, workers=workers)
    gateway.put_profile("relay", sinks, preference="round_robin", retry=RETRY, **properties)
    gateway.put_rule("all", "relay")
    gateway.wait_rules()
    return gateway


def send(gateway, journal, recipient="to@example.test"):
    """One message, waited for; returns the name of the server that took it."""
    before = len(journal)
    with Client(gateway.port) as client:
        assert client.deliver(recipients=[recipient]).code == 250
    suite.wait_for("one message more", lambda: len(journal) > before)
    return journal[-1].server.name


def numbered(t, count):
    journal = []
    return journal, [ScriptedServer(t, str(i + 1), journal=journal) for i in range(count)]


@suite.deadline(180)
def test_SP21_3000_messages_over_4_workers_go_in_thirds(t):
    sinks = [CountingSink(t) for _ in range(3)]
    gateway = start(t, sinks)
    smtp_source(gateway.port, 3000)
    suite.wait_for("3,000 messages", lambda: sum(s.messages for s in sinks) >= 3000, 90)
    counts = [s.messages for s in sinks]
    assert sum(counts) == 3000 and all(999 <= c <= 1001 for c in counts), counts
    return "/".join(map(str, counts))


@suite.deadline(240)
def test_SP21_one_of_three_stops_half_way_all_arrive_others_share_evenly(t):
    journal, sinks = numbered(t, 3)
    gateway = start(t, sinks)
    sender = threading.Thread(target=smtp_source, args=(gateway.port, 3000),
                              kwargs={"options": ["-N"], "seconds": 120})
    sender.start()
    suite.wait_for("half of them", lambda: len(journal) >= 1500, 90)
    sinks[2].stop()
    sender.join()

    def recipients():
        return {r for m in journal for r in m.recipients}
    suite.wait_for("all 3,000 recipients", lambda: len(recipients()) == 3000, 90)
    first, second = len(sinks[0].messages), len(sinks[1].messages)
    assert abs(first - second) <= 0.05 * max(first, second), (first, second)
    return f"{first}/{second}/{len(sinks[2].messages)}, {len(journal) - 3000} doubled"


def test_SP21_one_by_one_is_strictly_1_2_3_1(t):
    journal, sinks = numbered(t, 3)
    gateway = start(t, sinks)
    order = "".join(send(gateway, journal) for _ in range(10))
    assert order == "1231231231", order


def test_SP21_a_retry_takes_a_new_turn(t):
    journal, sinks = numbered(t, 3)
    gateway = start(t, sinks)
    refused = []

    def refuse_once(_server, argument):
        if "later" in argument and not refused:
            refused.append(argument)
            return "450 4.2.1 mailbox busy"
        return None
    for sink in sinks:
        sink.replies["RCPT"] = refuse_once
    order = send(gateway, journal)
    order += send(gateway, journal, "later@example.test") # deferred at 2, its retry starts at 3
    order += send(gateway, journal)
    assert refused and order == "131", order


def test_SP21_a_restart_keeps_the_order(t):
    journal, sinks = numbered(t, 3)
    gateway = start(t, sinks)
    order = send(gateway, journal)
    for _ in range(3):
        assert gateway.stop() == 0
        gateway.start()
        order += send(gateway, journal)
    assert order == "1231", order


def test_SP21_an_edit_of_the_list_keeps_the_order(t):
    journal, (one, two, three, four) = numbered(t, 4)
    gateway = start(t, [one, two, three])
    order = send(gateway, journal) + send(gateway, journal)

    def edit(servers):
        gateway.put_profile("relay", servers, preference="round_robin", retry=RETRY)
    edit([one, two, four, three]) # a newcomer behind the last one used
    order += send(gateway, journal)
    edit([three, four, one, two]) # the cursor is a server, not a place in the list
    order += send(gateway, journal)
    assert order == "1241", order


def test_SP21_a_dead_server_is_passed_over_at_once(t):
    journal, sinks = numbered(t, 3)
    gateway = start(t, sinks)
    sinks[1].stop()
    order = "".join(send(gateway, journal) for _ in range(8))
    assert order.count("1") == order.count("3") == 4 and "2" not in order, order


if __name__ == "__main__":
    suite.run(globals())

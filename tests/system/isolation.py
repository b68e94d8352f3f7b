#!/usr/bin/python3
"""SP25, MQ0A: one profile whose server hangs delays nobody else's mail."""
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer import suite
from peer.gateway import Gateway
from peer.servers import HANG, CountingSink, ScriptedServer, smtp_source

MESSAGES = 1500


def time_messages(gateway, sink):
    before, started = sink.messages, time.monotonic()
    smtp_source(gateway.port, MESSAGES, recipient="to@quick.test")
    suite.wait_for(f"{MESSAGES} messages", lambda: sink.messages - before >= MESSAGES, 60, 0.005)
    return time.monotonic() - started


def hung(verb):
    @suite.deadline(180)
    def test(t):
        slow = ScriptedServer(t, replies={verb: HANG})
        sink = CountingSink(t)
        gateway = Gateway(t, workers=2)
        gateway.put_profile("slow", [slow])
        gateway.put_profile("quick", [sink])
        gateway.put_rule("slow", "slow", ["*@slow.test"])
        gateway.put_rule("quick", "quick", ["*@quick.test"])
        gateway.wait_rules("to@quick.test")
        gateway.wait_rules("to@slow.test")
        time_messages(gateway, sink) # warm
        alone = min(time_messages(gateway, sink) for _ in range(2))
        smtp_source(gateway.port, 300, recipient="to@slow.test")
        suite.wait_for("deliveries hang", lambda: slow.connections > 0)
        beside = min(time_messages(gateway, sink) for _ in range(2))
        assert not slow.messages
        assert len(gateway.queue()) >= 100 # still there, all of it
        assert beside <= 2 * alone, (alone, beside)
        return f"{MESSAGES} messages alone {alone:.2f} s, beside {beside:.2f} s, " \
               f"ratio {beside / alone:.2f}"
    return test


test_SP25_a_server_that_accepts_and_then_hangs = hung("CONNECT")
test_SP25_a_server_that_hangs_after_end_of_data = hung("END")


if __name__ == "__main__":
    suite.run(globals())

"""What must hold while the machine is in trouble, and after it (MQ02, MQ07, OP08)."""
from . import suite
from .load import doubles, missing
from .net import Client


def alerts(gateway):
    return [alert["text"] for alert in gateway.ctl_json("status")["alerts"]]


def wait_alert(gateway, words):
    suite.wait_for(f"status shows \"{words}\"", lambda: any(words in a for a in alerts(gateway)))


def deliver(gateway, recipient, size=1000):
    with Client(gateway.port, 60) as client:
        return client.deliver(b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * (size // 72),
                              recipients=[recipient])


def check_refusals(load):
    """Local trouble is 451 or 452 (MQ07), and no connection breaks over it."""
    assert set(load.refused) <= {451, 452}, load.broken
    assert sum(load.refused.values()) == sum(load.broken.values()), load.broken


def until_taken(gateway, seconds=15):
    """Intake resumes by itself."""
    def taken():
        try:
            return deliver(gateway, "resumed@example.test").code == 250
        except AssertionError as refused:
            assert refused.args[0].code in (451, 452), refused
            return False
    suite.wait_for("mail is taken again", taken, seconds, 0.2)


def check_all_arrives(gateway, sink, load, seconds=60):
    suite.wait_for("all that was promised", lambda: not missing(load.acknowledged, [sink]), seconds)
    suite.wait_for("the queue is empty", lambda: not gateway.queue(), 30)
    assert doubles([sink]) == 0

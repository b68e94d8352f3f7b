"""A sender that goes on while things break, and remembers exactly what was promised to it."""
import threading

from .net import Client, Closed, Reply


class Load:
    """`threads` clients send messages to a gateway, each to a recipient of its own, until stopped.

    acknowledged: recipients whose message was answered 250: these must arrive. Connections that
    break, and replies other than 250, are counted in `broken` by what happened, and tried again
    with another message. `refused` counts those replies by their code."""

    def __init__(self, scratch, port, threads=10, per_connection=1, body_bytes=1000, tag="m"):
        self.port, self.per_connection, self.tag = port, per_connection, tag
        self.body = b"Subject: load\r\n\r\n" + b"x" * 70 + b"\r\n" + \
            (b"y" * 70 + b"\r\n") * (body_bytes // 72)
        self.acknowledged = []
        self.broken, self.refused = {}, {}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(i,), daemon=True)
                         for i in range(threads)]
        scratch.on_close(self.stop)
        for thread in self._threads:
            thread.start()

    def _run(self, number):
        sent = 0
        while not self._ending.is_set():
            stage = "connect"
            try:
                with Client(self.port, 15) as client:
                    for _ in range(self.per_connection):
                        stage = "deliver"
                        sent += 1
                        recipient = f"{self.tag}-{number}-{sent}@example.test"
                        reply = client.deliver(self.body, recipients=[recipient])
                        assert reply.code == 250, reply
                        with self._lock:
                            self.acknowledged.append(recipient)
                        if self._ending.is_set():
                            break
                    stage = "quit"
                    client.quit()
            except (OSError, Closed, AssertionError, ValueError) as error:
                self._note(f"{stage}: {type(error).__name__} {str(error)[:60]}", error)
                self._ending.wait(0.05)

    def _note(self, what, error):
        with self._lock:
            self.broken[what] = self.broken.get(what, 0) + 1
            if error.args and isinstance(error.args[0], Reply):
                code = error.args[0].code
                self.refused[code] = self.refused.get(code, 0) + 1

    def stop(self):
        self._ending.set()
        for thread in self._threads:
            thread.join(20)


def missing(acknowledged, servers):
    """Recipients that were promised and are at no server."""
    arrived = {r for s in servers for m in s.messages for r in m.recipients}
    return set(acknowledged) - arrived


def doubles(servers):
    """How many arrived more often than once."""
    arrived = [r for s in servers for m in s.messages for r in m.recipients]
    return len(arrived) - len(set(arrived))

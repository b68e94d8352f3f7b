"""Many ways of sending, all at once, and what was promised to them.

Every recipient's address is its message's own mark, so that what arrives, and how often, can be told
from the receivers' journals. What breaks is left as it is: the next message has new marks."""
import random
import re
import subprocess
import threading
import time

from .net import Client, Closed
from .receiver import with_check

QUEUED = re.compile(r"250 2\.0\.0 Ok: queued as ([0-9A-Z]{13})")


class Promises:
    """{recipient: id} of all that was answered 250. Shared by all senders."""

    def __init__(self):
        self.ids = {}
        self.messages = 0
        self._lock = threading.Lock()

    def add(self, recipients, id_):
        with self._lock:
            self.messages += 1
            for recipient in recipients:
                assert recipient not in self.ids, recipient
                self.ids[recipient] = id_


class Sender:
    """A thread that sends one round after the other until it is stopped."""

    def __init__(self, scratch, port, promises, domains, seed, name):
        self.port, self.promises, self.domains, self.name = port, promises, domains, name
        self.random = random.Random(f"{seed} {name}")
        self.rounds = 0
        self._ending = threading.Event()
        self._process = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        scratch.on_close(self.stop)
        self._thread.start()

    def _run(self):
        while not self._ending.is_set():
            self.rounds += 1
            try:
                self.send(f"{self.name}.{self.rounds}")
            except (OSError, Closed, AssertionError):
                pass # as clients see it when a gateway dies
            self._ending.wait(self.pause_s)

    pause_s = 0.02

    def stop(self):
        self._ending.set()
        process = self._process
        if process is not None and process.poll() is None:
            process.terminate()
        self._thread.join(30)

    def is_ending(self):
        return self._ending.is_set()

    def domain(self):
        return self.random.choice(self.domains)

    def recipient(self, mark):
        """One in twelve is to stay in the queue: peer.receiver."""
        keep = ".keep" if self.random.randrange(12) == 0 else ""
        return f"{mark}{keep}@{self.domain()}"

    def run_tool(self, command):
        """Its output, line by line, as it comes."""
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True,
                                         errors="replace", stdout=subprocess.PIPE,
                                         stderr=subprocess.STDOUT)
        with self._process.stdout as lines:
            yield from lines
        self._process.wait(10)


class SmtpSource(Sender):
    """Postfix's: one session that is quick and plain. What it says under -v is what was answered."""

    def send(self, mark):
        size = self.random.choice((300, 1000, 1000, 4000, 20000))
        command = ["smtp-source", "-v", "-s", "1", "-m", "50", "-d", "-N", "-l", str(size), "-C", "0",
                   "-M", "client.test", "-f", "from@client.test", "-t",
                   self.recipient(f".{mark}"), f"127.0.0.1:{self.port}"]
        recipient, is_over = None, False
        for line in self.run_tool(command):
            _, _, said = line.rstrip().partition("smtp-source: ")
            if said.startswith("RCPT TO:<"):
                recipient, is_over = said[9:-1], False
            elif said == ".":
                is_over = True
            elif is_over and (found := QUEUED.search(said)):
                self.promises.add([recipient], found.group(1))
                is_over = False


class Swaks(Sender):
    """Another hand than ours: several recipients, PIPELINING, text that is not ASCII."""
    pause_s = 0.5

    def send(self, mark):
        recipients = [self.recipient(f"{mark}.{i}") for i in range(self.random.randrange(1, 4))]
        body = "Größe: ½ %s\\n.\\n..\\n" % ("w" * self.random.randrange(2000))
        command = ["swaks", "--server", "127.0.0.1", "--port", str(self.port), "--timeout", "20s",
                   "--helo", "client.test", "--from", "from@client.test", "--to",
                   ",".join(recipients), "--body", body]
        if self.random.randrange(2):
            command.append("--pipeline")
        for line in self.run_tool(command):
            found = QUEUED.search(line)
            if found:
                self.promises.add(recipients, found.group(1))


class Odd(Sender):
    """Our own client, for what neither tool does: large messages, many recipients under several
    rules, empty ones, clients that leave in the middle."""

    def send(self, mark):
        with Client(self.port, 20) as client:
            for number in range(20):
                if self.is_ending():
                    return
                self.send_one(client, f"{mark}.{number}")
            client.quit()

    def send_one(self, client, mark):
        kind = self.random.randrange(40)
        count = 300 if kind == 0 else self.random.randrange(1, 6) if kind < 10 else 1
        size = (1200000 if kind == 1 else 0 if kind == 2 else
                self.random.randrange(100, 100000 if kind < 6 else 3000))
        body = bytes(self.random.choice(b"abcdefgh") for _ in range(60)) + b"\r\n"
        content = with_check(b"Subject: odd\r\n", body * (size // len(body)))
        recipients = [self.recipient(f"{mark}.{i}") for i in range(count)]
        for reply in client.start("from@client.test", recipients):
            assert reply.code == 250, reply
        assert client.command("DATA").code == 354
        if kind == 3:
            client.send(content[:len(content) // 2])
            raise Closed("left in the middle")
        client.send(content + b".\r\n")
        reply = client.reply()
        found = QUEUED.search(reply.lines[0])
        assert found, reply
        self.promises.add(recipients, found.group(1))

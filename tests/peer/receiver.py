"""A receiving server as a process of its own, which writes down what it knows of each transaction.

    receiver = Receiver(t, seed=7)
    receiver.mood("defer")
    receiver.take_all()
    receiver.journal()       # the events so far, oldest first

A message is taken when its end of data is read, as a careful server does it, and answered after
that. Its events, one line each in the journal:

    took   its end of data was read and it is kept, for these recipients
    lost   its connection ended before the client spoke again: it may not know, and come again
    no     it was refused, now or for good

Recipients named "....keep@" are deferred until take_all(). `python3 receiver.py PORT
JOURNAL SEED` is the process; it is told its mood by lines on its standard input."""
import asyncio
import json
import pathlib
import random
import re
import subprocess
import sys
import time
import zlib

MOODS = ("good", "slow", "defer", "refuse", "drop", "down")
ID = re.compile(rb"SMTP id ([0-9A-Z]{13})")
CHECK = re.compile(rb"^X-Check: (\d+) (\d+)\r\n", re.M)


def with_check(header, body):
    """A message that the receiver can prove: length and checksum of its body are in its header."""
    return header + b"X-Check: %d %d\r\n\r\n" % (len(body), zlib.crc32(body)) + body


def is_whole(data):
    found = CHECK.search(data)
    if found is None:
        return True
    body = data.partition(b"\r\n\r\n")[2]
    return (len(body), zlib.crc32(body)) == tuple(int(n) for n in found.groups())


class Event:
    def __init__(self, line):
        self.what, self.when, self.recipients, self.id, self.is_whole = json.loads(line)


class Receiver:
    def __init__(self, scratch, port, seed):
        self.port, self._path = port, scratch.path(f"receiver-{port}.journal")
        self._path.touch()
        self._process = subprocess.Popen(
            [sys.executable, pathlib.Path(__file__), str(port), self._path, str(seed)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        scratch.on_close(self.close)
        assert self._process.stdout.readline() == "ready\n"

    def close(self):
        self._process.stdin.close() # it ends by itself
        self._process.wait(10)
        self._process.stdout.close()

    def _tell(self, line):
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "ready\n"

    def mood(self, name):
        assert name in MOODS
        self._tell(name)

    def take_all(self):
        """What it deferred for ever is welcome from now on."""
        self._tell("take_all")
        self._tell("good")

    def journal(self):
        with open(self._path) as lines:
            return [Event(line) for line in lines if line.endswith("\n")]


# ---- the process --------------------------------------------------------------------------------

class Host:
    def __init__(self, port, journal, seed):
        self.port, self.mood, self.keeps = port, "good", True
        self.random = random.Random(seed)
        self.sessions = set()
        self._journal = open(journal, "a", buffering=1)
        self._server = None

    def note(self, what, recipients, id_="", whole=True):
        self._journal.write(json.dumps([what, time.monotonic(), recipients, id_, whole]) + "\n")

    async def open(self):
        if self._server is None:
            self._server = await asyncio.get_running_loop().create_server(
                lambda: Session(self), "127.0.0.1", self.port, backlog=512)

    async def set_mood(self, mood):
        if mood == "take_all":
            self.keeps = False
            return
        self.mood = mood
        if mood != "down":
            await self.open()
        elif self._server is not None:
            self._server.close()
            self._server = None
            for session in list(self.sessions):
                session.close_if_idle()

    def happens(self, one_in):
        return self.random.randrange(one_in) == 0


class Session(asyncio.Protocol):
    """In doubt: of what was taken here, while the client has not spoken since."""

    def __init__(self, host):
        self.host = host
        self.rest, self.is_body = b"", False
        self.sender, self.recipients = None, []
        self.doubt = None

    def connection_made(self, transport):
        self.transport = transport
        self.host.sessions.add(self)
        if self.host.mood == "drop" and self.host.happens(4):
            transport.abort()
        else:
            self.say("220 receiver.test ESMTP")

    def connection_lost(self, _error):
        self.host.sessions.discard(self)
        if self.doubt is not None:
            self.host.note("lost", self.doubt)

    def say(self, text):
        self.transport.write(text.encode() + b"\r\n")

    def close_if_idle(self):
        if not self.is_body and self.doubt is None:
            self.transport.close()

    def data_received(self, data):
        self.doubt = None
        self.rest += data
        while not self.transport.is_closing() and (self.take_body() if self.is_body
                                                   else self.take_line()):
            pass

    def take_line(self):
        line, end, rest = self.rest.partition(b"\r\n")
        if not end:
            return False
        self.rest = rest
        verb, _, argument = line.decode("utf-8", "replace").partition(" ")
        getattr(self, f"on_{verb.lower()}", self.on_other)(argument)
        return True

    def on_ehlo(self, _argument):
        self.reset()
        self.say("250-receiver.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0")

    def on_mail(self, argument):
        self.reset()
        if self.host.mood == "drop" and self.host.happens(4):
            self.transport.abort()
        elif self.host.mood == "down":
            self.say("421 4.3.2 going down")
            self.transport.close()
        else:
            self.sender = argument
            self.say("250 2.1.0 ok")

    def on_rcpt(self, argument):
        address = argument.partition("<")[2].partition(">")[0]
        mood = self.host.mood
        if self.host.keeps and ".keep@" in address or \
                mood == "defer" and self.host.happens(2):
            self.host.note("no", [address])
            self.say("450 4.2.1 later")
        elif mood == "refuse" and self.host.happens(20):
            self.host.note("no", [address])
            self.say("550 5.1.1 never")
        else:
            self.recipients.append(address)
            self.say("250 2.1.5 ok")

    def on_data(self, _argument):
        if not self.recipients:
            self.say("554 5.5.1 no valid recipients")
        else:
            self.is_body = True
            self.say("354 go on")

    def on_rset(self, _argument):
        self.reset()
        self.say("250 2.0.0 ok")

    def on_quit(self, _argument):
        self.say("221 2.0.0 bye")
        self.transport.close()

    def on_other(self, _argument):
        self.say("500 5.5.2 what?")

    def reset(self):
        self.sender, self.recipients = None, []

    def take_body(self):
        if self.host.mood == "drop" and self.host.happens(4):
            self.transport.abort()
            return False
        if self.rest.startswith(b".\r\n"):
            end, after = 0, 3
        else:
            end = self.rest.find(b"\r\n.\r\n")
            if end < 0:
                return False
            end, after = end + 2, end + 5
        body, self.rest = self.rest[:end], self.rest[after:]
        self.is_body = False
        self.decide(body.replace(b"\r\n..", b"\r\n."))
        return True

    def decide(self, body):
        host = self.host
        if host.mood == "drop" and host.happens(4):
            self.transport.abort()
        elif host.happens({"defer": 2, "refuse": 20}.get(host.mood, 1 << 62)):
            host.note("no", self.recipients)
            self.say("451 4.3.0 not now" if host.mood == "defer" else "554 5.6.0 not this")
        else:
            found = ID.search(body)
            host.note("took", self.recipients, found.group(1).decode() if found else "",
                      is_whole(body))
            self.doubt = self.recipients
            wait_s = 0.02 + 0.1 * host.random.random() if host.mood == "slow" else 0
            asyncio.get_running_loop().call_later(wait_s, self.answer)
        self.reset()

    def answer(self):
        if not self.transport.is_closing():
            self.say("250 2.0.0 taken")


async def serve(port, journal, seed):
    host = Host(port, journal, seed)
    await host.open()
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    print("ready", flush=True)
    while line := await orders.readline():
        await host.set_mood(line.decode().strip())
        print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], sys.argv[3]))

"""Ports, sockets, and a client that says exactly the bytes it is told to."""
import os
import pathlib
import random
import re
import socket


FIRST_PORT = 10000
ENVELOPE = b"MAIL FROM:<a@b>\r\nRCPT TO:<to@example.test>\r\nDATA\r\n" # to be sent in one go


def free_port():
    """Below those that the kernel gives to connections, where it can be: before a slow server listens
    on one of those, any connection of this machine may have got it."""
    first_given = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    while True:
        port = random.randrange(FIRST_PORT, first_given) if first_given > FIRST_PORT else 0
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return probe.getsockname()[1]
            except OSError:
                pass # somebody has it


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), 2).close()
        return True
    except OSError:
        return False


def sockets(pid):
    """How many a process has open."""
    count = 0
    for entry in os.listdir(f"/proc/{pid}/fd"):
        try:
            count += os.readlink(f"/proc/{pid}/fd/{entry}").startswith("socket:")
        except FileNotFoundError:
            pass
    return count


class Closed(Exception):
    """The server ended the connection where a reply was expected."""


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = int(lines[0][:3])
        self.text = "\n".join(line[4:] for line in lines)
        enhanced = re.match(r"\d\.\d{1,3}\.\d{1,3}(?= |$)", self.text)
        self.enhanced = enhanced.group() if enhanced else None

    def __repr__(self):
        return " | ".join(self.lines)


class Client:
    """One SMTP connection. Every wait has a limit; nothing is added to what is sent."""

    def __init__(self, port, seconds=20, greet=True, helo="client.test"):
        self.socket = socket.create_connection(("127.0.0.1", port), seconds)
        self.socket.settimeout(seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._rest = b""
        if greet:
            self.greeting = self.reply()
            assert self.greeting.code == 220, self.greeting
            self.ehlo = self.command(f"EHLO {helo}")

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        while b"\n" not in self._rest:
            try:
                more = self.socket.recv(65536)
            except ConnectionResetError:
                more = b""
            if not more:
                raise Closed(repr(self._rest))
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "backslashreplace")

    def is_silent(self, seconds=0.25):
        """Not an octet, and no end, for so long."""
        usual = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(usual)

    def ends_how(self):
        """What comes until the end: octets, and "FIN" or "RST"."""
        got, self._rest = self._rest, b""
        while True:
            try:
                more = self.socket.recv(1 << 20)
            except ConnectionResetError:
                return got, "RST"
            if not more:
                return got, "FIN"
            got += more

    def reply(self):
        lines = [self.line()]
        while lines[-1][3:4] == "-":
            lines.append(self.line())
        return Reply(lines)

    def command(self, text):
        self.send(text.encode() + b"\r\n")
        return self.reply()

    def start(self, sender="from@client.test", recipients=("to@example.test",), parameters=""):
        """MAIL and RCPT; the replies of RCPT."""
        reply = self.command(f"MAIL FROM:<{sender}>{parameters}")
        assert reply.code == 250, reply
        return [self.command(f"RCPT TO:<{r}>") for r in recipients]

    def content(self, data):
        """DATA, `data` as it stands, the end of data; the reply to that."""
        reply = self.command("DATA")
        assert reply.code == 354, reply
        self.send(data + b".\r\n")
        return self.reply()

    def deliver(self, data=b"Subject: test\r\n\r\nbody\r\n", **envelope):
        for reply in self.start(**envelope):
            assert reply.code == 250, reply
        return self.content(data)

    def quit(self):
        reply = self.command("QUIT")
        self.close()
        return reply

    def close(self):
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

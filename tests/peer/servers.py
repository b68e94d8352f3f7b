"""Receiving servers: one that counts fast, one that says what a test wants."""
import asyncio
import base64
import hmac
import logging
import os
import re
import ssl
import subprocess
import threading
import time

from .net import free_port, listens
from .suite import end_process, wait_for


logging.getLogger("asyncio").setLevel(logging.ERROR) # peers that are gone are what tests are about


class CountingSink:
    """Postfix's smtp-sink: takes everything, counts messages and sessions."""

    def __init__(self, scratch, port=None, options=()):
        self.scratch, self.options = scratch, options
        self.port = port or free_port()
        self._before = [0, 0]
        self._process = None
        self._runs = 0
        self.start()
        scratch.on_close(self.stop)

    def start(self):
        self._runs += 1
        self._count = self.scratch.path(f"sink-{self.port}-{self._runs}.count")
        command = ["smtp-sink", "-c", "-m", "2000", "-h", "sink.test", *self.options]
        if os.geteuid() == 0:
            command += ["-u", "nobody"]
        with open(self._count, "wb") as out:
            self._process = subprocess.Popen([*command, f"127.0.0.1:{self.port}", "1024"],
                                             stdin=subprocess.DEVNULL, stdout=out,
                                             stderr=subprocess.DEVNULL)
        wait_for(f"smtp-sink on port {self.port}", lambda: listens(self.port))

    def stop(self):
        if self._process is None:
            return
        end_process(self._process)
        self._process = None
        self._before = [a + b for a, b in zip(self._before, self._now())]

    def _now(self):
        try:
            text = self._count.read_bytes()[-200:].decode("ascii", "replace")
        except OSError:
            return [0, 0]
        found = re.findall(r"sess=(\d+) quit=\d+ mesg=(\d+)", text)
        return [int(n) for n in found[-1]] if found else [0, 0]

    def _figure(self, which):
        return self._before[which] + (self._now()[which] if self._process else 0)

    @property
    def sessions(self):
        return self._figure(0)

    @property
    def messages(self):
        return self._figure(1)


class Message:
    def __init__(self, server, sender, recipients, body, session):
        self.server, self.sender, self.recipients, self.body = server, sender, recipients, body
        self.tls = session.version() if session else None
        self.client = session.getpeercert() if session else None # verified; {}: none was asked for
        self.when = time.monotonic()


class later:
    """As a reply: `text`, so many seconds from now."""

    def __init__(self, seconds, text):
        self.seconds, self.text = seconds, text


def _session_of(writer):
    return writer.get_extra_info("ssl_object")


HANG = object() # as a reply: none, ever
DROP = object() # as a reply: the connection is closed instead


class Login:
    """What a server knows of names and passwords, and how it asks for them."""

    def __init__(self, name, password, mechanisms=("PLAIN", "LOGIN", "CRAM-MD5"),
                 only_in_tls=False, broken=()):
        """`broken`: mechanisms that are offered and then refused with 504."""
        self.name, self.password = name, password
        self.mechanisms, self.only_in_tls, self.broken = mechanisms, only_in_tls, broken
        self.used = [] # mechanisms by which somebody got in

    async def talk(self, argument, reader, writer):
        mechanism, _, first = argument.partition(" ")
        if mechanism in self.broken or mechanism not in self.mechanisms:
            return b"504 5.5.4 not that one\r\n"

        async def ask(question):
            writer.write(b"334 " + base64.b64encode(question) + b"\r\n")
            return base64.b64decode((await reader.readuntil(b"\n")).strip())
        if mechanism == "XOAUTH2":
            return await self._talk_token(first or (await reader.readuntil(b"\n")).strip(), ask)
        if mechanism == "PLAIN":
            said = base64.b64decode(first) if first else await ask(b"")
            is_right = said == f"\0{self.name}\0{self.password}".encode()
        elif mechanism == "LOGIN":
            said = (await ask(b"Username:"), await ask(b"Password:"))
            is_right = said == (self.name.encode(), self.password.encode())
        else:
            question = b"<1896.697170952@sink.test>"
            proof = hmac.new(self.password.encode(), question, "md5").hexdigest()
            is_right = await ask(question) == f"{self.name} {proof}".encode()
        if not is_right:
            return b"535 5.7.8 wrong\r\n"
        self.used.append(mechanism)
        return b"235 2.7.0 in\r\n"

    async def _talk_token(self, said, ask):
        """`password` is a set of tokens here."""
        want = [f"user={self.name}\1auth=Bearer {token}\1\1".encode() for token in self.password]
        if base64.b64decode(said) not in want:
            assert await ask(b'{"status":"401"}') == b""
            return b"535 5.7.8 no such token\r\n"
        self.used.append("XOAUTH2")
        return b"235 2.7.0 in\r\n"


class ScriptedServer:
    """An SMTP server whose every reply can be set, before or during a test.

    `replies` maps a verb ("CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "END", "RSET", "QUIT") to a
    reply text, to HANG, DROP or later(), or to a function of (server, argument) that returns one of
    these or None for the usual. A 2xx to END means the message is kept in `journal`, which several servers
    may share to learn their common order."""

    USUAL = {"CONNECT": "220 {name} ESMTP", "HELO": "250 {name}", "MAIL": "250 2.1.0 ok",
             "RCPT": "250 2.1.5 ok", "DATA": "354 go on", "END": "250 2.0.0 taken",
             "STARTTLS": "220 2.0.0 go ahead", "RSET": "250 2.0.0 ok",
             "NOOP": "250 2.0.0 ok", "QUIT": "221 2.0.0 bye"}

    def __init__(self, scratch, name="sink.test", port=None, journal=None, replies=None,
                 extensions=("PIPELINING", "8BITMIME", "SIZE 0"), tls=None, smtps=False,
                 login=None):
        """`tls`: a server context; it is offered with STARTTLS, or with `smtps` there from the
        first byte. `login`: a Login, whose mechanisms are offered."""
        self.name, self.extensions = name, extensions
        self.tls, self.smtps, self.login = tls, smtps, login
        self.handshakes, self.resumed = 0, 0
        self.port = port or free_port()
        self.journal = journal if journal is not None else []
        self.replies = dict(replies or {})
        self.connections = 0
        self.ends = 0 # how often an end of data was read
        self.commands = []
        self._loop = asyncio.new_event_loop()
        self._server = None
        self._writers = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.start()
        scratch.on_close(self.close)

    @property
    def messages(self):
        return [m for m in self.journal if m.server is self]

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(20)

    def start(self):
        async def begin():
            self._server = await asyncio.start_server(self._session, "127.0.0.1", self.port,
                                                      limit=1 << 27, backlog=512,
                                                      ssl=self.tls if self.smtps else None)
        self._call(begin())

    def stop(self):
        """Refuses and cuts everything, as a host that is gone."""
        async def end():
            if self._server is not None:
                self._server.close()
                self._server = None
            for writer in list(self._writers):
                writer.transport.abort()
        self._call(end())

    def close(self):
        self.stop()

        async def cancel():
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
        self._call(cancel())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def _reply_to(self, verb, argument, is_secured):
        reply = self.replies.get(verb)
        if callable(reply):
            reply = reply(self, argument)
        if reply is not None:
            return reply
        if verb == "EHLO":
            lines = [self.name, *self.extensions]
            if self.tls and not is_secured:
                lines.append("STARTTLS")
            if self.login and (is_secured or not self.login.only_in_tls):
                lines.append("AUTH " + " ".join(self.login.mechanisms))
            return "\r\n".join(f"250{'-' if i < len(lines) - 1 else ' '}{line}"
                               for i, line in enumerate(lines))
        return self.USUAL.get(verb, "500 5.5.2 what?").format(name=self.name)

    async def _say(self, writer, verb, argument="", before=None):
        reply = self._reply_to(verb, argument, _session_of(writer) is not None)
        if reply is HANG:
            await asyncio.Event().wait()
        if reply is DROP:
            raise ConnectionError
        if isinstance(reply, later):
            await asyncio.sleep(reply.seconds)
            reply = reply.text
        if before is not None and reply[0] == "2":
            before()
        writer.write(reply.encode() + b"\r\n")
        return reply

    async def _session(self, reader, writer):
        self.connections += 1
        self._writers.add(writer)
        self._count_handshake(writer)
        try:
            if (await self._say(writer, "CONNECT"))[0] == "2":
                await self._commands(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError,
                ssl.SSLError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def _count_handshake(self, writer):
        session = _session_of(writer)
        if session is not None:
            self.handshakes += 1
            self.resumed += session.session_reused

    async def _secure(self, writer):
        await writer.drain()
        await writer.start_tls(self.tls)
        self._count_handshake(writer)

    async def _commands(self, reader, writer):
        sender, recipients = None, []
        while True:
            line = (await reader.readuntil(b"\n")).rstrip(b"\r\n").decode("utf-8", "replace")
            verb, _, argument = line.partition(" ")
            verb = verb.upper()
            self.commands.append(line if verb != "AUTH" else " ".join(line.split()[:2]))
            if verb == "AUTH" and self.login and verb not in self.replies:
                writer.write(await self.login.talk(argument, reader, writer))
                continue
            if verb == "RCPT" and sender is None:
                writer.write(b"503 5.5.1 MAIL first\r\n")
                continue
            reply = await self._say(writer, verb, argument)
            if reply[:3] == "421" or verb == "QUIT":
                await writer.drain()
                return
            if verb == "STARTTLS" and reply[:3] == "220":
                await self._secure(writer)
            elif verb == "MAIL" and reply[0] == "2":
                sender, recipients = argument.partition(":")[2], []
            elif verb == "RCPT" and reply[0] == "2":
                recipients.append(argument.partition(":")[2].strip().strip("<>"))
            elif verb == "DATA" and reply[0] == "3":
                body = await self._read_body(reader)
                self.ends += 1
                if not recipients:  # as RFC 2920 wants after an early DATA
                    writer.write(b"554 5.5.1 no valid recipients\r\n")
                    continue
                message = Message(self, sender, recipients, body, _session_of(writer))
                reply = await self._say(writer, "END", body,
                                        lambda: self.journal.append(message))
                if reply[:3] == "421":
                    await writer.drain()
                    return
            elif verb in ("RSET", "EHLO", "HELO"):
                sender, recipients = None, []

    @staticmethod
    async def _read_body(reader):
        """Ends with a line that is a dot, lines being ended by CRLF and by nothing else."""
        lines = []
        while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
            lines.append(line[1:] if line.startswith(b".") else line)
        return b"".join(lines)


def count_by_server(servers):
    return [len(s.messages) if isinstance(s, ScriptedServer) else s.messages for s in servers]


def smtp_source(port, count, sessions=50, size=1024, recipient="to@example.test", reuse=True,
                seconds=110, options=()):
    """Postfix's smtp-source: `count` messages; AssertionError if one was not taken."""
    command = ["smtp-source", "-s", str(sessions), "-m", str(count), "-l", str(size), "-C", "100",
               "-M", "client.test", "-f", "from@client.test", "-t", recipient, *options]
    if reuse:
        command.append("-d")
    done = subprocess.run([*command, f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds)
    assert done.returncode == 0, f"smtp-source: {done.stdout}"

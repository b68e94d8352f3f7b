"""An SMTP server that goes wrong in its TLS, at the very octet where it is told to.

    peer = TlsPeer(t, Context(paper), "flight: half, stall")

A fault is a place in a session, and what happens there; without one all is well. Places:

    220         it is about to answer STARTTLS
    hello       it has a connection, or has said 220, and is about to read the ClientHello
    flight      ... to send all that it says from the ServerHello on
    finished    ... to go on after the client's Finished
    CONNECT, EHLO, AUTH, MAIL, RCPT, DATA, END
                ... to answer, in TLS (CONNECT: with its greeting)
    BODY        ... to read what follows DATA
    idle        it has taken a message and is about to read on

What happens is a list of words, done one after the other; "usual" sends what was about to be sent,
without it that is not sent:

    stall       nothing any more            close, reset    of the TCP connection, without a word
    half        the first half of what was about to be sent; of the octets on the wire: torn
    slow        an octet of it at a time, ten in a second
    alert       a fatal alert, in clear     broken          ... in TLS, as after a bad record
    clear       an SMTP reply in clear      inject          the usual, and at once more
    garbage     a record that is none       forged          one whose octets are not what was sealed
    goodbye     close_notify                renegotiate     HelloRequest (TLS 1.2)
    flood       key updates without end (TLS 1.3), nothing is read any more

A session in clear never has a fault: there it is a good server, with AUTH PLAIN for everybody."""
import select
import socket
import struct
import threading
import time

from .engine import Broken, Engine

PATIENCE_S = 60
MOST = 1 << 16
ALERT = b"\x15\x03\x03\x00\x02\x02\x28" # fatal, handshake_failure
GARBAGE = b"\x99\x03\x03\x00\x20" + bytes(range(32))
FORGED = b"\x17\x03\x03\x00\x20" + bytes(range(32))
INJECTED = b"250-evil.test\r\n250 AUTH PLAIN\r\n250 2.1.0 ok\r\n"

REPLIES = {"CONNECT": b"220 tls.test ESMTP\r\n", "AUTH": b"235 2.7.0 in\r\n",
           "MAIL": b"250 2.1.0 ok\r\n", "RCPT": b"250 2.1.5 ok\r\n", "DATA": b"354 go on\r\n",
           "END": b"250 2.0.0 taken\r\n", "RSET": b"250 2.0.0 ok\r\n",
           "QUIT": b"221 2.0.0 bye\r\n", "STARTTLS": b"220 2.0.0 go ahead\r\n"}


class Over(Exception):
    """This session is."""


class Taken:
    """A message, as of the reading of its end of data."""

    def __init__(self, recipients, tls):
        self.recipients, self.tls, self.when = recipients, tls, time.monotonic()


class TlsPeer:
    """`context`: an engine.Context; `after`: so many messages are taken first; `times`: how often
    the fault happens."""

    def __init__(self, scratch, context, fault="", smtps=False, after=0, times=1 << 30):
        where, _, what = fault.partition(": ")
        self.context, self.where, self.what, self.smtps = context, where, what.split(", "), smtps
        self.after, self.times = after, times
        self.connections, self.happened = 0, 0
        self.messages, self.in_clear, self.in_tls = [], [], [] # commands
        self.broken = [] # why sessions were no more, in OpenSSL's words
        self.lived = [] # seconds from the fault to the end, where the client made it
        self._sessions = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        # Little can be on its way to one that does not read.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 15)
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        scratch.on_close(self.close)

    @property
    def uri(self):
        return f"{'smtps' if self.smtps else 'smtp'}://127.0.0.1:{self.port}"

    def _accept(self):
        while True:
            try:
                connection = self._listener.accept()[0]
            except OSError:
                return
            with self._lock:
                self.connections += 1
                session = _Session(self, connection)
                self._sessions.add(session)
                self._threads.append(threading.Thread(target=session.run, daemon=True))
            self._threads[-1].start()

    def gone(self, session):
        with self._lock:
            self._sessions.discard(session)

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._threads[0].join(10)
        with self._lock:
            for session in self._sessions:
                session.cut()
        for thread in self._threads[1:]:
            thread.join(10)


class _Session:
    def __init__(self, peer, connection):
        self.peer, self.socket = peer, connection
        self.socket.settimeout(PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.engine = None
        self.is_secured = False
        self.rest = b""
        self.recipients = []

    def run(self):
        try:
            if self.peer.smtps:
                self.secure()
            self.answer("CONNECT", REPLIES["CONNECT"])
            while True:
                self.command(self.line().decode("utf-8", "backslashreplace"))
        except (Over, OSError):
            pass
        except Broken as broken:
            self.peer.broken.append(str(broken))
            self.say_last_words()
        finally:
            self.peer.gone(self)
            self.socket.close()

    def say_last_words(self):
        """The alert, which a close with something unread would take along."""
        try:
            self.flush()
            self.do_close(b"")
        except (Over, OSError):
            pass

    def cut(self):
        """From another thread."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    # ---- octets ----

    def flush(self):
        """What TLS has to say by itself."""
        if self.engine is not None:
            self.socket.sendall(self.engine.take())

    def say(self, text):
        self.socket.sendall(self.sealed(text))

    def sealed(self, text):
        if not self.is_secured:
            return text
        self.engine.write(text)
        return self.engine.take()

    def more(self):
        octets = self.socket.recv(MOST)
        if not octets:
            raise Over
        return octets

    def read(self):
        if not self.is_secured:
            return self.more()
        while not (text := self.engine.read()):
            self.flush()
            self.engine.feed(self.more())
        return text

    def until(self, end):
        while end not in self.rest:
            self.rest += self.read()
        found, _, self.rest = self.rest.partition(end)
        return found

    def line(self):
        return self.until(b"\r\n")

    # ---- TLS ----

    def secure(self):
        self.engine = Engine(self.peer.context)
        self.reach("hello", b"")
        while not self.engine.shake() and not (flight := self.engine.take()):
            self.engine.feed(self.more())
        self.reach("flight", flight)
        while not self.engine.shake():
            self.flush()
            self.engine.feed(self.more())
        self.is_secured = True
        self.reach("finished", self.engine.take())

    # ---- SMTP ----

    def command(self, line):
        peer, verb = self.peer, line.partition(" ")[0].upper()
        (peer.in_tls if self.is_secured else peer.in_clear).append(line)
        if verb == "STARTTLS":
            self.reach("220", REPLIES[verb])
            self.secure()
            return
        if verb == "MAIL":
            self.recipients = []
        elif verb == "RCPT":
            self.recipients.append(line.partition("<")[2].partition(">")[0])
        self.answer(verb, self.extensions() if verb == "EHLO" else
                    REPLIES.get(verb, b"500 5.5.2 what?\r\n"))
        if verb == "QUIT":
            raise Over
        if verb == "DATA":
            self.body()

    def extensions(self):
        starttls = b"" if self.peer.smtps or self.is_secured else b"250-STARTTLS\r\n"
        return b"250-tls.test\r\n" + starttls + b"250 AUTH PLAIN\r\n"

    def body(self):
        self.reach("BODY", b"")
        self.rest = b"\r\n" + self.rest
        self.until(b"\r\n.\r\n")
        self.peer.messages.append(
            Taken(self.recipients, self.engine.version if self.is_secured else None))
        self.answer("END", REPLIES["END"])
        self.reach("idle", b"")

    def answer(self, verb, reply):
        if self.is_secured:
            self.reach(verb, reply)
        else:
            self.say(reply)

    # ---- faults ----

    def reach(self, where, usual):
        """`usual`: what is about to be sent: sealed in the handshake, to be sealed after it."""
        peer = self.peer
        taken = len(peer.messages) - (where == "END") # which is about this one
        if where == peer.where and taken >= peer.after and peer.happened < peer.times:
            peer.happened += 1
            for word in peer.what:
                getattr(self, f"do_{word}")(usual)
        elif where == "flight" or where == "finished":
            self.socket.sendall(usual)
        elif usual:
            self.say(usual)

    def on_wire(self, usual):
        return usual if self.peer.where in ("flight", "finished") else self.sealed(usual)

    def until_gone(self):
        """Reads nothing, so that whatever comes stays where it is."""
        began, poll = time.monotonic(), select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        if poll.poll(PATIENCE_S * 1000):
            self.peer.lived.append(time.monotonic() - began)

    def do_usual(self, usual):
        self.socket.sendall(self.on_wire(usual))

    def do_stall(self, _usual):
        self.until_gone()
        raise Over

    def do_close(self, _usual):
        self.socket.shutdown(socket.SHUT_WR)
        self.until_gone()
        raise Over

    def do_reset(self, _usual):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Over

    def do_half(self, usual):
        self.say(usual[:len(usual) // 2])

    def do_torn(self, usual):
        octets = self.on_wire(usual)
        self.socket.sendall(octets[:len(octets) // 2])

    def do_slow(self, usual):
        began = time.monotonic()
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        for octet in self.on_wire(usual):
            self.socket.sendall(bytes((octet,)))
            if poll.poll(100):
                self.peer.lived.append(time.monotonic() - began)
                raise Over

    def do_alert(self, _usual):
        self.socket.sendall(ALERT)
        self.do_close(_usual)

    def do_broken(self, _usual):
        self.engine.feed(GARBAGE)
        try:
            self.engine.read()
        except Broken:
            self.flush()
        self.do_close(_usual)

    def do_clear(self, _usual):
        self.socket.sendall(b"250 2.0.0 taken\r\n")

    def do_inject(self, usual):
        self.say(usual + INJECTED)

    def do_garbage(self, _usual):
        self.socket.sendall(GARBAGE)

    def do_forged(self, _usual):
        self.socket.sendall(FORGED)

    def do_goodbye(self, _usual):
        self.engine.say_goodbye()
        self.flush()

    def do_renegotiate(self, _usual):
        self.engine.renegotiate()
        self.flush()

    def do_flood(self, _usual):
        began = time.monotonic()
        try:
            while True:
                for _ in range(500):
                    self.engine.update_key()
                self.flush()
        except OSError:
            self.peer.lived.append(time.monotonic() - began)
            raise Over from None

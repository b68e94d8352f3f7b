"""What may go wrong with an answer, and when.

    server.faults.add("chunk", Status(503, nginx_page(503)))         # the next one
    fault = server.faults.add("close_file", Cut("done"), nth=3)      # the third from now on
    server.faults.add("*", Hang(), times=None)                       # all, until clear()
    suite.wait_for("it happened", lambda: fault.happened)

Calls have the names that a server's CALLS give them. Whether a call whose answer is lost was done is
the difference that counts to a client that asks again: "done" means that it was."""
import threading
import time

from .web_message import Over, Reply


def nginx_page(status, words="Error"):
    return (f"<html>\r\n<head><title>{status} {words}</title></head>\r\n<body>\r\n"
            f"<center><h1>{status} {words}</h1></center>\r\n<hr><center>nginx</center>\r\n"
            f"</body>\r\n</html>\r\n")


class Fault:
    """As it is: none. Each kind overrides what it changes."""

    happened = 0

    def on_head(self, session, request):
        """The head was read, the body was not."""

    def on_body(self, session, request, received):
        """So much of the body was read."""

    def answer(self, session, request, do):
        return do(request)

    def send(self, session, reply):
        session.send(reply.octets())


NONE = Fault()


class Status(Fault):
    """This answer; nothing is done. Text is a page of HTML."""

    def __init__(self, status, body=b""):
        self.status, self.body = status, body

    def reply(self):
        return Reply(self.status, self.body,
                     "text/html" if isinstance(self.body, str) else "application/json")

    def answer(self, session, request, do):
        return self.reply()


class Early(Status):
    """This answer before the body was read, and then the end. Who does not linger, resets what the
    client is still sending, and often the answer with it."""

    def __init__(self, status, body=b"", lingers=True):
        super().__init__(status, body)
        self.lingers = lingers

    def on_head(self, session, request):
        reply = self.reply()
        request.status = reply.status
        session.send(reply.octets("Connection: close\r\n"))
        if self.lingers:
            session.linger()
        raise Over


class Late(Fault):
    """Done, and answered after so many seconds."""

    def __init__(self, seconds):
        self.seconds = seconds

    def answer(self, session, request, do):
        reply = do(request)
        session.wait(self.seconds)
        return reply


class Trickle(Fault):
    """Done, and answered an octet at a time, over so many seconds."""

    def __init__(self, seconds):
        self.seconds = seconds

    def send(self, session, reply):
        octets = reply.octets()
        for octet in octets:
            session.send(bytes((octet,)))
            session.wait(self.seconds / len(octets))


class _At(Fault):
    """Something for ever at one place: "head" (the body is not read), "body" (in its middle),
    "answer" (all was read and nothing done), "done" (and not answered), "middle" (half answered)."""

    PLACES = ("head", "body", "answer", "done", "middle")

    def __init__(self, at="answer"):
        assert at in self.PLACES, at
        self.at = at

    def on_head(self, session, request):
        if self.at == "head":
            self.strike(session)

    def on_body(self, session, request, received):
        if self.at == "body" and received * 2 >= request.length:
            self.strike(session)

    def answer(self, session, request, do):
        if self.at == "answer":
            self.strike(session)
        reply = do(request)
        if self.at == "done":
            self.strike(session)
        return reply

    def send(self, session, reply):
        octets = reply.octets()
        session.send(octets[:len(octets) // 2] if self.at == "middle" else octets)
        if self.at == "middle":
            self.strike(session)


class Hang(_At):
    """Neither reads nor says anything any more."""

    def strike(self, session):
        session.wait()


class Cut(_At):
    """The end of the connection; with what was not read of it yet, a reset."""

    def strike(self, session):
        raise Over


class Reset(_At):
    def strike(self, session):
        session.reset()


class HangUp(Fault):
    """A good answer, and then the end without a word of it: the client holds an idle connection that
    is none."""

    def send(self, session, reply):
        session.send(reply.octets())
        raise Over


class NoLength(Fault):
    """A good answer whose end is the connection's."""

    def send(self, session, reply):
        octets = reply.octets()
        head, _, body = octets.partition(b"\r\n\r\n")
        lines = [l for l in head.split(b"\r\n") if not l.startswith(b"Content-Length")]
        session.send(b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + body)
        raise Over


class Garbage(Fault):
    """Octets that are no HTTP; nothing is done."""

    def answer(self, session, request, do):
        session.send(b"220 mail.test ESMTP\r\n\0\xff" * 20)
        raise Over


class _Rule:
    def __init__(self, call, fault, nth, times, where):
        self.call, self.fault, self.where = call, fault, where
        self.first, self.last = nth, None if times is None else nth + times - 1
        self.seen = 0

    def matches(self, request):
        """Counts those that it looks at."""
        if self.call not in ("*", request.call) or (self.where and not self.where(request)):
            return False
        self.seen += 1
        return self.seen >= self.first and (self.last is None or self.seen <= self.last)


class Faults:
    def __init__(self):
        self._rules, self._lock = [], threading.Lock()

    def add(self, call, fault, nth=1, times=1, where=None):
        """`call` or "*"; from the `nth` on so many `times`, None: always; `where`: a function of the
        request (its body is not there yet). The first that matches happens. Returns the fault."""
        fault.happened, fault.when = 0, None
        with self._lock:
            self._rules.append(_Rule(call, fault, nth, times, where))
        return fault

    def clear(self):
        with self._lock:
            self._rules.clear()

    def pick(self, request):
        with self._lock:
            matching = [rule.fault for rule in self._rules if rule.matches(request)]
            if not matching:
                return NONE
            matching[0].happened += 1
            matching[0].when = time.monotonic()
            return matching[0]

#!/usr/bin/python3
"""A MetaDefender Core as far as its documented REST API tells.

    core = CoreServer(t, seconds=0.5)       # core.url is what a profile's server is
    core.block(b"EVIL", "Infected")         # the verdict on a file that holds these octets
    core.scans                              # in the order of submission
    core.by_name("invoice.pdf")[0].polls    # when its result was asked for

Calls: submit, result, version, readyz, cancel, lookup (GET /hash/...), rules. What one has taken no
other knows: its answer is {"<data_id>": "Not Found"}, with 404.

What the documentation leaves open is decided so: `filename` is percent-encoded; a rule that is not
there is a 400; a cancelled scan has the result "Blocked" with the index 19; a file that is too large is
a 500 here too, as documented for one to be fetched.

`python3 core_server.py [PORT [SECONDS]]` is one as a process of its own (web.run_alone)."""
import collections
import json
import pathlib
import sys
import time
import urllib.parse
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from peer.web import WebServer, run_alone
from peer.web_message import Reply

TOO_LARGE = "Failed to request scan. File size exceeded the maximum size permitted by your " \
            "configuration."
CLEAN, INFECTED, CANCELLED, IN_PROGRESS = 0, 1, 19, 255
WORDS = {CLEAN: "No Threat Detected", INFECTED: "Infected", CANCELLED: "Canceled",
         IN_PROGRESS: "In Progress"}


class Wrong(Exception):
    """An answer other than 200: (status, text)."""


class Scan:
    """`polls`: monotonic times. `bytes` None: more than the server `keeps`."""

    def __init__(self, request, core):
        body, fields = request.body, request.fields
        self.id, self.began, self.polls = uuid.uuid4().hex, time.monotonic(), []
        self.raw_name = fields.get("filename", "")
        self.name = urllib.parse.unquote(self.raw_name, errors="replace")
        self.rule, self.user_agent = fields.get("rule"), fields.get("user_agent")
        self.metadata = json.loads(fields["metadata"]) if "metadata" in fields else None
        self.size = body.size
        self.bytes = body.bytes if body.size <= core.keeps else None
        self.sha256, self.md5, self.sha1 = (body.digest(n) for n in ("sha256", "md5", "sha1"))
        self.reason = next((reason for marker, reason in core.markers if body.holds(marker)), "")
        self.is_cancelled = False
        self.ends_after_polls, self.ends_after_s = core.polls, core.seconds

    def is_over(self):
        polls_are_enough = self.ends_after_polls == 0 or len(self.polls) > self.ends_after_polls
        return self.is_cancelled or (polls_are_enough and
                                     time.monotonic() >= self.began + self.ends_after_s)

    @property
    def spacing(self):
        """Seconds between polls, the first being counted from the submission."""
        times = [self.began, *self.polls]
        return [after - before for before, after in zip(times, times[1:])]


class CoreServer(WebServer):
    """A scan is over when so many `polls` said that it is not, and `seconds` have passed. In the first
    `silent` answers there is no process_info. `keys` None: anybody may come; `rules`: the names there
    are, None: any; `queue`: so many scans under way, then 503; `largest`: octets of a file."""

    CALLS = [
        ("submit", "POST", "/file"), ("rules", "GET", "/file/rules"),
        ("result", "GET", "/file/([^/]+)"), ("cancel", "POST", "/file/([^/]+)/cancel"),
        ("lookup", "GET", "/hash/([^/]+)"), ("version", "GET", "/version"),
        ("readyz", "GET", "/readyz"),
    ]

    def __init__(self, scratch=None, polls=0, seconds=0, silent=0, keys=None, rules=None, queue=None,
                 largest=None, **options):
        self.polls, self.seconds, self.silent = polls, seconds, silent
        self.keys, self.rules, self.queue, self.largest = keys, rules, queue, largest
        self.markers, self.is_ready, self.keeps = [], True, 1 << 20
        self._scans, self.strangers = {}, collections.Counter() # ids asked for that it never gave
        super().__init__(**options)
        if scratch is not None:
            scratch.on_close(self.close)

    def block(self, marker, reason="Infected"):
        self.markers.append((marker, reason))

    def forget(self):
        """Its data, as after a clean-up."""
        with self.lock:
            self._scans.clear()

    # ---- what it knows ----

    @property
    def scans(self):
        with self.lock:
            return list(self._scans.values())

    def by_name(self, name):
        return [scan for scan in self.scans if scan.name == name]

    def report(self):
        with self.lock:
            return super().report() | {
                "scans": len(self._scans), "octets": sum(s.size for s in self._scans.values()),
                "polls": sum(len(s.polls) for s in self._scans.values()),
                "unfinished": self._waiting(), "strangers": sum(self.strangers.values())}

    def _waiting(self):
        return sum(not scan.is_over() for scan in self._scans.values())

    # ---- calls ----

    def answer(self, request):
        try:
            return super().answer(request)
        except Wrong as wrong:
            return Reply(wrong.args[0], {"err": wrong.args[1]})

    def _key(self, request):
        if self.keys is not None and request.fields.get("apikey") not in self.keys:
            raise Wrong(403, "Access denied")

    def on_submit(self, request):
        self._key(request)
        if request.length is None:
            raise Wrong(411, "Missing Content-Length header.")
        if request.body.size == 0:
            raise Wrong(422, "File is empty.")
        if self.largest is not None and request.body.size > self.largest:
            raise Wrong(500, TOO_LARGE)
        if self.queue is not None and self._waiting() >= self.queue:
            raise Wrong(503, "Server is too busy. Try again later.")
        rule = request.fields.get("rule")
        if rule is not None and self.rules is not None and \
                urllib.parse.unquote(rule) not in self.rules:
            raise Wrong(400, "Invalid rule")
        try:
            scan = Scan(request, self)
        except ValueError:
            raise Wrong(400, "Invalid metadata") from None
        self._scans[scan.id] = scan
        return Reply(200, {"data_id": scan.id})

    def on_result(self, request, data_id):
        self._key(request)
        scan = self._scans.get(data_id)
        if scan is None:
            self.strangers[data_id] += 1
            return Reply(404, {data_id: "Not Found"})
        scan.polls.append(time.monotonic())
        return Reply(200, self._result(scan))

    def _result(self, scan):
        is_over = scan.is_over()
        index = IN_PROGRESS if not is_over else CANCELLED if scan.is_cancelled else \
            INFECTED if scan.reason else CLEAN
        progress = 100 if is_over else min(99, 10 * len(scan.polls))
        answer = {
            "data_id": scan.id,
            "file_info": {"display_name": scan.name, "file_size": scan.size, "md5": scan.md5,
                          "sha1": scan.sha1, "sha256": scan.sha256},
            "scan_results": {"scan_all_result_i": index, "scan_all_result_a": WORDS[index],
                             "progress_percentage": progress, "total_avs": 1, "scan_details": {}}}
        if is_over or len(scan.polls) > self.silent:
            blocked = "Canceled" if scan.is_cancelled else scan.reason
            answer["process_info"] = {
                "progress_percentage": progress, "profile": scan.rule or "File scan",
                "user_agent": scan.user_agent or "", "verdicts": [WORDS[index]],
                "blocked_reason": blocked if is_over else "",
                "result": "Processing" if not is_over else "Blocked" if blocked else "Allowed"}
        return answer

    def on_cancel(self, request, data_id):
        self._key(request)
        scan = self._scans.get(data_id)
        if scan is None:
            return Reply(404, {data_id: "Not Found"})
        scan.is_cancelled = scan.is_cancelled or not scan.is_over()
        return Reply(200, {data_id: "cancelled"})

    def on_lookup(self, request, digest):
        self._key(request)
        for scan in self._scans.values():
            if digest.lower() in (scan.md5, scan.sha1, scan.sha256) and scan.is_over():
                return Reply(200, self._result(scan))
        return Reply(404, {digest: "Not Found"})

    def on_rules(self, _request):
        largest = self.largest or 200_000_000
        return Reply(200, [{"max_file_size": largest, "name": name}
                           for name in self.rules or ["File scan"]])

    def on_version(self, request):
        self._key(request)
        return Reply(200, {"product_id": "MSCL", "version": "5.11.0"})

    def on_readyz(self, request):
        status = 200 if self.is_ready else 503
        if request.query == "verbose=true" or request.query == "verbose":
            return Reply(status, {"scan_queue": {"ready": self.is_ready}})
        return Reply(status, b"")


if __name__ == "__main__":
    run_alone(CoreServer(port=int(sys.argv[1]) if sys.argv[1:] else 0,
                         seconds=float(sys.argv[2]) if sys.argv[2:] else 0))

"""The two sides of the bench: Postern, and a private Postfix that is as fast as it goes without
giving up durability. Each listens on a loopback port and relays everything to one sink."""
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
import meter
from peer.gateway import Gateway
from peer.net import free_port, listens
from peer.postfix_instance import Instance


class Folder:
    """What Gateway wants of a scratch: a folder on the file system that is measured."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self._undo, self.inspections = [], [] # what is left is not looked at: nothing secret here

    def path(self, name):
        return self.folder / name

    def on_close(self, action):
        self._undo.append(action)

    def close(self):
        while self._undo:
            self._undo.pop()()
        shutil.rmtree(self.folder)


class Postern:
    """`properties`: what the profile has beside the usual, or otherwise."""

    def __init__(self, folder, sink, workers, recipients=("*@example.test",), **properties):
        self.name = f"postern-{workers}"
        self._folder = Folder(folder)
        self.gateway = Gateway(self._folder, workers=workers, build="release",
                               segment_size="64M", level="info")
        self.port = self.gateway.port
        self.gateway.put_profile("sink", [sink], **{
            "max_in_flight": 1000, "max_connections": 0,
            "pool": {"enabled": True, "size": 200, "expiry": 60}, **properties})
        self.gateway.put_rule("all", "sink", recipients)
        self.gateway.wait_rules(recipients[0].replace("*", "to"))
        pids = self.gateway.pids()
        self.parts = {"master": pids[:1], "workers": pids[1:]}

    def pids(self):
        return [p for part in self.parts.values() for p in part]

    def cpu(self):
        return {part: sum(meter.exact_seconds(p) for p in pids)
                for part, pids in self.parts.items()}

    def is_empty(self):
        return not self.gateway.queue()

    def stop(self):
        self._folder.close()


MAIN_CF = """\
myhostname = relay.test
myorigin = relay.test
local_recipient_maps =
smtpd_relay_restrictions = permit_mynetworks, reject
relayhost = [127.0.0.1]:{sink}
smtp_helo_name = client.relay.test
message_size_limit = 0
mailbox_size_limit = 0
# More processes than sessions; none is ever started anew during a run.
default_process_limit = 150
max_use = 100000
max_idle = 600s
# Take in as fast as the disk allows, whatever is queued.
in_flow_delay = 0
qmgr_message_active_limit = 100000
qmgr_message_recipient_limit = 100000
# Ten deliveries side by side, each over a connection of its own: on one machine's loopback this
# beats both more of them and Postfix's connection cache.
default_destination_concurrency_limit = 10
initial_destination_concurrency = 10
default_destination_concurrency_failed_cohort_limit = 100
smtp_connection_cache_on_demand = no
# A message that is deferred by accident shall not blur the figures.
minimal_backoff_time = 5s
maximal_backoff_time = 5s
queue_run_delay = 5s
# Nothing is looked up, rewritten, inspected or counted.
smtp_dns_support_level = disabled
smtp_host_lookup = native
smtpd_client_connection_count_limit = 0
smtpd_recipient_restrictions =
receive_override_options = no_address_mappings, no_header_body_checks
local_header_rewrite_clients =
append_dot_mydomain = no
canonical_maps =
virtual_alias_maps =
transport_maps =
relocated_maps =
smtp_pix_workarounds =
smtp_mx_address_limit = 1
hash_queue_names = deferred
hash_queue_depth = 1
"""


class Postfix:
    """`more`: lines of main.cf; they win over those above."""
    name = "postfix"

    def __init__(self, folder, sink, _workers=0, more=""):
        self.dir, self.port = folder, free_port()
        self._instance = Instance(folder, MAIN_CF.format(sink=sink.port) + more,
                                  f"127.0.0.1:{self.port} inet n - n - - smtpd\n")
        self._instance.start(lambda: listens(self.port))
        self.master = self._instance.master
        self._meter = meter.GroupMeter(self.master)

    def pids(self):
        return meter.tree(self.master)

    def cpu(self):
        return {"all": self._meter.seconds()}

    def is_empty(self):
        return not any(f.is_file() for queue in ("maildrop", "incoming", "active", "deferred")
                       for f in (self.dir / "spool" / queue).rglob("*"))

    def stop(self):
        pids = self.pids()
        self._meter.close()
        self._instance.stop(pids)
        shutil.rmtree(self.dir)


def as_json(value):
    return json.dumps(value, separators=(",", ":"))

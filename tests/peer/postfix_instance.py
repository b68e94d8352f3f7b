"""A Postfix of one's own: its folders, its processes, and what every one of them has in common.

It shares nothing with the machine's own mail system but the programs, and is started and stopped by
its own master's pid."""
import os
import pathlib
import shutil
import subprocess

from .suite import wait_for

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {dir}/spool
data_directory = {dir}/data
mail_owner = postfix
setgid_group = postdrop
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
inet_interfaces = loopback-only
inet_protocols = ipv4
smtpd_peername_lookup = no
"""

# A service that nobody asks costs no process.
SERVICES = """\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
relay unix - - n - - smtp
discard unix - - n - - discard
error unix - - n - - error
retry unix - - n - - error
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
tlsproxy unix - - n - 0 tlsproxy
showq unix n - n - - showq
postlog unix-dgram n - n - 1 postlogd
"""


def _is_gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class Instance:
    """`folder` must be one that those who are not root may enter; it is made where it is missing.
    `main` and `services`: what main.cf and master.cf hold beside the above."""

    def __init__(self, folder, main, services):
        self.dir, self.master = pathlib.Path(folder), None
        for name in ("etc", "spool", "data"):
            (self.dir / name).mkdir(parents=True, exist_ok=True)
        self.dir.chmod(0o755)
        shutil.chown(self.dir / "data", "postfix")
        (self.dir / "etc/main.cf").write_text(MAIN_CF.format(dir=self.dir) + main)
        (self.dir / "etc/master.cf").write_text(services + SERVICES)

    def _command(self, verb):
        return subprocess.run(["postfix", "-c", self.dir / "etc", verb], text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60,
                              env=dict(os.environ, MAIL_CONFIG=str(self.dir / "etc")))

    def start(self, is_up):
        """Returns when `is_up` says so."""
        done = self._command("start")
        assert done.returncode == 0, f"postfix start: {done.stdout}"
        try:
            wait_for("postfix listens", is_up, 30)
        except BaseException:
            self._command("stop")
            raise
        self.master = int((self.dir / "spool/pid/master.pid").read_text())

    def stop(self, pids=()):
        """Returns when its master, and `pids`, have ended."""
        if self.master is None:
            return
        self._command("stop")
        wait_for("postfix has ended", lambda: all(map(_is_gone, (self.master, *pids))), 30)
        self.master = None

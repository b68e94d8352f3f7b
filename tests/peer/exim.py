"""A real Exim of one's own as the next hop: another mail system than Postfix, with another TLS library
(GnuTLS) and authenticators of its own.

It throws away what it takes; its log says what came in which way. Debian's program wants the user
Debian-exim: it is told, by libnss-wrapper, that nobody is called so."""
import os
import pathlib
import pwd
import re
import shutil
import signal

from .net import free_port, listens
from .suite import end_process, send_signal, session_pids, wait_for
from .unpacked import Unpacked

PACKAGES = ("exim4-daemon-light", "libnss-wrapper", "libgnutls-dane0", "libunbound8", "libidn12",
            "libnsl2", "libtirpc3")

CONF = """\
exim_path = {program}
primary_hostname = next.test
spool_directory = {dir}/data
log_file_path = {dir}/data/exim-%s.log
pid_file_path = {dir}/data/exim.pid
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
timezone = UTC
local_interfaces = 127.0.0.1
daemon_smtp_ports = {port} : {tls_port}
tls_on_connect_ports = {tls_port}
smtp_accept_max = 500
message_size_limit = 0
host_lookup =
rfc1413_hosts =
tls_certificate = {certificate}
tls_privatekey = {key}
tls_advertise_hosts = {tls_hosts}
{client_ca}auth_advertise_hosts = {auth_hosts}
acl_smtp_mail = mail
acl_smtp_rcpt = rcpt
acl_smtp_data = data

begin acl
mail:
{only_in_tls}  accept
rcpt:
  {rcpt}
data:
  discard

begin authenticators
{authenticators}"""

CLIENT_CA = """\
tls_verify_hosts = *
tls_verify_certificates = {file}
"""
ONLY_IN_TLS = """\
  deny message = 530 5.7.0 Must issue a STARTTLS command first
       !encrypted = *
"""
IN_TLS = "${if def:tls_in_cipher {*}}"

AUTHENTICATORS = {
    "PLAIN": """\
PLAIN:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{{name}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
""",
    "LOGIN": """\
LOGIN:
  driver = plaintext
  public_name = LOGIN
  server_prompts = <| Username: | Password:
  server_condition = ${{if and{{{{eq{{$auth1}}{{{name}}}}}{{eq{{$auth2}}{{{password}}}}}}}}}
  server_set_id = $auth1
""",
    "CRAM-MD5": """\
CRAM_MD5:
  driver = cram_md5
  public_name = CRAM-MD5
  server_secret = ${{if eq{{$auth1}}{{{name}}}{{{password}}}fail}}
  server_set_id = $auth1
"""}


class Exim:
    """As peer.postfix.Postfix; `mechanisms`: some of the above."""

    def __init__(self, scratch, paper, login=None, mechanisms="CRAM-MD5 PLAIN LOGIN", offers_tls=True,
                 login_only_in_tls=False, client_ca=None):
        unpacked = Unpacked(PACKAGES)
        program = unpacked.program("usr/sbin/exim4")
        self.port, self.tls_port = free_port(), free_port()
        self.dir = pathlib.Path(scratch.path(f"exim-{self.port}"))
        (self.dir / "data").mkdir(parents=True)
        shutil.chown(self.dir / "data", "nobody")
        for file in (paper.certificate, paper.key):
            file.chmod(0o644)
        is_clear_barred = login_only_in_tls or client_ca is not None
        (self.dir / "exim.conf").write_text(CONF.format(
            dir=self.dir, program=program, port=self.port, tls_port=self.tls_port,
            certificate=paper.certificate, key=paper.key, tls_hosts="*" if offers_tls else "",
            client_ca=CLIENT_CA.format(file=client_ca.certificate) if client_ca else "",
            auth_hosts=IN_TLS if is_clear_barred else "*",
            only_in_tls=ONLY_IN_TLS if client_ca else "",
            rcpt="accept authenticated = *" if login else "accept",
            authenticators="".join(AUTHENTICATORS[m].format(name=login[0], password=login[1])
                                   for m in mechanisms.split()) if login else ""))
        self._process = scratch.spawn([program, "-C", self.dir / "exim.conf", "-bdf"],
                                      log=f"{self.dir.name}.log", start_new_session=True,
                                      env=self._environment(unpacked))
        scratch.on_close(self.stop)
        wait_for("exim listens", lambda: listens(self.port) and listens(self.tls_port))

    def _environment(self, unpacked):
        nobody = pwd.getpwnam("nobody")
        who = f"{nobody.pw_uid}:{nobody.pw_gid}"
        (self.dir / "passwd").write_text(f"root:x:0:0::/:/bin/sh\nDebian-exim:x:{who}::/:/bin/false\n")
        (self.dir / "group").write_text(f"root:x:0:\nDebian-exim:x:{nobody.pw_gid}:\n")
        return dict(os.environ, LD_LIBRARY_PATH=unpacked.libraries,
                    LD_PRELOAD=str(unpacked.library("libnss_wrapper.so")),
                    NSS_WRAPPER_PASSWD=str(self.dir / "passwd"),
                    NSS_WRAPPER_GROUP=str(self.dir / "group"))

    def stop(self):
        """Whoever is connected, too."""
        session = self._process.pid
        end_process(self._process)
        for pid in session_pids(session):
            send_signal(pid, signal.SIGTERM)
        wait_for("exim has ended", lambda: not session_pids(session))

    @property
    def log(self):
        file = self.dir / "data/exim-main.log"
        return file.read_text() if file.exists() else ""

    def taken(self):
        """Ids of what it took, with how whoever brought it had logged in ("": not at all)."""
        return {found[1]: (found[2] or "").replace("_", "-") for found in
                re.finditer(r"(\S+) <= .*?(?: A=([A-Z0-9_]+)(?::\S*)?)?(?= S=\d)", self.log)}

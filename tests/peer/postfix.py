"""A real Postfix of one's own as the next hop: TLS and SASL as operators have them.

It throws away what it takes; its log says what came in which way."""
import pathlib
import re
import shutil
import subprocess

from .net import free_port, listens
from .postfix_instance import Instance

MAIN_CF = """\
myhostname = next.test
smtpd_relay_restrictions = permit_sasl_authenticated, {others}, reject
default_transport = discard
relay_transport = discard
maillog_file = {dir}/mail.log
maillog_file_prefixes = {dir}
smtpd_sasl_path = smtpd
smtpd_sasl_security_options = noanonymous
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
smtpd_tls_loglevel = 1
smtpd_tls_session_cache_database = btree:{dir}/data/smtpd_scache
{more}"""

SERVICES = """\
127.0.0.1:{port} inet n - n - - smtpd
127.0.0.1:{tls_port} inet n - n - - smtpd -o smtpd_tls_wrappermode=yes -o smtpd_tls_security_level=encrypt
"""

SASL_CONF = """\
pwcheck_method: auxprop
auxprop_plugin: sasldb
sasldb_path: {dir}/etc/sasl/sasldb2
mech_list: {mechanisms}
"""


class Postfix:
    """`login`: (name, password), who may then send through it; `mechanisms` as SASL writes them."""

    def __init__(self, scratch, paper, login=None, mechanisms="SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN",
                 offers_tls=True, login_only_in_tls=False, client_ca=None):
        self.dir = pathlib.Path(scratch.path(f"postfix-{free_port()}"))
        self.port, self.tls_port = free_port(), free_port()
        (self.dir / "etc/sasl").mkdir(parents=True)
        more = [f"smtpd_tls_security_level = {'may' if offers_tls else 'none'}",
                f"smtpd_sasl_auth_enable = {'yes' if login else 'no'}",
                f"smtpd_tls_auth_only = {'yes' if login_only_in_tls else 'no'}"]
        if client_ca:
            more += [f"smtpd_tls_CAfile = {client_ca.certificate}", "smtpd_tls_req_ccert = yes"]
            more[0] = "smtpd_tls_security_level = encrypt"
        for file in (paper.certificate, paper.key):
            file.chmod(0o644)
        main = MAIN_CF.format(dir=self.dir, certificate=paper.certificate, key=paper.key,
                              others="reject" if login else "permit_mynetworks",
                              more="\n".join(more) + "\n")
        self._instance = Instance(self.dir, main,
                                  SERVICES.format(port=self.port, tls_port=self.tls_port))
        self._let_in(login, mechanisms)
        self._instance.start(lambda: listens(self.port) and listens(self.tls_port))
        self.stop = self._instance.stop
        scratch.on_close(self.stop)

    def _let_in(self, login, mechanisms):
        (self.dir / "etc/sasl/smtpd.conf").write_text(
            SASL_CONF.format(dir=self.dir, mechanisms=mechanisms))
        if login is None:
            return
        database = self.dir / "etc/sasl/sasldb2"
        done = subprocess.run(["saslpasswd2", "-p", "-c", "-f", database, "-u", "next.test",
                               login[0]], input=login[1], text=True, capture_output=True)
        assert done.returncode == 0, done
        shutil.chown(database, "postfix")

    @property
    def log(self):
        file = self.dir / "mail.log"
        return file.read_text() if file.exists() else ""

    def taken(self):
        """Ids of what it took, with how whoever brought it had logged in ("": not at all)."""
        return dict(re.findall(r"smtpd\[\d+\]: ([0-9A-F]+): client=[^,\n]*(?:, sasl_method=([^,\n]+))?",
                               self.log))

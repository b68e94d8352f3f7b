"""A certificate authority for one test, and what it issues; keys and certificates are files."""
import datetime
import pathlib
import ssl
import subprocess


def _openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


class Paper:
    """A certificate with its key."""

    def __init__(self, folder, name):
        self.certificate, self.key = folder / f"{name}.pem", folder / f"{name}.key"

    @property
    def pem(self):
        return self.certificate.read_text()

    def server_context(self, client_ca=None):
        """For a server that shows it, and with `client_ca` demands one that this CA issued."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        if client_ca is not None:
            context.load_verify_locations(client_ca.certificate)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class Authority(Paper):
    def __init__(self, scratch, name="test-ca"):
        self.folder = pathlib.Path(scratch.path(name))
        self.folder.mkdir()
        super().__init__(self.folder, name)
        self._count = 0
        self._request(self, name)
        (self.folder / "ca.ext").write_text("basicConstraints=critical,CA:TRUE\n"
                                            "keyUsage=critical,keyCertSign,cRLSign\n")
        self._sign(self, self.folder / "ca.ext", 30, None)

    def issue(self, name, names=(), days=20, is_self_signed=False):
        """`names`: "mail.test", or "IP:127.0.0.1"; `days` below 0: it has ended."""
        paper = Paper(self.folder, name)
        self._request(paper, name)
        extensions = self.folder / f"{name}.ext"
        listed = ",".join(n if n.startswith("IP:") else f"DNS:{n}" for n in names)
        extensions.write_text("basicConstraints=CA:FALSE\n"
                              + (f"subjectAltName={listed}\n" if listed else ""))
        self._sign(paper, extensions, days, None if is_self_signed else self)
        return paper

    def _request(self, paper, name):
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-keyout", paper.key, "-out", self.folder / "request.pem", "-subj", f"/CN={name}")

    def _sign(self, paper, extensions, days, issuer):
        self._count += 1
        by = (("-CA", issuer.certificate, "-CAkey", issuer.key) if issuer
              else ("-signkey", paper.key))
        if days >= 0:
            _openssl("x509", "-req", "-in", self.folder / "request.pem", "-out", paper.certificate,
                     "-days", days, "-set_serial", self._count, "-extfile", extensions, *by)
        else:
            self._sign_for_the_past(paper, extensions, days)

    def _sign_for_the_past(self, paper, extensions, days):
        """Only `openssl ca` can say when a certificate began and ended."""
        database, conf = self.folder / "index.txt", self.folder / "ca.conf"
        database.write_text("")
        conf.write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={database}\nnew_certs_dir={self.folder}\n"
                        f"rand_serial=yes\ndefault_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
        begin = end - datetime.timedelta(days=30)
        _openssl("ca", "-batch", "-notext", "-config", conf, "-cert", self.certificate,
                 "-keyfile", self.key, "-in", self.folder / "request.pem",
                 "-out", paper.certificate, "-extfile", extensions,
                 "-startdate", f"{begin:%Y%m%d%H%M%SZ}", "-enddate", f"{end:%Y%m%d%H%M%SZ}")

"""A real nginx in front of a stand-in, as these products have one: TLS, client certificates, and a
limit to a request's body.

It runs in the foreground in a folder of its own, as whoever runs the test. Fields with an underscore
in their names, which these products' parameters have, it passes on only since it is told to."""
import os
import pathlib
import pwd

from .net import free_port, listens
from .suite import wait_for

CONF = """\
{user}worker_processes 1;
daemon off;
pid {dir}/nginx.pid;
error_log {dir}/nginx.log warn;
events {{ worker_connections 512; }}
http {{
    log_format postern '$status "$request" sent=$request_length client="$ssl_client_s_dn"';
    access_log {dir}/access.log postern;
    client_body_temp_path {dir}/body;
    proxy_temp_path {dir}/proxy;
    fastcgi_temp_path {dir}/fastcgi;
    uwsgi_temp_path {dir}/uwsgi;
    scgi_temp_path {dir}/scgi;
    client_max_body_size {body_most};
    underscores_in_headers {underscores};
    keepalive_timeout {keepalive_s};
    upstream behind {{
        server 127.0.0.1:{behind};
        keepalive 32;
    }}
    server {{
        listen 127.0.0.1:{port}{ssl};
{tls}        location / {{
            proxy_pass http://behind;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
        }}
    }}
}}
"""


class Nginx:
    """`behind`: a WebServer; `paper`: its certificate, None: no TLS; `client_ca`: who comes must show
    one that this CA issued; `body_most` as nginx writes it. `port` and `url` are its own."""

    def __init__(self, scratch, behind, paper=None, client_ca=None, body_most="100m", keepalive_s=75,
                 passes_underscores=True):
        self.port = free_port()
        self.dir = pathlib.Path(scratch.path(f"nginx-{self.port}"))
        self.dir.mkdir()
        self.url = f"{'https' if paper else 'http'}://127.0.0.1:{self.port}{behind.base}"
        tls = [f"ssl_certificate {paper.certificate}", f"ssl_certificate_key {paper.key}"] \
            if paper else []
        if client_ca:
            tls += [f"ssl_client_certificate {client_ca.certificate}", "ssl_verify_client on"]
        conf = self.dir / "nginx.conf"
        conf.write_text(CONF.format(
            dir=self.dir, behind=behind.port, port=self.port, body_most=body_most,
            ssl=" ssl" if paper else "", keepalive_s=keepalive_s,
            underscores="on" if passes_underscores else "off",
            user=f"user {pwd.getpwuid(0).pw_name};\n" if os.geteuid() == 0 else "",
            tls="".join(f"        {line};\n" for line in tls)))
        self.process = scratch.spawn(["nginx", "-e", self.dir / "start.log", "-p", self.dir, "-c", conf])
        wait_for("nginx listens", lambda: listens(self.port) or self._ended(), 15)

    def _ended(self):
        assert self.process.poll() is None, (self.dir / "start.log").read_text()

    @property
    def accesses(self):
        """A line for each request: status, request line, length, the client certificate's name."""
        return (self.dir / "access.log").read_text().splitlines()

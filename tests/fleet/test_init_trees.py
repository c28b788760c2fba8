"""Configurations as people have them: `init --from`, adopt, a TTL, push and rollback on the real daemon."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from deployer.sandbox import binaries, repository
from deployer.sandbox.daemons import daemon
from deployer.sandbox.fleet import Sandbox, SandboxHost, wait_for
from deployer.sandbox.servers import dest
from tests.fleet.conftest import CHECK, Fleet

pytestmark = [pytest.mark.timeout(300), pytest.mark.long]
PROBES = "\n".join(line for line in CHECK.splitlines() if "product" not in line).replace(", refetch_miss: 20%", "")


@dataclass(frozen=True)
class Tree:
    """files: path -> text, in which @PREFIX@, @PORT@, @ORIGIN@ and @any_variable@ are the host's. package: whose tree in
    /etc comes first, with `here` replaced in it. links: path -> target, made as the package's scripts make them. old,
    new: what is changed in `path`."""

    service: str
    path: str
    old: str
    new: str
    files: Mapping[str, str] = field(default_factory=dict)
    package: str = ""
    here: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()


@dataclass
class Grown(Sandbox):
    """A host whose server runs on such a tree."""

    tree: Tree | None = None

    def _start_servers(self) -> None:
        assert self.tree
        (host,) = self.hosts
        home = host.prefix / dest(self.service)[1:]
        for name in ("run", "www", *(f"var/{kind}/{home.name}" for kind in ("log", "cache", "lib"))):
            (host.prefix / name).mkdir(parents=True, exist_ok=True)
        (host.prefix / "www/index.html").write_text("shop\n")
        for path, text in (packaged(self.tree) | dict(self.tree.files)).items():
            file = home / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(re.sub(r"@(\w+)@", lambda m: self.mark(host, m), text))
        for path, to in self.tree.links:
            (home / path).parent.mkdir(exist_ok=True)
            (home / path).symlink_to(to)
        words = daemon(self.service).command(host.prefix, self.variables(host))
        if (home / "envvars").is_file():  # as Debian's apachectl does it
            words = ["sh", "-c", 'APACHE_CONFDIR=$1 && . "$1/envvars" && shift && exec "$@"', "sh", str(home), *words]
        done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stderr
        wait_for(lambda: answers(host.http_port), f"{self.service}", 60.0)

    def mark(self, host: SandboxHost, match: re.Match[str]) -> str:
        """What stands between two @ in a file."""
        own = {"PREFIX": host.prefix, "PORT": host.http_port, "ORIGIN": self.origin_port}
        return str({**ELSEWHERE, **own, **self.variables(host)}.get(match[1], match[0]))


def answers(port: int) -> bool:
    """Anything: Traffic Server listens before it has its cache."""
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def packaged(tree: Tree) -> dict[str, str]:
    """What the package puts into its folder, with the host's paths and ports in place of the machine's."""
    if not tree.package:
        return {}
    binaries.find({"varnish": "varnishd", "trafficserver": "traffic_server"}.get(tree.package, tree.package))
    if tree.package in WHOLE and not (Path("/etc") / tree.package).is_dir():
        binaries.download((tree.package,), binaries.cache_folder() / "packages")
    top = binaries.cache_folder() / "packages/root/etc" / tree.package
    top = top if top.is_dir() else Path("/etc") / tree.package
    found = {}
    for file in sorted(p for p in top.rglob("*") if p.is_file()):
        text = file.read_text()
        for old, new in tree.here:
            text = text.replace(old, new)
        found[str(file.relative_to(top))] = text
    return found


ELSEWHERE = {"squid_home": "/usr", "apache_modules": "/usr/lib/apache2/modules"}  # of what is installed
WHOLE = ("apache2",)  # whose configuration comes in another package than the program
TEMPORARY = "".join(  # the package's own places lie outside of this host
    f"  {kind}_temp_path @PREFIX@/var/lib/nginx/{kind};\n"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)
H5BP = {
    "nginx.conf": """user root;
worker_processes 1;
error_log @PREFIX@/var/log/nginx/error.log warn;
pid @PREFIX@/run/nginx.pid;
include h5bp/events.conf;
http {
TEMPORARY
  include h5bp/security/server_software_information.conf;
  include mime.types;
  default_type application/octet-stream;
  log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_user_agent"';
  access_log @PREFIX@/var/log/nginx/access.log main;
  map $sent_http_content_type $expires { default off; ~*text/html 0; ~*text/css 1y; }
  include conf.d/*.conf;
}
""".replace("TEMPORARY", TEMPORARY),
    "mime.types": "types {\n  text/html html htm;\n  text/css css;\n  application/javascript js;\n}\n",
    "h5bp/events.conf": "events { worker_connections 256; }\n",
    "h5bp/security/server_software_information.conf": "server_tokens off;\n",
    "h5bp/web_performance/cache_expiration.conf": "expires $expires;\n",
    "h5bp/basic.conf": "include h5bp/web_performance/cache_expiration.conf;\n",
    "conf.d/example.conf": """server {
  listen 127.0.0.1:@PORT@;
  server_name _;
  root @PREFIX@/www;
  include h5bp/basic.conf;
}
""",
}
PLAIN = """vcl 4.1;
backend default { .host = "127.0.0.1"; .port = "@ORIGIN@"; }
sub vcl_backend_response { set beresp.ttl = 5m; }
"""
MAGENTO = """vcl 4.0;
import std;
backend default { .host = "127.0.0.1"; .port = "@ORIGIN@"; .first_byte_timeout = 600s; }
acl purge { "localhost"; }
sub vcl_recv {
    if (req.method == "PURGE") {
        if (client.ip !~ purge) { return (synth(405, "Method not allowed")); }
        if (!req.http.X-Magento-Tags-Pattern) { return (synth(400, "Required header missing")); }
        ban("obj.http.X-Magento-Tags ~ " + req.http.X-Magento-Tags-Pattern);
        return (synth(200, "Purged"));
    }
    if (req.method != "GET" && req.method != "HEAD") { return (pass); }
    if (req.url ~ "/checkout" || req.url ~ "/customer") { return (pass); }
    set req.url = regsuball(req.url, "(gclid|utm_[a-z]+)=[-_A-z0-9+(){}%.]+&?", "");
    std.collect(req.http.Cookie);
    return (hash);
}
sub vcl_hash { if (req.http.cookie ~ "X-Magento-Vary=") { hash_data(regsub(req.http.cookie, "^.*?X-Magento-Vary=([^;]+);*.*$", "\\1")); } }
sub vcl_backend_response {
    set beresp.grace = 3d;
    if (bereq.url !~ "\\.(ico|css|js|jpe?g|png|gif|svg)$") { set beresp.ttl = 300s; }
    return (deliver);
}
sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = "HIT"; } else { set resp.http.X-Cache = "MISS"; } }
sub vcl_hit { if (obj.ttl >= 0s) { return (deliver); } return (deliver); }
"""
BACKENDS = "".join(
    f"backend shop{n}\n    balance roundrobin\n    server a 127.0.0.1:@ORIGIN@ check inter 30s\n" for n in range(20)
)
HAPROXY = f"""global
    stats socket @PREFIX@/run/haproxy.sock level admin
defaults
    mode http
    timeout connect 5s
    timeout client 50s
    timeout server 50s
cache pages
    total-max-size 4
    max-age 60
frontend www
    bind 127.0.0.1:@PORT@
    http-request cache-use pages
    http-response cache-store pages
{"".join(f"    use_backend shop{n} if {{ path_beg /s{n}/ }}{chr(10)}" for n in range(1, 20))}    default_backend shop0
{BACKENDS}"""
NGINX = (
    ("user www-data;", "user root;"),
    ("http {\n", "http {\n" + TEMPORARY),
    ("/etc/nginx/", "@PREFIX@/etc/nginx/"),
    ("/var/log/nginx", "@PREFIX@/var/log/nginx"),
    ("/run/nginx.pid", "@PREFIX@/run/nginx.pid"),
    ("listen 80 default_server", "listen 127.0.0.1:@PORT@ default_server"),
    ("listen [::]:80 default_server;", ""),
    ("root /var/www/html", "root @PREFIX@/www"),
    ("include @PREFIX@/etc/nginx/sites-enabled/*", "include @PREFIX@/etc/nginx/sites-available/default"),
    ("include /etc/nginx/modules-enabled/*.conf;", ""),
)
SQUID = {  # what Debian's is built with, on this host
    "conf.d/here.conf": """access_log daemon:@PREFIX@/var/log/squid/access.log squid
cache_log @PREFIX@/var/log/squid/cache.log
pid_filename @PREFIX@/run/squid.pid
netdb_filename none
pinger_enable off
shutdown_lifetime 5 seconds
mime_table @squid_home@/share/squid/mime.conf
icon_directory @squid_home@/share/squid/icons
error_directory @squid_home@/share/squid-langpack/templates
unlinkd_program @squid_home@/lib/squid/unlinkd
logfile_daemon @squid_home@/lib/squid/log_file_daemon
"""
}
APACHE = (
    ("/var/run/apache2$SUFFIX", "@PREFIX@/run/apache2$SUFFIX"),
    ("/var/lock/apache2$SUFFIX", "@PREFIX@/run/apache2$SUFFIX"),
    ("/var/log/apache2$SUFFIX", "@PREFIX@/var/log/apache2$SUFFIX"),
    ("/usr/lib/apache2/modules", "@apache_modules@"),
    ("Listen 80\n", "Listen 127.0.0.1:@PORT@\n"),
    ("<VirtualHost *:80>", "<VirtualHost *:@PORT@>"),
    ("DocumentRoot /var/www/html", "DocumentRoot @PREFIX@/www"),
    ("<Directory /var/www/>", "<Directory @PREFIX@/www/>"),
)
MODULES = {  # what Debian's package enables, and mod_expires
    "access_compat": "load", "alias": "load conf", "auth_basic": "load", "authn_core": "load", "authn_file": "load",
    "authz_core": "load", "authz_host": "load", "authz_user": "load", "autoindex": "load conf", "deflate": "load conf",
    "dir": "load conf", "env": "load", "expires": "load", "filter": "load", "mime": "load conf", "mpm_event": "load conf",
    "negotiation": "load conf", "reqtimeout": "load conf", "setenvif": "load conf", "status": "load conf",
}  # fmt: skip
CONFS = ("charset", "localized-error-pages", "other-vhosts-access-log", "security", "serve-cgi-bin")
ENABLED = (
    *(
        (f"mods-enabled/{n}.{end}", f"../mods-available/{n}.{end}")
        for n, ends in MODULES.items()
        for end in ends.split()
    ),
    *((f"conf-enabled/{n}.conf", f"../conf-available/{n}.conf") for n in CONFS),
    ("sites-enabled/000-default.conf", "../sites-available/000-default.conf"),
)
TREES = {
    "h5bp": Tree("nginx", "nginx.conf", "~*text/html 0", "~*text/html 10m", H5BP),
    "debian-nginx": Tree("nginx", "sites-available/default", "server_name _;", "server_name _;\n\texpires 10m;", package="nginx", here=NGINX),
    "plain-vcl": Tree("varnish", "default.vcl", "5m", "10m", {"default.vcl": PLAIN}),
    "magento-vcl": Tree("varnish", "default.vcl", "300s", "600s", {"default.vcl": MAGENTO}),
    "debian-varnish": Tree(
        "varnish", "default.vcl", "sub vcl_backend_response {", "sub vcl_backend_response {\n    set beresp.ttl = 10m;",
        package="varnish", here=(('.port = "8080"', '.port = "@ORIGIN@"'),),
    ),
    "haproxy-20": Tree("haproxy", "haproxy.cfg", "max-age 60", "max-age 90", {"haproxy.cfg": HAPROXY}),
    "debian-haproxy": Tree(
        "haproxy", "haproxy.cfg", "timeout client  50000", "timeout client  60000", package="haproxy",
        here=(
            ("\tlog /dev/log\tlocal0\n\tlog /dev/log\tlocal1 notice\n\tchroot /var/lib/haproxy\n", ""),
            ("/run/haproxy/admin.sock", "@PREFIX@/run/admin.sock"), ("\tuser haproxy\n\tgroup haproxy\n\tdaemon\n", ""),
            ("/etc/haproxy/", "@PREFIX@/etc/haproxy/"),
            ("errorfile 504 @PREFIX@/etc/haproxy/errors/504.http\n",
             "errorfile 504 @PREFIX@/etc/haproxy/errors/504.http\nfrontend www\n\tbind 127.0.0.1:@PORT@\n\tdefault_backend shop\n"
             "backend shop\n\tserver a 127.0.0.1:@ORIGIN@\n"),
        ),
    ),
    "debian-squid": Tree(
        "squid", "squid.conf", "0\t20%\t4320", "0\t20%\t8640", SQUID, package="squid",
        here=(("/etc/squid/", "@PREFIX@/etc/squid/"), ("\nhttp_port 3128", "\nhttp_port 127.0.0.1:@PORT@"),
              ("/var/spool/squid", "@PREFIX@/var/cache/squid")),
    ),
    "debian-apache2": Tree(
        "apache", "sites-enabled/000-default.conf", "\tServerAdmin",
        '\tExpiresActive On\n\tExpiresDefault "access plus 10 minutes"\n\tServerAdmin',
        package="apache2", here=APACHE, links=ENABLED,
    ),
    "debian-trafficserver": Tree(
        "trafficserver", "records.config", "max_lifetime INT 86400", "max_lifetime INT 172800", package="trafficserver",
        here=(("STRING 8080 8080:ipv6", "STRING @PORT@:ip-in=127.0.0.1"), ("user_id STRING trafficserver", "user_id STRING #-1"),
              ("\n/var/cache/trafficserver 256M", "\n@PREFIX@/var/cache/trafficserver 64M"),
              ("#\n# remap.config - URL", "map / http://127.0.0.1:@ORIGIN@/\n# remap.config - URL"),
              # the package's own templates, which a runroot hides
              ("CONFIG proxy.config.url_remap.remap_required INT 1", "CONFIG proxy.config.body_factory.template_sets_dir STRING "
               "@PREFIX@/etc/trafficserver/body_factory\nCONFIG proxy.config.url_remap.remap_required INT 1")),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TREES)
def test_a_tree(name: str) -> None:
    """Taken whole and byte for byte, checked by its own health check, changed, and put back."""
    tree = TREES[name]
    folder = Path(tempfile.mkdtemp(prefix="fleet-"))
    try:
        with Grown(folder, 1, tree.service, tree=tree) as sandbox:
            story(Fleet(sandbox), tree)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def story(fleet: Fleet, tree: Tree) -> None:
    """Ends where it began."""
    sandbox, config = fleet.sandbox, fleet.sandbox.config
    config.mkdir()
    names = json.dumps(sandbox.variables(sandbox.hosts[0]))
    (config / "inventory.yml").write_text(f"all:\n  children:\n    edge:\n      hosts:\n        web1: {names}\n")
    code, body, err = fleet.deploy("init", "--from", "web1")
    assert code == 0, err
    assert (body["service"], body["left_out"], body["secrets"]) == (tree.service, {}, [])
    home, files = sandbox.hosts[0].prefix / dest(tree.service)[1:], config / "playbooks" / tree.service / "files"
    assert {str(p.relative_to(files)): p.read_bytes() for p in files.rglob("*") if p.is_file()} == {
        str(p.relative_to(home)): p.read_bytes() for p in home.rglob("*") if p.is_file()
    }
    code, checked, err = fleet.deploy("check", tree.service)
    assert code == (0 if body["page"] == 200 else 1), (body["page"], checked, err)  # a forward proxy has no page
    check = config / "health_checks" / f"{tree.service}.yml"
    check.write_text(PROBES.replace("expect: 200", f"expect: {body['page']}"))
    fleet.playbook(bake="2s", confirm_timeout="20s")
    repository.git(config, "init", "-q")
    repository.commit(sandbox, "the configuration as it is")
    for words in (("adopt",), ("push",)):
        code, body, err = fleet.deploy(*words, "--yes")
        assert (code, body["result"]) == (0, "deployed"), (words, body, err)
    first = fleet.current("web1")
    repository.change(sandbox, tree.path, tree.old, tree.new, "keep pages longer")
    code, body, err = fleet.deploy("push", "--yes")
    assert (code, body["result"]) == (0, "deployed"), (body, err)
    assert fleet.current("web1") != first
    code, body, err = fleet.deploy("rollback", "--yes")
    assert code == 0, (body, err)
    assert fleet.current("web1") == first
    assert fleet.deploy("status")[0] == 0

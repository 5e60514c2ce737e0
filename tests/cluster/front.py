"""All of vibed on the real cluster: API server, controllers, Caddy with its router, the command line, visitors."""

import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from world import (ADDRESS, BUILD, CONTROLLER, ClusterTest, Controller, DOMAIN, Part, ROOT, SECRET, SPACE, apply, free_port,
                   get, install_crds, kubectl, label_of, make_image, need, objects, pool, remove_namespace, spares, wait_for)

VIBED = os.path.join(BUILD, "apps", "vibed", "vibed")
ROUTER = os.path.join(BUILD, "apps", "vibed-router", "vibed-router")
CACHE = os.environ.get("VIBED_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or
                                                      os.path.expanduser("~/.cache"), "vibed")
CADDY = os.environ.get("VIBED_CADDY_211") or os.path.join(CACHE, "bin", "caddy-2.11")
KEY = "key-of-the-tests"
OTHER_KEY = "key-of-another"
NGINX, NODE, PYTHON = "/usr/sbin/nginx", "/usr/bin/node", "/usr/bin/python3"
NODE_APP = """
const text = "TEXT" + (process.env.MORE || "");
require("http").createServer((request, answer) => {
  request.resume();
  request.on("end", () => answer.end(`node ${text}`));
}).listen(process.env.PORT, () => console.log(`listening, ${text}`));
"""


def need_programs():
    for program in (VIBED, ROUTER, CONTROLLER, NGINX, NODE, PYTHON):
        need(program)
    need(CADDY, "caddy")


def node_app(text="", program=NODE_APP):
    """The files of an app of Node that answers `text`, or does something else."""
    return {"package.json": json.dumps({"main": "server.js"}), "server.js": program.replace("TEXT", text)}


def deploy_by(vibed, app, files, *flags, **options):
    """`vibed deploy` of a folder with those files; `vibed` runs the command line."""
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        return vibed("deploy", folder, "--name", app, *flags, **options)


class Install:
    """One installation in a namespace of its own. `storage` is that of its configuration; `environment` that of who uses it."""

    def __init__(self, folder, space=SPACE, port=8300, controllers=1, storage=None, flags=(), environment=None):
        self.folder, self.space = folder, space
        self.port = port  # of Caddy; the API and the waiting room are near it
        self.api_url = f"http://{ADDRESS}:{port + 80}"
        room = f"{ADDRESS}:{port + 90}"
        config = {"auth": {"enabled": True, "apiKeys": [{"key": KEY, "name": "tests"},
                                                        {"key": OTHER_KEY, "name": "other"}]},
                  "deployment": {"appsNamespace": space}, **({"storage": storage} if storage else {})}
        file = os.path.join(folder, "vibed.json")  # JSON is YAML
        run = os.path.join(folder, "run")
        os.makedirs(run)
        with open(file, "w") as text:
            json.dump(config, text)
        self.api = Part("vibed", folder, VIBED, "serve", "--config", file, "--api", f"{ADDRESS}:{port + 80}",
                        "--waiting-room", room, "--data", os.path.join(folder, "data"), VIBED_INSTALL_SECRET=SECRET)
        self.router_probes, self.router_metrics = free_port(), free_port()
        self.router = Part("router", folder, ROUTER, "--caddy-run", run, "--listen", f"{ADDRESS}:{port}",
                           "--vibed-domain", DOMAIN, "--pool-namespace", space, "--waiting-room", room,
                           "--health-probe-bind-address", f"127.0.0.1:{self.router_probes}",
                           "--metrics-bind-address", f"127.0.0.1:{self.router_metrics}")
        start = os.path.join(folder, "caddy.json")
        with open(start, "w") as text:
            subprocess.run([ROUTER, "bootstrap", "--caddy-run", run], check=True, stdout=text)
        self.caddy = Part("caddy", folder, CADDY, "run", "--config", start, HOME=folder, XDG_DATA_HOME=folder,
                          XDG_CONFIG_HOME=folder)
        self.controllers = [Controller(f"controller-{number}", folder, "--config", file, *flags, space=space,
                                       source_url=self.api_url) for number in range(controllers)]
        for part in (self.api, *self.controllers):
            part.environment.update(environment or {})
        self.parts = [self.api, self.caddy, self.router, *self.controllers]

    def start(self):
        for part in self.parts:
            part.start()
        wait_for("the API", self.api_is_ready)
        wait_for("the front door", self.front_is_ready)
        wait_for("a controller that acts", self.leader)

    def end(self):
        for part in self.parts:
            part.end()

    def tell_logs(self):
        for part in self.parts:
            print(f"--- {part.name}\n{part.log()[-3000:]}", file=sys.stderr)

    def api_is_ready(self):
        return get(f"{self.api_url}/readyz")[0] == 200

    def front_is_ready(self):
        return get(f"http://127.0.0.1:{self.router_probes}/readyz")[0] == 200

    def leader(self):
        """The controller that leads and acts, if there is one."""
        return next((each for each in self.controllers
                     if each.process and each.leads() and "lifecycle" in each.ready()[1]), None)

    def vibed(self, *arguments, key=KEY, check=True):
        """The command line against the API: its output, or with check=False its exit status and output."""
        done = subprocess.run([VIBED, *arguments, "--api", self.api_url], capture_output=True, text=True,
                              env={**os.environ, "VIBED_TOKEN": key})
        if check and done.returncode != 0:
            raise AssertionError(f"vibed {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout if check else (done.returncode, done.stdout + done.stderr)

    def deploy(self, app, files, *flags, **options):
        return deploy_by(self.vibed, app, files, *flags, **options)

    def deploy_node(self, app, text, *flags, **options):
        return self.deploy(app, node_app(text), *flags, **options)

    def upload(self, app, packed, key=KEY, timeout=60):
        """POST /v1/deploy without the command line, of a packed source: status and body; (0, why) without an answer."""
        edge = "vibed-tests"
        metadata = json.dumps({"name": app})
        body = (f'--{edge}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{metadata}\r\n--{edge}\r\n'
                f'Content-Disposition: form-data; name="source"; filename="s.tgz"\r\n\r\n').encode()
        return self.call("POST", "/v1/deploy", body + packed + f"\r\n--{edge}--\r\n".encode(), key, timeout,
                         {"Content-Type": f"multipart/form-data; boundary={edge}"})

    def call(self, method, path, body=None, key=KEY, timeout=60, headers=None):
        connection = http.client.HTTPConnection(ADDRESS, self.port + 80, timeout=timeout)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {key}", **(headers or {})})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text[:1] == b"{" else text.decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            return 0, repr(error)
        finally:
            connection.close()

    def ask(self, app, method="GET", path="/", body=None, connection=None, timeout=10):
        """Status and body of a request through Caddy, as a visitor makes it; (0, why) when nobody answered."""
        one = connection or self.connect(timeout)
        try:
            one.request(method, path, body=body, headers={"Host": f"{label_of(app, self.space)}.{DOMAIN}"})
            answer = one.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        except (OSError, http.client.HTTPException) as error:
            one.close()
            return 0, repr(error)
        finally:
            if connection is None:
                one.close()

    def connect(self, timeout=10):
        return http.client.HTTPConnection(ADDRESS, self.port, timeout=timeout)

    def await_spares(self):
        wanted = {each["metadata"]["name"] for each in objects("sandboxwarmpool", space=self.space)}
        wait_for("spares of every template", lambda: spares(self.space) == wanted, 120)

    def stored_sources(self, app):
        """What is kept of the sources of `app`, in the folder of the API."""
        return [name for name in os.listdir(os.path.join(self.folder, "data", "sources")) if name.startswith(f"{app}.")]


class Visitors:
    """Keep-alive clients that never pause, GET and POST in turn, until the end of the block."""

    def __init__(self, install, app, clients=8):
        self.install = install
        self.app = app
        self.answers = []  # (when it was sent, status, body)
        self.stop = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(clients)]

    def run(self, number):
        connection = self.install.connect()
        while not self.stop.is_set():
            method, number = ("POST" if number % 2 else "GET"), number + 1
            sent = time.monotonic()
            answer = self.install.ask(self.app, method, body="x" * 100 if method == "POST" else None,
                                      connection=connection)
            self.answers.append((sent, *answer))
        connection.close()

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        wait_for("visitors are answered", lambda: len(self.answers) > 50)
        return self

    def __exit__(self, *_):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def failures(self):
        return [answer for answer in self.answers if answer[1] != 200]


def pools(sizes, space=SPACE, runtime=None):
    """The objects of the pools of the templates in `sizes`, with the images that they need in the cluster."""
    wanted = []
    if "static-nginx" in sizes:
        make_image("vibed-static-test:1", [NGINX],
                   files=[(f"{ROOT}/templates/static-nginx/nginx.conf", "/etc/vibed/nginx.conf")])
        wanted += pool("static-nginx", "vibed-static-test:1", sizes["static-nginx"], "static", "nginx -v",
                       ["nginx", "-e", "stderr", "-c", "/etc/vibed/nginx.conf"], "fast", space=space, runtime=runtime)
    if "node-24" in sizes:
        make_image("vibed-node-test:1", [NODE])
        wanted += pool("node-24", "vibed-node-test:1", sizes["node-24"], "node", "node --version", space=space,
                       runtime=runtime)
    if "python-313" in sizes:
        make_image("vibed-python-test:1", [PYTHON], folders=["/usr/lib/python3.11"])
        wanted += pool("python-313", "vibed-python-test:1", sizes["python-313"], "python", "python3 --version",
                       space=space, runtime=runtime)
    return wanted


class InstallTest(ClusterTest):
    """Tests of one installation that is there for the whole class."""

    sizes = {"static-nginx": 3, "node-24": 3, "python-313": 2}  # of the pools
    options = {}  # of Install
    runtime = None  # the RuntimeClass of sandboxes

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="vibed-flow-")
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.install = cls.open("one", **cls.options)

    @classmethod
    def open(cls, name, space=SPACE, **options):
        """Another installation, which ends with the class."""
        kubectl("create", "namespace", space)
        cls.addClassCleanup(remove_namespace, space)
        install_crds()
        apply(*pools(cls.sizes, space, cls.runtime))
        folder = os.path.join(cls.folder, name)
        os.mkdir(folder)
        install = Install(folder, space, **options)
        cls.addClassCleanup(install.end)
        try:
            install.start()
            install.await_spares()
        except AssertionError:
            install.tell_logs()
            raise
        return install

    def after_failure(self, result):
        self.install.tell_logs()

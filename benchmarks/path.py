#!/usr/bin/env python3
"""The whole path, measured: every figure is a ratio to a reference timed in the same run, in turns.

    benchmarks/path.py --vibed build/release/apps/vibed/vibed [--runs 15] [--only NAME ...] [--out FILE]

Needs what `vibed up` needs. Uses loopback only. Prints one table; --out writes it as Markdown too.
"""
import argparse
import concurrent.futures
import gzip
import http.client
import io
import json
import os
import platform
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid

NODE = """const http = require('http');
http.createServer((q, r) => r.end('hello')).listen(process.env.PORT || 8080);
"""
PYTHON = """import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers(); self.wfile.write(b'hello')
    def log_message(self, *a): pass
ThreadingHTTPServer(('127.0.0.1', int(os.environ.get('PORT', 8080))), H).serve_forever()
"""
STATIC = {"index.html": "<!doctype html><h1>hello</h1>", "style.css": "h1 { color: teal }"}
APPS = {
    "node": {"package.json": '{"name":"b","main":"server.js"}', "server.js": NODE},
    "python": {"requirements.txt": "", "app.py": PYTHON},
    "static": STATIC,
}


def pack(files):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(raw.getvalue(), mtime=0)


class Vibed:
    """A `vibed up` of its own on a folder of its own."""

    def __init__(self, program, config=None, data=None):
        self.data = data or tempfile.mkdtemp(prefix="vbench-", dir="/tmp")
        self.own = data is None
        self.log = open(os.path.join(self.data, "up.log"), "ab")
        command = [program, "up", "--json", "--data", self.data + "/d", "--api", "127.0.0.1:0", "--apps", "127.0.0.1:0"]
        if config:
            path = os.path.join(self.data, "vibed.yaml")
            with open(path, "w") as file:
                file.write(config)
            command += ["--config", path]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, start_new_session=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit("vibed did not start: " + open(os.path.join(self.data, "up.log")).read()[-2000:])
        where = json.loads(line)
        self.api = where["api"].split("//")[1]
        self.apps = ("127.0.0.1", int(where["apps"].rsplit(":", 1)[1]))

    def call(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.api, timeout=120)
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, json.loads(text) if text[:1] in (b"{", b"[") else text

    def deploy(self, name, archive):
        boundary = "vibedbenchmark"
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{{"name":"{name}"}}\r\n'
            f'--{boundary}\r\nContent-Disposition: form-data; name="source"; filename="s.tgz"\r\n\r\n'
        ).encode() + archive + f"\r\n--{boundary}--\r\n".encode()
        return self.call("POST", "/v1/deploy", body, {"Content-Type": f"multipart/form-data; boundary={boundary}"})

    def get(self, url):
        host = url.split("//")[1]
        connection = http.client.HTTPConnection(*self.apps, timeout=30)
        connection.request("GET", "/", headers={"Host": host})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status

    def templates(self):
        return {t["name"]: t for t in self.call("GET", "/v1/templates")[1]["items"]}

    def wait_warm(self, template, want=1, limit=120):
        end = time.time() + limit
        while time.time() < end:
            if self.templates().get(template, {}).get("ready", 0) >= want:
                return
            time.sleep(0.02)
        sys.exit(f"no warm sandbox of {template} within {limit} s: {self.templates()}")

    def metric(self, prefix):
        text = self.call("GET", "/metrics")[1].decode()
        return {l.rsplit(" ", 1)[0]: float(l.rsplit(" ", 1)[1]) for l in text.splitlines() if l.startswith(prefix)}

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait(20)
        self.log.close()
        if self.own:
            shutil.rmtree(self.data, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def bare_start(argv, files):
    """Seconds from spawning the interpreter to the first 200 of the same app, started by hand."""
    folder = tempfile.mkdtemp(prefix="vbare-", dir="/tmp")
    for name, text in files.items():
        with open(os.path.join(folder, name), "w") as file:
            file.write(text)
    port = free_port()
    begin = time.perf_counter()
    process = subprocess.Popen(argv, cwd=folder, env={"PATH": "/usr/bin:/bin", "PORT": str(port), "HOME": "/tmp"},
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while True:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
                connection.request("GET", "/")
                if connection.getresponse().status == 200:
                    return time.perf_counter() - begin
            except ConnectionError:
                time.sleep(0.0005)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def resolve(kind):
    if kind == "node":
        return [subprocess.check_output(["node", "-p", "process.execPath"], text=True).strip(), "server.js"]
    for python in ("/usr/bin/python3", "python3"):
        if shutil.which(python):
            return [subprocess.check_output([python, "-c", "import sys;print(sys.executable)"], text=True).strip(), "app.py"]
    sys.exit("no python3")


ROWS = []


def row(name, unit, values, references, goal):
    ratios = sorted(a / b for a, b in zip(values, references))
    ratio = statistics.median(ratios)
    ROWS.append((name, f"{statistics.median(values):.2f} {unit}", f"{statistics.median(references):.2f} {unit}", f"{ratio:.2f}",
                 f"{ratios[0]:.2f}–{ratios[-1]:.2f}", len(ratios), goal))
    print(f"{name}: {statistics.median(values):.2f} {unit} / {statistics.median(references):.2f} {unit} = {ratio:.2f} (goal {goal})", flush=True)


def figure(name, text, goal="–"):
    ROWS.append((name, text, "–", "–", "–", 1, goal))
    print(f"{name}: {text}", flush=True)


def timed_deploy(vibed, name, archive):
    begin = time.perf_counter()
    status, body = vibed.deploy(name, archive)
    if status != 200:
        sys.exit(f"deploy of {name}: {status} {body}")
    if vibed.get(body["url"]) != 200:
        sys.exit(f"{body['url']} does not answer 200")
    return time.perf_counter() - begin


def deploy_against_bare(vibed, kind, template, runs):
    archive, argv, ours, bare = pack(APPS[kind]), resolve(kind), [], []
    for i in range(runs + 2):
        vibed.wait_warm(template, 2)
        time.sleep(0.05)
        a = timed_deploy(vibed, f"{kind}{i}", archive)
        b = bare_start(argv, APPS[kind])
        if i >= 2:  # two to warm the page cache
            ours.append(a * 1000)
            bare.append(b * 1000)
        vibed.call("DELETE", f"/v1/apps/{kind}{i}")
    row(f"deploy → first 200, {kind} ÷ bare start", "ms", ours, bare, "≤ 1.5")


def by_hand(vibed, archive, url):
    """What nobody can avoid for a static site: gunzip, write and fsync by hand, one GET through the same Caddy."""
    folder = tempfile.mkdtemp(prefix="vhand-", dir=vibed.data)
    begin = time.perf_counter()
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        for member in tar:
            with open(os.path.join(folder, member.name), "wb") as file:
                file.write(tar.extractfile(member).read())
                file.flush()
                os.fsync(file.fileno())
    assert vibed.get(url) == 200
    spent = time.perf_counter() - begin
    shutil.rmtree(folder)
    return spent


def static_against_hand(vibed, runs, prefix="static", label="deploy → first 200, static ÷ by hand"):
    archive = pack(STATIC)
    vibed.wait_warm("static-nginx", 1)
    _, body = vibed.deploy(prefix + "-reference", archive)
    ours, hand = [], []
    for i in range(runs + 2):
        vibed.wait_warm("static-nginx", 2)
        time.sleep(0.05)
        a = timed_deploy(vibed, f"{prefix}{i}", archive)
        b = by_hand(vibed, archive, body["url"])
        if i >= 2:
            ours.append(a * 1000)
            hand.append(b * 1000)
        vibed.call("DELETE", f"/v1/apps/{prefix}{i}")
    row(label, "ms", ours, hand, "≤ 3")
    return statistics.median(ours)


def hundred(vibed):
    archive = pack(STATIC)
    vibed.wait_warm("static-nginx", 2)

    def one(i):
        begin = time.perf_counter()
        status, body = vibed.deploy(f"burst{i}", archive)
        first = time.perf_counter() - begin
        while status == 202 and time.perf_counter() - begin < 120:
            _, app = vibed.call("GET", f"/v1/apps/burst{i}")
            if app["phase"] in ("Ready", "Failed"):
                status, body = (200, app) if app["phase"] == "Ready" else (500, app)
                first = time.perf_counter() - begin
            time.sleep(0.05)
        return first, status == 200 and vibed.get(body["url"]) == 200

    before = vibed.metric("vibed_pool_claims_total")
    with concurrent.futures.ThreadPoolExecutor(100) as pool:
        results = list(pool.map(one, range(100)))
    after = vibed.metric("vibed_pool_claims_total")
    times = sorted(t for t, _ in results)
    live = sum(ok for _, ok in results)
    hits, misses = (int(sum(v - before.get(k, 0) for k, v in after.items() if f'result="{word}"' in k))
                    for word in ("hit", "miss"))
    figure("100 static deploys at once", f"{live} of 100 live, p50 {times[49]:.2f} s, p99 {times[98]:.2f} s; pool {hits} hits, "
           f"{misses} misses", "100 live")
    for i in range(100):
        vibed.call("DELETE", f"/v1/apps/burst{i}")


def requests_per(connection_to, host, count):
    connection = http.client.HTTPConnection(*connection_to, timeout=10)
    times = []
    for _ in range(count):
        begin = time.perf_counter()
        connection.request("GET", "/", headers={"Host": host})
        connection.getresponse().read()
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1000


def relay_against_direct(vibed, runs):
    """One client, one request after the other: Caddy + relay + app ÷ another Caddy + the same app directly."""
    vibed.wait_warm("node-24", 1)
    _, body = vibed.deploy("relayed", pack(APPS["node"]))
    folder = tempfile.mkdtemp(prefix="vcaddy-", dir="/tmp")
    with open(os.path.join(folder, "server.js"), "w") as file:
        file.write(NODE)
    app_port, caddy_port = free_port(), free_port()
    node = subprocess.Popen([resolve("node")[0], "server.js"], cwd=folder, env={"PORT": str(app_port), "PATH": "/usr/bin"})
    config = {"admin": {"disabled": True}, "apps": {"http": {"servers": {"direct": {
        "listen": [f"127.0.0.1:{caddy_port}"], "automatic_https": {"disable": True}, "routes": [{"handle": [{
            "handler": "reverse_proxy", "upstreams": [{"dial": f"127.0.0.1:{app_port}"}],
            "transport": {"protocol": "http", "keep_alive": {"enabled": False}}}]}]}}}}}
    with open(os.path.join(folder, "c.json"), "w") as file:
        json.dump(config, file)
    caddy = subprocess.Popen(["caddy", "run", "--config", os.path.join(folder, "c.json")], stderr=subprocess.DEVNULL,
                             env={"HOME": folder, "PATH": os.environ["PATH"]})
    try:
        for _ in range(200):
            try:
                requests_per(("127.0.0.1", caddy_port), "x", 1)
                break
            except (ConnectionError, http.client.HTTPException):
                time.sleep(0.05)
        ours, direct = [], []
        for i in range(runs + 1):
            a = requests_per(vibed.apps, body["url"].split("//")[1], 200)
            b = requests_per(("127.0.0.1", caddy_port), "x", 200)
            if i:
                ours.append(a)
                direct.append(b)
        row("one request, Caddy + relay ÷ Caddy + direct", "ms", ours, direct, "–")
    finally:
        for process in (node, caddy):
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
        vibed.call("DELETE", "/v1/apps/relayed")


def many_apps(program, runs):
    """Deploys with 10, 1,000 and 10,000 other (suspended) apps in the records."""
    folder = tempfile.mkdtemp(prefix="vmany-", dir="/tmp")
    medians = {}
    vibed = Vibed(program, data=folder)
    vibed.wait_warm("static-nginx", 1)
    vibed.deploy("seed", pack(STATIC))
    vibed.call("POST", "/v1/apps/seed/suspend")
    while vibed.call("GET", "/v1/apps/seed")[1]["phase"] != "Suspended":
        time.sleep(0.05)
    vibed.stop()
    have = 1
    for count in (10, 1000, 10000):
        clone_seed(folder + "/d/vibed.db", have, count)
        have = count
        vibed = Vibed(program, data=folder)
        if vibed.call("GET", "/v1/apps?limit=1")[1]["total"] != count:
            sys.exit("the cloned records do not show")
        archive, times = pack(STATIC), []
        for i in range(runs + 2):
            vibed.wait_warm("static-nginx", 2)
            time.sleep(0.05)
            spent = timed_deploy(vibed, f"m{count}-{i}", archive)
            if i >= 2:
                times.append(spent * 1000)
            vibed.call("DELETE", f"/v1/apps/m{count}-{i}")
        medians[count] = times
        vibed.stop()
    shutil.rmtree(folder, ignore_errors=True)
    row("static deploy with 1,000 ÷ 10 apps present", "ms", medians[1000], medians[10], "flat (≈ 1)")
    row("static deploy with 10,000 ÷ 10 apps present", "ms", medians[10000], medians[10], "flat (≈ 1)")


def clone_seed(path, have, want):
    """Copies the suspended app `seed`, record and all, until there are `want` apps."""
    db = sqlite3.connect(path)
    space, uid, label, owner, version, text = db.execute(
        "select space, uid, label, owner, version, object from apps where name = 'seed'").fetchone()
    version = max(version, db.execute("select max(version) from (select version from apps union select version from gone)").fetchone()[0])
    for i in range(have, want):
        version += 1
        own = {"seed": f"clone-{i}", uid: str(uuid.uuid4()), label: f"clone{i:07d}"}
        copy = json.loads(text, object_hook=lambda o: {k: own.get(v, v) if isinstance(v, str) else v for k, v in o.items()})
        db.execute("insert into apps values (?, ?, ?, ?, ?, ?, ?)",
                   (space, own["seed"], own[uid], own[label], owner, version, json.dumps(copy)))
    db.commit()
    db.close()


def memory_of(pid, key="Rss"):
    try:
        with open(f"/proc/{pid}/smaps_rollup") as file:
            for line in file:
                if line.startswith(key + ":"):
                    return int(line.split()[1]) / 1024
    except OSError:
        pass
    return 0.0


def processes():
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                stat = file.read()
            found[int(pid)] = (int(stat.rsplit(")", 1)[1].split()[1]), stat[stat.index("(") + 1:stat.rindex(")")])
        except OSError:
            pass
    return found


def memory(vibed):
    figure("RSS of vibed, idle with warm pools", f"{memory_of(vibed.process.pid):.1f} MiB", "about 25 MiB")
    agents = [pid for pid, (_, name) in processes().items() if name == "agent" and is_pooled_agent(pid)]
    if agents:
        figure("RSS of a pooled agent (anonymous)", f"{max(memory_of(p) for p in agents):.2f} MiB ({max(memory_of(p, 'Anonymous') for p in agents):.2f} MiB)",
               "≤ 3 MiB (≤ 1 MiB)")
    for kind, template in (("static", "static-nginx"), ("node", "node-24"), ("python", "python-313")):
        before = set(processes())
        vibed.wait_warm(template, 1)
        _, body = vibed.deploy(f"rss-{kind}", pack(APPS[kind]))
        vibed.wait_warm(template, 1)
        time.sleep(1)
        table = processes()
        app = [p for p, (_, name) in table.items() if p not in before and name not in ("agent", "bwrap")]
        figure(f"PSS of an idle {template} app beside its agent", f"{sum(memory_of(p, 'Pss') for p in app):.1f} MiB")
        vibed.call("DELETE", f"/v1/apps/rss-{kind}")


def is_pooled_agent(pid):
    try:
        return os.readlink(f"/proc/{pid}/exe") == "/vibed/agent"
    except OSError:
        return False


def table():
    machine = f"{os.cpu_count()} cores, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') >> 30} GiB, Linux {platform.release().split('-')[0]}"
    lines = [f"{time.strftime('%Y-%m-%d')}, {machine}.", "", "| what | vibed | reference | ratio (median) | min–max | runs | goal |", "|---|--:|--:|--:|--:|--:|---|"]
    lines += ["| " + " | ".join(str(cell) for cell in r) + " |" for r in ROWS]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vibed", required=True)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--only", nargs="*", default=["memory", "node", "python", "static", "relay", "hundred", "many"])
    parser.add_argument("--out")
    arguments = parser.parse_args()
    vibed = Vibed(arguments.vibed)
    try:
        for template in ("static-nginx", "node-24", "python-313"):
            vibed.wait_warm(template, 1)
        if "memory" in arguments.only:
            memory(vibed)
        if "node" in arguments.only:
            deploy_against_bare(vibed, "node", "node-24", arguments.runs)
        if "python" in arguments.only:
            deploy_against_bare(vibed, "python", "python-313", arguments.runs)
        if "static" in arguments.only:
            static_against_hand(vibed, arguments.runs)
        if "relay" in arguments.only:
            relay_against_direct(vibed, max(5, arguments.runs // 2))
        if "hundred" in arguments.only:
            hundred(vibed)
    finally:
        vibed.stop()
    if "many" in arguments.only:
        many_apps(arguments.vibed, arguments.runs)
    print()
    print(table())
    if arguments.out:
        with open(arguments.out, "w") as file:
            file.write(table())


if __name__ == "__main__":
    main()

#!/usr/bin/python3
# A vibed-agent of a few lines, for tests of the pool: same sockets, same routes, and it does what the
# source says instead of running it. The source is not an archive but one word:
#   listen    the app listens (it answers every connection with its generation)
#   fail      it ends before it listens
#   refuse    the injection is answered with an error
#   silent    nothing ever happens
#   die       the agent ends in the middle of the injection
#   stubborn  as listen, and /drain is never answered
#   hold      as listen, and connections are kept open; GET /held is answered once there is one
import http.server, json, os, socket, sys, threading, time

state = {"state": "idle", "generation": 0}
token = None
mode = ""
changed = threading.Condition()
held = []


def become(**what):
    with changed:
        state.clear()
        state.update(what)
        changed.notify_all()


def serve_app(generation):
    relay = socket.socket(fileno=int(os.environ["VIBED_AGENT_RELAY_FD"]))
    while True:
        try:
            connection, _ = relay.accept()
        except OSError:
            return
        if mode == "hold":
            with changed:
                held.append(connection)
                changed.notify_all()
            continue
        connection.recv(4096)
        body = b"generation %d" % generation
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(body), body))
        connection.close()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def address_string(self):
        return "vibed"

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def allowed(self):
        if token is None or self.headers.get("Authorization") == "Bearer " + token:
            return True
        self.answer(401, {"error": "invalid or missing bearer token"})
        return False

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while True:
            size = int(self.rfile.readline(), 16)
            whole += self.rfile.read(size)
            self.rfile.readline()
            if size == 0:
                return whole

    def do_GET(self):
        if self.path == "/info":
            info = {"language": "python", "agentContract": "2", "runtimeProbe": "python3 -V",
                    "runtimeProbeOK": True, "runtimeProbeOutput": "Python 3.13.0"}
            self.answer(200, {**info, **json.loads(os.environ.get("FAKE_AGENT_INFO", "{}"))})
            return
        if not self.allowed():
            return
        if self.path == "/events":
            self.events()
        elif self.path.startswith("/logs"):
            lines = [{"time": "2026-11-22T13:00:00.5Z", "stream": "stdout", "text": "line %d" % i} for i in range(3)]
            text = "".join(json.dumps(line) + "\n" for line in lines).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
        elif self.path == "/crash":
            become(**{**state, "state": "restarting", "restarts": 1})
            self.answer(200, {})
        elif self.path == "/recover":
            become(**{**state, "state": "listening"})
            self.answer(200, {})
        elif self.path == "/held":
            with changed:
                while not held:
                    changed.wait()
            self.answer(200, {})
        elif self.path == "/env":
            self.answer(200, dict(os.environ))
        else:
            self.answer(200, state)

    def events(self):
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        told = None
        while True:
            with changed:
                while told == state:
                    changed.wait()
                told = dict(state)
            line = (json.dumps(told) + "\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
            self.wfile.flush()

    def do_POST(self):
        global token, mode
        body = self.body()
        if not self.allowed():
            return
        if self.path == "/drain":
            if mode == "stubborn":
                time.sleep(3600)
            relay = int(os.environ["VIBED_AGENT_RELAY_FD"])
            if mode != "":
                socket.socket(fileno=os.dup(relay)).shutdown(socket.SHUT_RDWR)
            self.answer(200, {"connections": len(held)})
            return
        about = json.loads(self.headers["X-Vibed-Inject"])
        token = about["token"]
        # A real archive is an app that listens.
        mode = "listen" if body.startswith(b"\x1f\x8b") else body.decode().strip()
        if "source_url" in about:
            mode = about["source_url"].rpartition("/")[2]
        print("injected", mode, flush=True)
        generation = about["generation"]
        base = {"generation": generation, "command": ["app", mode], "plan_reason": "fake"}
        if mode == "refuse":
            become(**base, state="failed", reason="InjectFailed", message="refused", log=[])
            self.answer(400, {"error": "refused"})
            return
        if mode == "die":
            os._exit(3)
        become(**base, state="starting", pid=2)
        if mode == "fail":
            become(**base, state="failed", reason="AppExited", message="exited with status 1", log=["boom"])
        elif mode != "silent":
            threading.Thread(target=serve_app, args=(generation,), daemon=True).start()
            become(**base, state="listening", pid=2, port=8080, address="127.0.0.1")
        self.answer(200, {"state": "running"})


class Server(http.server.ThreadingHTTPServer):
    def get_request(self):
        connection, _ = self.socket.accept()
        return connection, ("vibed", 0)


listener = socket.socket(fileno=int(os.environ["VIBED_AGENT_CONTROL_FD"]))
server = Server(("", 0), Handler, bind_and_activate=False)
server.socket = listener
server.serve_forever()

"""A small HTTP/1.1 client that does not hide what is on the wire."""

import json
import socket
import urllib.parse


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"Answer({self.status}, {self.text[:500]!r})"


class Connection:
    """One TCP connection to `address`, kept alive."""

    def __init__(self, address, timeout=30):
        self.socket = socket.create_connection(address, timeout=timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.file.close()
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, path, host, body=None, headers=()):
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in dict(headers).items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + (body or b""))
        return self.answer(method)

    def answer(self, method="GET"):
        line = self.file.readline()
        if not line:
            raise ConnectionError("closed without an answer")
        status = int(line.split()[1])
        headers = {}
        while (line := self.file.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.strip().lower()] = value.strip()
        if 100 <= status < 200 and status != 101:
            return self.answer(method)
        return Answer(status, headers, self._body(method, status, headers))

    def _body(self, method, status, headers):
        if method == "HEAD" or status in (101, 204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self.chunks())
        if "content-length" in headers:
            body = self.file.read(int(headers["content-length"]))
            if len(body) < int(headers["content-length"]):
                raise ConnectionError("closed in the middle of an answer")
            return body
        return self.file.read()

    def chunks(self):
        while size := int(self.file.readline().split(b";")[0] or b"0", 16):
            yield self.file.read(size)
            self.file.readline()
        self.file.readline()


def request(method, url, body=None, headers=(), host=None, timeout=30):
    """One request on a connection of its own. *.localhost is this machine, as in a browser."""
    parts = urllib.parse.urlsplit(url)
    name = parts.hostname
    if name.endswith(".localhost") or name == "localhost":
        name = "127.0.0.1"
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with Connection((name, parts.port or 80), timeout) as connection:
        return connection.ask(method, path, host or parts.netloc, body,
                              {"Connection": "close", **dict(headers)})

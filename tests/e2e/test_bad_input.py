"""What must be refused: the exact status and code, and nothing left behind."""

import json
import os
import socket
import time
import urllib.parse

from harness import APPS, E2E, Connection, from_folder, hostile, main, request, tar_gz, wait_for

PAGE = tar_gz({"index.html": "<h1>hello</h1>"})


class BadInput(E2E):
    disabled = ("go-123", "python-313", "base-al2023")

    def address(self):
        parts = urllib.parse.urlsplit(self.vibed.api)
        return parts.hostname, parts.port

    def host(self):
        return urllib.parse.urlsplit(self.vibed.api).netloc

    def setUp(self):
        self.before = self.left()

    def left(self):
        """Everything a refused deploy could have left."""
        spool = os.path.join(self.vibed.data, "spool")
        return {"apps": self.vibed.names(), "sources": self.vibed.sources(),
                "sandboxes": self.vibed.claimed(),
                "spool": os.listdir(spool) if os.path.isdir(spool) else []}

    def tearDown(self):
        wait_for(lambda: self.left() == self.before,
                 lambda: f"nothing left behind: {self.left()}, before: {self.before}", 10)

    def refused(self, answer, status, code):
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.json["code"], code, answer)
        self.assertTrue(answer.json["message"], answer)

    def test_archives(self):
        for name, (archive, status, code) in hostile().items():
            with self.subTest(name):
                started = time.monotonic()
                self.refused(self.vibed.post_deploy("bad", archive), status, code)
                self.assertLess(time.monotonic() - started, 30)

    def test_names(self):
        for name in ("-", "a-", "-a", "A", "a_b", "a.b", "a b", "ä", "a/b", "../a", "a" * 64, "a\n",
                     "a\0", "🦀"):
            with self.subTest(name=name):
                self.refused(self.vibed.post_deploy(name, PAGE), 400, "bad_name")

    def test_a_missing_name(self):
        for metadata in ({}, {"name": ""}, b""):
            with self.subTest(metadata=metadata):
                body, headers = self.vibed.multipart(metadata, PAGE)
                self.refused(self.vibed.call("POST", "/v1/deploy", body, headers), 400, "missing_name")

    def test_missing_metadata(self):
        body, headers = self.vibed.multipart(None, PAGE)
        self.refused(self.vibed.call("POST", "/v1/deploy", body, headers), 400, "missing_name")

    def test_wrong_metadata(self):
        for text in (b"no json", b"[]", b'"name"', b"{", b'{"name": 3}', b'{"name":"x","env":{}}',
                     b'{"name":"x","env":[{"value":"1"}]}', b'{"name":"x","runtime":{"lane":"slow"}}',
                     b'{"name":"x","runtime":[]}', b'{"name":"\xff"}', b"[" * 100_000):
            with self.subTest(text=text[:40]):
                body, headers = self.vibed.multipart(text, PAGE)
                self.refused(self.vibed.call("POST", "/v1/deploy", body, headers), 400, "bad_metadata")

    def test_a_missing_source(self):
        body, headers = self.vibed.multipart({"name": "x"}, None)
        self.refused(self.vibed.call("POST", "/v1/deploy", body, headers), 400, "missing_source")

    def test_an_empty_source(self):
        self.refused(self.vibed.post_deploy("x", b""), 400, "deploy_failed")

    def test_wrong_multipart(self):
        good, headers = self.vibed.multipart({"name": "x"}, PAGE)
        kind = headers["Content-Type"]
        cases = {
            "no content type": (good, {}),
            "another content type": (good, {"Content-Type": "application/json"}),
            "no boundary": (good, {"Content-Type": "multipart/form-data"}),
            "another boundary": (good, {"Content-Type": "multipart/form-data; boundary=other"}),
            "no end": (good[:-20], {"Content-Type": kind}),
            "cut in the source": (good[: len(good) // 2], {"Content-Type": kind}),
            "empty": (b"", {"Content-Type": kind}),
            "rubbish": (os.urandom(1000), {"Content-Type": kind}),
            "long boundary": (good, {"Content-Type": "multipart/form-data; boundary=" + "b" * 5000}),
        }
        for name, (body, headers) in cases.items():
            with self.subTest(name):
                self.refused(self.vibed.call("POST", "/v1/deploy", body, headers), 400, "bad_multipart")

    def test_one_byte_too_many(self):
        self.refused(self.vibed.post_deploy("x", b"x" * (50 * 1024 * 1024 + 1)), 413, "payload_too_large")

    def test_a_content_length_far_too_large_is_refused_before_it_comes(self):
        with Connection(self.address()) as connection:
            connection.send(f"POST /v1/deploy HTTP/1.1\r\nHost: {self.host()}\r\nContent-Length: "
                            "99999999999\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n".encode())
            self.refused(connection.answer(), 413, "payload_too_large")

    def test_an_unknown_template(self):
        answer = self.vibed.post_deploy("x", PAGE, runtime={"template": "cobol-60"})
        self.refused(answer, 422, "unknown_template")

    def test_a_template_that_cannot_run_here(self):
        answer = self.vibed.post_deploy("x", tar_gz({"worker.js": "export default {}",
                                                     "wrangler.toml": 'main = "worker.js"'}))
        self.refused(answer, 422, "template_unavailable")

    def test_unknown_apps(self):
        for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/suspend"), ("POST", "/resume"),
                             ("GET", "/versions"), ("GET", "/logs"), ("GET", "/logs?follow=true")):
            with self.subTest(path=path):
                self.refused(self.vibed.call(method, "/v1/apps/nobody" + path), 404, "not_found")
        self.refused(self.vibed.call("POST", "/v1/apps/nobody/rollback", {"version": 1}), 404, "not_found")
        body, headers = self.vibed.multipart({}, PAGE)
        self.refused(self.vibed.call("POST", "/v1/apps/nobody/redeploy", body, headers), 404, "not_found")

    def test_paths_that_are_none(self):
        for path in ("/v1/nothing", "/v1/apps/a/b/c", "/../etc/passwd", "/v1/apps/%2e%2e", "//"):
            with self.subTest(path=path):
                self.assertEqual(self.vibed.call("GET", path).status, 404, path)

    def test_the_wrong_method(self):
        self.refused(self.vibed.call("PUT", "/v1/apps"), 405, "method_not_allowed")

    def test_wrong_parameters(self):
        for query in ("limit=x", "offset=1.5", "limit=99999999999999999999"):
            with self.subTest(query=query):
                self.refused(self.vibed.call("GET", "/v1/apps?" + query), 400, "bad_parameter")

    def test_foreign_hosts_and_origins(self):
        for headers in ({"Origin": "http://k3v0abc12345.localhost:18080"}, {"Origin": "null"},
                        {"Origin": "http://evil.example"}):
            with self.subTest(headers=headers):
                self.refused(self.vibed.call("GET", "/v1/apps", headers=headers), 403, "foreign_host")
        for host in ("evil.example", "k3v0abc12345.localhost", "127.0.0.1.evil.example"):
            with self.subTest(host=host):
                answer = request("GET", self.vibed.api + "/v1/apps", host=host)
                self.refused(answer, 403, "foreign_host")

    def test_a_huge_header(self):
        for headers in ({"X-Large": "x" * 200_000}, {f"X-{i}": "x" * 100 for i in range(2000)}):
            try:
                answer = self.vibed.call("GET", "/v1/apps", headers=headers)
            except ConnectionError:
                continue  # the answer was overtaken by the reset of a connection full of header
            self.refused(answer, 431, "headers_too_large")

    def smuggled(self, head, body=b""):
        """The status lines a raw request gets."""
        with socket.create_connection(self.address(), timeout=5) as raw:
            raw.sendall(head.replace("\n", "\r\n").encode("latin-1") + body)
            raw.shutdown(socket.SHUT_WR)
            answer = b""
            try:
                while piece := raw.recv(65536):
                    answer += piece
            except OSError:
                pass
        return [int(line.split()[1]) for line in answer.split(b"\r\n") if line.startswith(b"HTTP/1.")]

    def test_smuggled_requests(self):
        host = self.host()
        inner = f"GET /v1/apps HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
        post = f"POST /v1/apps/x/suspend HTTP/1.1\nHost: {host}\n"
        cases = {
            "length and chunked": (post + f"Content-Length: {len(inner)}\nTransfer-Encoding: chunked\n\n",
                                   b"0\r\n\r\n" + inner),
            "two lengths": (post + f"Content-Length: 0\nContent-Length: {len(inner)}\n\n", inner),
            "a list of lengths": (post + f"Content-Length: 0, {len(inner)}\n\n", inner),
            "a signed length": (post + "Content-Length: +3\n\n", b"abc"),
            "a negative length": (post + "Content-Length: -1\n\n", b""),
            "a hexadecimal length": (post + "Content-Length: 0x3\n\n", b"abc"),
            "an unknown coding": (post + "Transfer-Encoding: xchunked\n\n", b"0\r\n\r\n" + inner),
            "chunked twice": (post + "Transfer-Encoding: chunked, chunked\n\n", b"0\r\n\r\n" + inner),
            "chunked not last": (post + "Transfer-Encoding: chunked, gzip\n\n", b"0\r\n\r\n" + inner),
            "a space before the colon": (post + f"Content-Length : {len(inner)}\n\n", inner),
            "a folded header": (post + f"X: a\n Content-Length: {len(inner)}\n\n", inner),
            "a bad chunk": (post + "Transfer-Encoding: chunked\n\n", b"zz\r\n" + inner),
            "no host": ("GET /v1/apps HTTP/1.1\n\n", b""),
            "two hosts": (f"GET /v1/apps HTTP/1.1\nHost: {host}\nHost: evil.example\n\n", b""),
            "a bare line feed in a name": (f"GET /v1/apps HTTP/1.1\nHost: {host}\nX\x00Y: 1\n\n", b""),
        }
        for name, (head, body) in cases.items():
            with self.subTest(name):
                statuses = self.smuggled(head, body)
                self.assertLessEqual(len(statuses), 1, f"a second answer: {statuses}")
                self.assertTrue(all(400 <= status < 500 or status == 501 for status in statuses), statuses)

    def test_a_client_that_goes_in_the_middle_of_its_upload(self):
        body, headers = self.vibed.multipart({"name": "gone"}, os.urandom(1 << 20))
        with Connection(self.address()) as connection:
            connection.send(f"POST /v1/deploy HTTP/1.1\r\nHost: {self.host()}\r\nContent-Length: "
                            f"{len(body)}\r\nContent-Type: {headers['Content-Type']}\r\n\r\n".encode())
            connection.send(body[: len(body) // 2])
            time.sleep(0.2)

    def test_a_slow_upload_is_cut_off(self):
        with Connection(self.address(), timeout=60) as connection:
            connection.send(f"POST /v1/deploy HTTP/1.1\r\nHost: {self.host()}\r\nContent-Length: 1000"
                            "\r\nContent-Type: multipart/form-data; boundary=b\r\n\r\n--b".encode())
            started = time.monotonic()
            try:
                answer = connection.answer()
                self.refused(answer, 408, "request_timeout")
            except ConnectionError:
                pass  # cut off without a word
            self.assertLess(time.monotonic() - started, 45)

    def test_a_slow_head_is_cut_off(self):
        with Connection(self.address(), timeout=60) as connection:
            connection.send(b"GET /v1/apps HTTP/1.1\r\nHos")
            started = time.monotonic()
            try:
                self.refused(connection.answer(), 408, "request_timeout")
            except ConnectionError:
                pass
            self.assertLess(time.monotonic() - started, 20)

    def test_a_neighbour_is_not_disturbed_by_slow_ones(self):
        slow = [Connection(self.address()) for _ in range(200)]
        try:
            for connection in slow:
                connection.send(b"GET /v1/apps HTTP/1.1\r\nHos")
            started = time.monotonic()
            self.assertEqual(self.vibed.call("GET", "/v1/apps").status, 200)
            self.assertLess(time.monotonic() - started, 2)
        finally:
            for connection in slow:
                connection.close()


class ClientGoneWhileWaiting(E2E):
    """The record is written by then: the deploy goes on, as an upload whose answer was lost."""

    disabled = ("go-123", "python-313", "base-al2023")

    def test_the_app_comes_up_and_can_be_removed(self):
        slow = from_folder(os.path.join(APPS, "listener"))
        body, headers = self.vibed.multipart(
            {"name": "left", "env": [{"name": "AFTER_MS", "value": "1500"}]}, slow)
        parts = urllib.parse.urlsplit(self.vibed.api)
        with Connection((parts.hostname, parts.port)) as connection:
            connection.send(f"POST /v1/deploy HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: "
                            f"{len(body)}\r\nContent-Type: {headers['Content-Type']}\r\n\r\n".encode())
            connection.send(body)
            wait_for(lambda: "left" in self.vibed.names(), "the record is written")
        self.wait_for_phase("left", "Ready")
        self.assertEqual(self.vibed.remove("left").status, 204)
        wait_for(lambda: (self.vibed.claimed(), self.vibed.sources()) == ([], []),
                 lambda: f"{self.vibed.claimed()} {self.vibed.sources()}")


if __name__ == "__main__":
    main()

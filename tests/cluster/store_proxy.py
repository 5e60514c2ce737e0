"""What stands before the S3 server of the tests and can be told what goes wrong, and who gives vibed its credentials."""

import datetime
import http.client
import http.server
import json
import re
import threading
import urllib.parse

from world import ADDRESS, free_port


class Server:
    """A server of HTTP in a thread; `handle(handler)` answers every request."""

    def __init__(self, handle, address=ADDRESS):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def version_string(self):
                return ""

            def answer(self, status, body, headers=(), date=True):
                self.send_response_only(status)
                if date:
                    self.send_header("Date", self.date_time_string())
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Connection", "close")
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = lambda self: handle(self)

        self.server = http.server.ThreadingHTTPServer((address, free_port()), Handler)
        self.url = f"http://{address}:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self):
        self.server.shutdown()
        self.server.server_close()


class StoreProxy(Server):
    """Passes everything on as it was signed."""

    def __init__(self, url):
        self.upstream = urllib.parse.urlparse(url).netloc
        self.expired = set()  # credentials for which it says what AWS says of temporary ones that have ended
        self.dates = True     # without it nobody learns what time the store has
        self.seen = []        # (method, path, status)
        super().__init__(self.pass_on)

    def pass_on(self, request):
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        asked = request.headers.get("Authorization", "") + urllib.parse.unquote(request.path)
        who = re.search(r"Credential=([^/]+)/", asked)
        if who and who[1] in self.expired:
            text = "<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
            self.seen.append((request.command, request.path, 400))
            return request.answer(400, text.encode(), [("Content-Length", str(len(text)))])
        connection = http.client.HTTPConnection(self.upstream, timeout=30)
        connection.putrequest(request.command, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in request.headers.items():
            if name.lower() != "connection":
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        said = answer.read()
        kept = [(name, value) for name, value in answer.getheaders()
                if name.lower() not in ("date", "connection", "transfer-encoding", "content-length")]
        length = answer.getheader("Content-Length") if request.command == "HEAD" else str(len(said))
        self.seen.append((request.command, request.path, answer.status))
        return request.answer(answer.status, said, [*kept, ("Content-Length", length or "0")], self.dates)


class CredentialService(Server):
    """As a container's: temporary keys, for who shows the token."""

    TOKEN = "token-of-the-pod"

    def __init__(self):
        self.keys = None
        super().__init__(self.give, "127.0.0.1")

    def variables(self):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/credentials",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN": self.TOKEN}

    def give(self, request):
        if request.headers.get("Authorization") != self.TOKEN:
            return request.answer(401, b"")
        end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
        text = json.dumps({"AccessKeyId": self.keys[0], "SecretAccessKey": self.keys[1], "Token": "",
                           "Expiration": end.strftime("%Y-%m-%dT%H:%M:%SZ")}).encode()
        return request.answer(200, text, [("Content-Length", str(len(text)))])

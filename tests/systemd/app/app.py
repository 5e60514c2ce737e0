# Answers "GET <path>"; /eat takes memory until somebody stops it.
import http.server


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        held = []
        while self.path == "/eat":
            held.append(b"x" * 10_000_000)
        body = f"GET {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()

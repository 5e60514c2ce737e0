import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        text = options["--name"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


HTTPServer(("", int(options["--port"])), Handler).serve_forever()

"""The internet, as far as the cluster of the tests has one: public addresses at the node, with somebody there."""

import contextlib
import http.server
import socket
import subprocess
import threading

PUBLIC = "203.0.113.80"
RESOLVER = "8.8.8.8"  # the first of the chart's sandbox.nameservers
METADATA = "169.254.169.254"


@contextlib.contextmanager
def addresses(*wanted):
    """The node has those too, until the end of the block."""
    for each in wanted:
        subprocess.run(["ip", "address", "replace", f"{each}/32", "dev", "lo"], check=True)
    try:
        yield
    finally:
        for each in wanted:
            subprocess.run(["ip", "address", "del", f"{each}/32", "dev", "lo"], check=True)


def serve_web(address, port):
    """Says hello there; returns what ends it."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_):
            pass

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "5")
            self.end_headers()
            self.wfile.write(b"hello")

    server = http.server.ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def end():
        server.shutdown()
        server.server_close()

    return end


def serve_names(address):
    """A public resolver, which knows none of the names that it is asked for here; returns what ends it."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    # CoreDNS has this port at every address of the node, and shares it; the one that names an address is asked there.
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((address, 53))

    def answer():
        with contextlib.suppress(OSError):  # closed
            while True:
                question, who = server.recvfrom(2000)
                if not who:
                    return  # shut down
                # The same question, and NXDOMAIN; of additional records none.
                server.sendto(question[:2] + b"\x81\x83" + question[4:6] + b"\0" * 6 + question[12:], who)

    threading.Thread(target=answer, daemon=True).start()

    def end():
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()

    return end

"""A WebSocket stays open while other apps come and go."""

import base64
import concurrent.futures
import os
import urllib.parse

from harness import APPS, E2E, Connection, from_folder, main, tar_gz


class WebSocket:
    def __init__(self, vibed, url):
        parts = urllib.parse.urlsplit(url)
        self.connection = Connection(("127.0.0.1", parts.port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        answer = self.connection.ask("GET", "/echo", parts.netloc, headers={
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": key})
        assert answer.status == 101, (answer, vibed.log())

    def echo(self, text):
        data = text.encode()
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
        self.connection.send(bytes([0x81, 0x80 | len(data)]) + mask + masked)
        head = self.connection.file.read(2)
        return self.connection.file.read(head[1]).decode()

    def close(self):
        self.connection.close()


class WebSockets(E2E):
    disabled = ("go-123", "python-313", "base-al2023")

    def test_stays_open_while_fifty_other_apps_are_deployed(self):
        url = self.vibed.deploy("echo", from_folder(os.path.join(APPS, "websocket")))
        socket = WebSocket(self.vibed, url)
        self.addCleanup(socket.close)
        self.assertEqual(socket.echo("hello"), "hello")

        def deploy(number):
            page = f"<h1>page {number}</h1>"
            return page, self.vibed.deploy(f"other-{number}", tar_gz({"index.html": page}))

        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for number, (page, other) in enumerate(pool.map(deploy, range(50))):
                self.assertEqual(socket.echo(f"after {number}"), f"after {number}")
                self.assertEqual(self.get(other).text, page)
        self.assertEqual(socket.echo("still here"), "still here")


if __name__ == "__main__":
    main()

import asyncio
import importlib
import sys


async def serve_one(app, reader, writer):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _ = head[0].split(" ", 2)
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if ": " in line)
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    out = {"status": 500, "headers": [], "body": b""}

    async def receive():
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message):
        if message["type"] == "http.response.start":
            out.update(status=message["status"], headers=message.get("headers", []))
        else:
            out["body"] += message.get("body", b"")

    scope = {"type": "http", "method": method, "path": path, "server_name": "tinyasgi"}
    await app(scope, receive, send)
    lines = [f"HTTP/1.1 {out['status']} OK".encode(), b"connection: close",
             f"content-length: {len(out['body'])}".encode()]
    lines += [name + b": " + value for name, value in out["headers"]]
    writer.write(b"\r\n".join(lines) + b"\r\n\r\n" + out["body"])
    await writer.drain()
    writer.close()


async def main(target, port):
    sys.path.insert(0, ".")
    module, _, name = target.partition(":")
    app = getattr(importlib.import_module(module), name)
    server = await asyncio.start_server(lambda r, w: serve_one(app, r, w), "0.0.0.0", port)
    await server.serve_forever()


asyncio.run(main(sys.argv[1], int(sys.argv[sys.argv.index("--port") + 1])))

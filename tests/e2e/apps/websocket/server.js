// A WebSocket echo by hand: masked text frames of less than 126 bytes come back unmasked.
const crypto = require("node:crypto");
const http = require("node:http");

const server = http.createServer((request, response) => response.end("a websocket is here"));

server.on("upgrade", (request, socket) => {
  const accept = crypto
    .createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
    .digest("base64");
  socket.write(
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
      `Sec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let waiting = Buffer.alloc(0);
  socket.on("data", (data) => {
    waiting = Buffer.concat([waiting, data]);
    while (waiting.length >= 6 && waiting.length >= 6 + (waiting[1] & 127)) {
      const size = waiting[1] & 127;
      const mask = waiting.subarray(2, 6);
      const text = Buffer.from(waiting.subarray(6, 6 + size).map((byte, i) => byte ^ mask[i % 4]));
      socket.write(Buffer.concat([Buffer.from([0x81, size]), text]));
      waiting = waiting.subarray(6 + size);
    }
  });
  socket.on("error", () => socket.destroy());
});

server.listen(process.env.PORT);

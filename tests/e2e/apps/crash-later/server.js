// Serves until somebody asks for /crash.
const http = require("node:http");

http
  .createServer((request, response) => {
    if (request.url === "/crash") {
      console.error("asked to crash");
      response.end("bye", () => process.exit(7));
      return;
    }
    response.end(String(process.pid));
  })
  .listen(process.env.PORT);

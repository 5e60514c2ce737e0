// Answers with the content of its file VERSION and, to a POST, the size of the body.
const fs = require("node:fs");
const http = require("node:http");

const version = fs.readFileSync("VERSION", "utf8").trim();

http
  .createServer(async (request, response) => {
    let bytes = 0;
    for await (const chunk of request) bytes += chunk.length;
    response.end(`${version} ${request.method} ${bytes}`);
  })
  .listen(process.env.PORT);

// Says what it was asked and what it was given.
const http = require("node:http");

http
  .createServer(async (request, response) => {
    let bytes = 0;
    for await (const chunk of request) bytes += chunk.length;
    if (request.url === "/log") {
      console.log("a line on stdout");
      console.error("a line on stderr");
    }
    response.setHeader("Content-Type", "application/json");
    response.end(
      JSON.stringify({
        runtime: `node ${process.version}`,
        method: request.method,
        url: request.url,
        host: request.headers.host,
        bytes,
        greeting: process.env.GREETING ?? null,
        cwd: process.cwd(),
      }),
    );
  })
  .listen(Number(process.env.PORT), () => console.log("ready"));

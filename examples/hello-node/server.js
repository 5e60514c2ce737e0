const http = require("node:http");

const server = http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/plain; charset=utf-8");
  response.end(`Hello from Node ${process.version}: ${request.method} ${request.url}\n`);
});

server.listen(process.env.PORT, () => console.log(`listening on port ${process.env.PORT}`));

// AT_HOST, AT_PORT and AFTER_MS: where to listen, and how long to take.
const http = require("node:http");

const port = Number(process.env.AT_PORT ?? process.env.PORT);
const host = process.env.AT_HOST;
const server = http.createServer((request, response) => {
  const { address, port: at } = server.address();
  response.end(`listening on ${address} ${at}`);
});
setTimeout(() => server.listen(host ? { port, host } : { port }), Number(process.env.AFTER_MS ?? 0));

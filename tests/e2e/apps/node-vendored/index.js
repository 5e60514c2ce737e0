const { router } = require("tiny-router");

router()
  .get("/", () => "the front page")
  .get("/hello/:name", ({ name }) => `hello ${name}`)
  .listen(process.env.PORT);

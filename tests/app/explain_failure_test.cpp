#include "app/explain_failure.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace vibed {
namespace {

struct Case {
  std::vector<std::string> log;
  std::string names;  // empty: nothing to explain
};

// The lines are what node 20, python 3.11 and go 1.26 really print.
TEST(ExplainFailure, NamesWhatIsMissing) {
  const Case cases[] = {
      {{"node:internal/modules/cjs/loader:1143", "  throw err;", "  ^", "",
        "Error: Cannot find module 'express'", "Require stack:", "- /workspace/server.js",
        "    at Module._resolveFilename (node:internal/modules/cjs/loader:1140:15)", "",
        "Node.js v20.20.2"},
       "\"express\""},
      {{"Error [ERR_MODULE_NOT_FOUND]: Cannot find package 'fastify' imported from "
        "/workspace/index.mjs"},
       "\"fastify\""},
      {{"Error: Cannot find module './routes/users'"}, "\"./routes/users\""},
      {{"Error: Cannot find module '/workspace/dist/main.js'"}, "\"/workspace/dist/main.js\""},
      {{"Traceback (most recent call last):", "  File \"/workspace/app.py\", line 1, in <module>",
        "    import flask", "ModuleNotFoundError: No module named 'flask'"},
       "\"flask\""},
      {{"/usr/bin/python3: No module named uvicorn"}, "\"uvicorn\""},
      {{"main.go:6:2: no required module provides package github.com/gin-gonic/gin; to add it:",
        "\tgo get github.com/gin-gonic/gin"},
       "\"github.com/gin-gonic/gin\""},
      {{"main.go:6:2: cannot find module providing package github.com/a/b: module lookup disabled "
        "by GOFLAGS=-mod=mod"},
       "\"github.com/a/b\""},
      {{"main.go:5:2: missing go.sum entry for module providing package rsc.io/quote; to add:"},
       "\"rsc.io/quote\""},
      {{"listening on 8080", "Error: connect ECONNREFUSED"}, ""},
      {{"ModuleNotFoundError: No module named ''"}, ""},
      {{}, ""},
  };
  for (const Case& one : cases) {
    auto message = explain_failure(one.log);
    EXPECT_EQ(message.has_value(), !one.names.empty()) << (one.log.empty() ? "" : one.log[0]);
    if (!message) continue;
    EXPECT_NE(message->find(one.names), std::string::npos) << *message;
    EXPECT_EQ(message->find('\n'), std::string::npos);
    EXPECT_FALSE(message->ends_with('.'));
  }
}

TEST(ExplainFailure, TheLastComplaintCounts) {
  std::vector<std::string> log = {"ModuleNotFoundError: No module named 'optional'", "using a stub",
                                  "ModuleNotFoundError: No module named 'needed'"};
  EXPECT_NE(explain_failure(log)->find("\"needed\""), std::string::npos);
}

TEST(ExplainFailure, SaysThatADependencyIsMissingAndWhatToDo) {
  std::vector<std::string> log = {"Error: Cannot find module 'express'"};
  EXPECT_EQ(*explain_failure(log),
            "a dependency is missing: the Node module \"express\" is not in the source (vendor "
            "node_modules into the source, or bundle the app: vibed installs no dependencies yet)");
}

TEST(ExplainFailure, AMissingFileOfTheAppIsNotCalledADependency) {
  std::vector<std::string> log = {"Error: Cannot find module './lib/db'"};
  EXPECT_EQ(*explain_failure(log), "the file \"./lib/db\" that the app loads is not in the source");
}

TEST(ExplainFailure, ANameFromALogCannotBreakTheMessage) {
  std::vector<std::string> log = {"ModuleNotFoundError: No module named '\x1b[31m" +
                                  std::string(1000, 'x') + "'"};
  auto message = explain_failure(log);
  ASSERT_TRUE(message);
  EXPECT_LT(message->size(), 500u);
  EXPECT_EQ(message->find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace vibed

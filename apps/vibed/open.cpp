// vibed open: an app in the browser.
#include <fmt/format.h>

#include "browser.hpp"
#include "commands.hpp"
#include "remote.hpp"

namespace vibed::cli {
namespace {

Status open(const Invocation& invocation) {
  auto client = connect(invocation);
  auto app = call(*client, "GET", app_path(invocation.text("APP")));
  if (!app) return std::move(app).error();
  fmt::print("{}\n", text_of(*app, "url"));
  return open_in_browser(text_of(*app, "url"));
}

}  // namespace

Command open_command() {
  return {.name = "open",
          .summary = "open an app in the browser",
          .options = remote_options(false),
          .positionals = {{"APP", "its name"}},
          .run = open};
}

}  // namespace vibed::cli

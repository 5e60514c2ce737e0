// The waiting room's page and its JSON. Pure.
#pragma once

#include <string>
#include <string_view>

namespace vibed::api {

// What a visitor is told.
struct Notice {
  int status = 503;
  std::string code;           // a word of the table of error codes
  std::string title;          // "This app is starting"
  std::string text;           // one sentence
  std::string phase = {};     // "" for an unknown app
  std::string reason = {};    // CamelCase, may be empty
  std::string message = {};   // one line, may be empty
  int retry_after = 0;        // seconds; 0: no use
  bool refresh = false;       // the page loads itself again after retry_after
  std::string upstream = {};  // for the edge alone, not for the page
};

// A page without anything from elsewhere.
std::string notice_html(const Notice& notice);
std::string notice_json(const Notice& notice);

// Whether the sender of that Accept field would rather have a page than JSON.
bool prefers_html(std::string_view accept);

std::string escape_html(std::string_view text);

}  // namespace vibed::api

#include "api/waiting_page.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace vibed::api {
namespace {

constexpr std::string_view kStyle = R"(
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dee5;--back:#f6f7f9;--card:#fff;--mark:#2f6fed}
@media(prefers-color-scheme:dark){:root{--ink:#e8ecf1;--soft:#9aa5b4;--line:#2c3542;--back:#12161c;--card:#1a2029}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1.5rem;background:var(--back);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{width:100%;max-width:34rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}
h1{margin:0 0 .5rem;font-size:1.35rem;line-height:1.25}
p{margin:0;color:var(--soft)}
dl{margin:1.25rem 0 0;padding-top:1.25rem;border-top:1px solid var(--line);overflow-wrap:anywhere}
dt{font-weight:600}dd{margin:.25rem 0 0;color:var(--soft)}
.busy{height:3px;margin:0 0 1.5rem;border-radius:2px;background:linear-gradient(90deg,var(--line) 25%,var(--mark) 50%,var(--line) 75%) 0/200% 100%;animation:s 1.4s linear infinite}
@keyframes s{to{background-position:-200% 0}}
@media(prefers-reduced-motion:reduce){.busy{animation:none}}
)";

std::string details(const Notice& notice) {
  if (notice.reason.empty() && notice.message.empty()) return "";
  return fmt::format("<dl><dt>{}</dt><dd>{}</dd></dl>\n", escape_html(notice.reason),
                     escape_html(notice.message));
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string escaped;
  for (char c : text) {
    switch (c) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default: escaped += c;
    }
  }
  return escaped;
}

std::string notice_html(const Notice& notice) {
  std::string refresh =
      notice.refresh
          ? fmt::format("<meta http-equiv=\"refresh\" content=\"{}\">\n", notice.retry_after)
          : "";
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
      "{refresh}<title>{title}</title>\n<style>{style}</style>\n</head>\n<body>\n"
      "<main role=\"status\">\n{busy}<h1>{title}</h1>\n<p>{text}</p>\n{details}</main>\n"
      "</body>\n</html>\n",
      fmt::arg("refresh", refresh), fmt::arg("title", escape_html(notice.title)),
      fmt::arg("style", kStyle),
      fmt::arg("busy", notice.refresh ? "<div class=\"busy\"></div>\n" : ""),
      fmt::arg("text", escape_html(notice.text)), fmt::arg("details", details(notice)));
}

std::string notice_json(const Notice& notice) {
  nlohmann::ordered_json json{{"code", notice.code}};
  json["message"] = notice.message.empty() ? notice.text : notice.message;
  if (!notice.phase.empty()) json["phase"] = notice.phase;
  if (!notice.reason.empty()) json["reason"] = notice.reason;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

// Browsers name text/html when they load a page and do not when a script fetches something;
// programs mostly send "*/*".
bool prefers_html(std::string_view accept) {
  std::size_t html = accept.find("text/html");
  std::size_t json = accept.find("application/json");
  return html != accept.npos && html < json;
}

}  // namespace vibed::api

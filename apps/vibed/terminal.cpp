#include "terminal.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

namespace vibed::cli {
namespace {

constexpr std::uint64_t kBarWidth = 24;

const char* code_of(Colour colour) {
  switch (colour) {
    case Colour::red: return "31";
    case Colour::green: return "32";
    case Colour::yellow: return "33";
    case Colour::bold: return "1";
    case Colour::dim: return "2";
  }
  return "0";
}

std::size_t columns() {
  winsize size{};
  return ::ioctl(2, TIOCGWINSZ, &size) == 0 && size.ws_col > 10 ? size.ws_col : 80;
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

}  // namespace

bool is_terminal(int fd) { return ::isatty(fd) == 1; }

std::string coloured(const Invocation& invocation, int fd, Colour colour, const std::string& text) {
  const bool plain = !is_terminal(fd) || !invocation.variable("NO_COLOR").empty() ||
                     invocation.variable("TERM") == "dumb";
  if (plain) return text;
  return "\033[" + std::string(code_of(colour)) + "m" + text + "\033[0m";
}

void print_table(const std::vector<std::string>& headings,
                 const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  widths.reserve(headings.size());
  for (const auto& heading : headings) widths.push_back(heading.size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  const auto print = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) line += padded(row[i], widths[i] + 2);
    line.erase(line.find_last_not_of(' ') + 1);
    fmt::print("{}\n", line);
  };
  print(headings);
  for (const auto& row : rows) print(row);
}

std::string size_text(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 1000) return fmt::format("{} B", bytes);
  if (bytes < 1'000'000) return fmt::format("{:.1f} kB", value / 1e3);
  return fmt::format("{:.1f} MB", value / 1e6);
}

void ProgressLine::show(const std::string& text) {
  if (quiet_ || !terminal_) return;
  fmt::print(stderr, "\r\033[K{}", text.substr(0, columns() - 1));
  std::fflush(stderr);
  shown_ = true;
}

void ProgressLine::bar(const std::string& what, std::uint64_t done, std::uint64_t total) {
  const std::uint64_t filled = total == 0 ? 0 : kBarWidth * done / total;
  show(fmt::format("{:<10} [{}{}] {} of {}", what, std::string(filled, '='),
                   std::string(kBarWidth - filled, ' '), size_text(done), size_text(total)));
}

void ProgressLine::tell(const std::string& text) {
  clear();
  if (!quiet_) fmt::print(stderr, "{}\n", text);
}

void ProgressLine::clear() {
  if (shown_) fmt::print(stderr, "\r\033[K");
  shown_ = false;
}

}  // namespace vibed::cli

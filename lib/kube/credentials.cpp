#include "kube/credentials.hpp"

#include <sys/stat.h>

#include "base/base64.hpp"
#include "base/error_codes.hpp"
#include "base/files.hpp"

namespace vibed::kube {
namespace {

constexpr std::size_t kLargestFile = 1024 * 1024;
// A credential is renewed so long before it expires, for the request's own way and clocks that
// differ a little.
constexpr std::chrono::seconds kEarly{10};

std::string trimmed(std::string text) {
  while (!text.empty() && static_cast<unsigned char>(text.back()) <= ' ') text.pop_back();
  return text;
}

std::string authorization_of(const Pass& pass) {
  for (const auto& [name, value] : pass.headers) {
    if (name == "Authorization") return value;
  }
  return {};
}

}  // namespace

Result<std::string> RotatingFile::read() {
  struct stat info {};
  if (::stat(path_.c_str(), &info) == 0) {
    const Identity identity{info.st_dev, info.st_ino, info.st_size,
                            info.st_mtim.tv_sec * 1'000'000'000 + info.st_mtim.tv_nsec};
    if (text_ && identity == seen_) return *text_;
    auto text = read_file(path_, kLargestFile);
    // An empty file is one that is being written.
    if (text && !text->empty()) {
      seen_ = identity;
      text_ = std::move(*text);
    }
  }
  if (text_) return *text_;
  auto text = read_file(path_, kLargestFile);
  if (text) return make_error("bad_kubeconfig", path_ + ": is empty");
  return make_error("bad_kubeconfig", path_ + ": " + text.error().message);
}

Credentials::Credentials(Access access, Now now)
    : access_(std::move(access)), now_(std::move(now)) {
  const auto open = [](const Given& given, std::optional<RotatingFile>& file) {
    if (!given.file.empty()) file.emplace(given.file);
  };
  open(access_.authorities, authorities_);
  open(access_.certificate, certificate_);
  open(access_.key, key_);
  open(access_.token, token_);
}

Result<std::string> Credentials::text_of(const Given& given, std::optional<RotatingFile>& file) {
  return file ? file->read() : Result<std::string>(given.text);
}

bool Credentials::is_stale() const {
  return !plugin_ || (plugin_->expires && now_() >= *plugin_->expires - kEarly);
}

Status Credentials::run_plugin(const std::string& authorities) {
  if (access_.exec.empty() || !is_stale()) return success();
  auto fresh = run_exec_plugin(access_.exec[0], access_, authorities);
  if (!fresh) return std::move(fresh).error();
  plugin_ = std::move(*fresh);
  return success();
}

Result<fetch::Tls> Credentials::tls_now() {
  auto authorities = text_of(access_.authorities, authorities_);
  if (!authorities) return authorities.error();
  auto certificate = text_of(access_.certificate, certificate_);
  if (!certificate) return certificate.error();
  auto key = text_of(access_.key, key_);
  if (!key) return key.error();
  if (auto ran = run_plugin(*authorities); !ran) return ran.error();
  fetch::Tls tls{*authorities, *certificate, *key, access_.server_name, access_.insecure};
  if (plugin_ && !plugin_->certificate.empty()) {
    tls.certificate = plugin_->certificate;
    tls.key = plugin_->key;
  }
  return tls;
}

Result<std::string> Credentials::authorization() {
  auto token = text_of(access_.token, token_);
  if (!token) return token;
  if (plugin_ && !plugin_->token.empty()) *token = plugin_->token;
  if (!token->empty()) return "Bearer " + trimmed(*token);
  if (access_.username.empty()) return std::string();
  return "Basic " + to_base64(access_.username + ":" + access_.password);
}

Result<Pass> Credentials::pass() {
  const std::lock_guard lock(mutex_);
  auto tls = tls_now();
  if (!tls) return tls.error();
  if (tls_ == nullptr || *tls_ != *tls) tls_ = std::make_shared<const fetch::Tls>(std::move(*tls));
  auto authorization = this->authorization();
  if (!authorization) return authorization.error();
  Pass pass{tls_, access_.impersonate};
  if (!authorization->empty()) pass.headers.emplace_back("Authorization", *authorization);
  return pass;
}

bool Credentials::renew(const Pass& refused) {
  {
    const std::lock_guard lock(mutex_);
    auto now = authorization();
    const bool is_old = refused.tls != tls_ || !now || *now != authorization_of(refused);
    if (is_old) return true;
    if (access_.exec.empty()) return false;
    plugin_.reset();
  }
  return true;
}

}  // namespace vibed::kube

// ScriptedServer answers with exactly the bytes a test says, on TCP or on a unix socket.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "support/surroundings.hpp"

namespace vibed::testing {

struct Seen {
  int connection = 0;  // which one it came on, from 1
  std::string head;
  std::string body;  // as sent, chunk framing included
};

// What to do with a request: send `bytes`, then maybe close.
struct Script {
  std::string bytes;
  bool close = false;
  std::function<void()> before = {};  // runs first and may block
};

// A request with the header X-Early is answered before its body is read.
class ScriptedServer {
 public:
  // `unix_socket`: a path to listen on; empty: a free port of 127.0.0.1.
  explicit ScriptedServer(std::function<Script(const Seen&)> answer,
                          const std::string& unix_socket = "");
  // At a port that was taken before: until now it has refused who came.
  ScriptedServer(std::function<Script(const Seen&)> answer, Bound port);
  ~ScriptedServer();
  ScriptedServer(const ScriptedServer&) = delete;
  ScriptedServer& operator=(const ScriptedServer&) = delete;

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }  // ever
  int open_connections();                           // now

 private:
  void use(Bound port);
  void start();
  void accept_all();
  void serve(int fd, int connection);

  std::function<Script(const Seen&)> answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<int> connections_ = 0;
  std::mutex mutex_;
  std::vector<int> open_;             // guarded by mutex_
  std::vector<std::thread> threads_;  // guarded by mutex_
  std::thread acceptor_;
};

std::string ok_answer(const std::string& body);

}  // namespace vibed::testing

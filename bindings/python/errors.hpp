// vibed's failures as Python exceptions.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>
#include <string>
#include <utility>

#include "vibed/result.hpp"

// A failure on its way to Python.
class Failure : public std::exception {
 public:
  explicit Failure(vibed::Error error) : error_(std::move(error)) {}
  const char* what() const noexcept override { return error_.message.c_str(); }
  const vibed::Error& error() const { return error_; }

 private:
  vibed::Error error_;
};

// Runs `call` without the interpreter lock, then returns its value or raises vibed.Error.
template <class Call>
auto unlocked(Call call) {
  auto result = [&] {
    pybind11::gil_scoped_release release;
    return call();
  }();
  if (!result) throw Failure(std::move(result).error());
  return *std::move(result);
}

void bind_errors(pybind11::module_& m);

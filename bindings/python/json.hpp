// JSON texts of libvibed as Python's own dicts and lists, and back.
#pragma once

#include <pybind11/pybind11.h>

#include <string>

inline pybind11::object from_json(const std::string& text) {
  return pybind11::module_::import("json").attr("loads")(text);
}

inline std::string to_json(const pybind11::object& value) {
  return pybind11::module_::import("json").attr("dumps")(value).cast<std::string>();
}

#include "errors.hpp"

#include <map>

namespace py = pybind11;

namespace {

using vibed::Errc;

// The class objects are leaked: destroying them after the interpreter has gone would crash.
std::map<Errc, PyObject*>& classes() {
  static auto* all = new std::map<Errc, PyObject*>();
  return *all;
}

const char* word_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "invalid_argument";
    case Errc::unauthenticated: return "unauthenticated";
    case Errc::permission_denied: return "permission_denied";
    case Errc::not_found: return "not_found";
    case Errc::already_exists: return "already_exists";
    case Errc::conflict: return "conflict";
    case Errc::resource_exhausted: return "resource_exhausted";
    case Errc::unavailable: return "unavailable";
    case Errc::deadline_exceeded: return "deadline_exceeded";
    case Errc::cancelled: return "cancelled";
    case Errc::internal: return "internal";
  }
  return "internal";
}

// The class of a code; nullptr: the base class, as nobody can do anything particular about it.
const char* class_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "InvalidArgumentError";
    case Errc::unauthenticated: return "UnauthenticatedError";
    case Errc::permission_denied: return "PermissionDeniedError";
    case Errc::not_found: return "NotFoundError";
    case Errc::already_exists: return "AlreadyExistsError";
    case Errc::conflict: return "ConflictError";
    case Errc::resource_exhausted: return "ResourceExhaustedError";
    case Errc::unavailable: return "UnavailableError";
    case Errc::deadline_exceeded: return "DeadlineExceededError";
    case Errc::cancelled:
    case Errc::internal: return nullptr;
  }
  return nullptr;
}

void raise(const vibed::Error& error) {
  py::handle type = classes()[error.code];
  py::object raised = type(error.message);
  raised.attr("code") = word_of(error.code);
  raised.attr("reason") = error.reason.empty() ? word_of(error.code) : error.reason.c_str();
  PyErr_SetObject(type.ptr(), raised.ptr());
}

}  // namespace

void bind_errors(py::module_& m) {
  PyObject* base = PyErr_NewExceptionWithDoc(
      "vibed.Error", "Why a call failed: `code` is its class, `reason` a stable word.",
      PyExc_Exception, nullptr);
  m.add_object("Error", base);
  for (int number = 1; number <= static_cast<int>(Errc::internal); ++number) {
    const auto code = static_cast<Errc>(number);
    const char* name = class_of(code);
    classes()[code] = base;
    if (name == nullptr) continue;
    const std::string full = std::string("vibed.") + name;
    PyObject* type = PyErr_NewException(full.c_str(), base, nullptr);
    m.add_object(name, type);
    classes()[code] = type;
  }
  py::register_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const Failure& failure) {
      raise(failure.error());
    }
  });
}

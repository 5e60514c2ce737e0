// The private module _vibed; vibed/__init__.py says what of it is public.
#include <pybind11/pybind11.h>

#include "errors.hpp"
#include "vibed/version.hpp"

void bind_classify(pybind11::module_& m);
#ifdef VIBED_WITH_ENGINE
void bind_engine(pybind11::module_& m);
#endif

PYBIND11_MODULE(_vibed, m) {
  m.attr("__version__") = VIBED_VERSION;
  bind_errors(m);
  bind_classify(m);
#ifdef VIBED_WITH_ENGINE
  bind_engine(m);
#endif
}

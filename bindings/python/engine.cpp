#include "vibed/engine.hpp"

#include <pybind11/functional.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "errors.hpp"
#include "json.hpp"
#include "vibed/config.hpp"

namespace py = pybind11;

namespace {

using vibed::Engine;
using Path = std::filesystem::path;

std::unique_ptr<Engine> open_engine(const Path& data, const std::string& config, bool keep_apps,
                                    const Path& agent, const Path& templates,
                                    const py::object& progress) {
  vibed::EngineOptions options;
  options.data = data.string();
  options.keep_apps = keep_apps;
  options.agent = agent.string();
  options.templates = templates.string();
  options.config = unlocked([&] { return vibed::parse_config(config); });
  if (!progress.is_none()) {
    options.progress = [&progress](std::string_view what) {
      py::gil_scoped_acquire lock;
      progress(py::str(what.data(), what.size()));
    };
  }
  return unlocked([&] { return Engine::open(options); });
}

// {"name": name, **more} as JSON.
std::string metadata(const std::string& name, const py::kwargs& more) {
  py::dict all(more);
  all["name"] = name;
  return to_json(all);
}

py::object deploy(Engine& self, const Path& path, const std::string& name, const py::kwargs& more) {
  std::string json = metadata(name, more);
  return from_json(unlocked([&] { return self.deploy(path.string(), json); }));
}

py::object deploy_bytes(Engine& self, const py::bytes& archive, const std::string& name,
                        const py::kwargs& more) {
  std::string json = metadata(name, more);
  std::string_view bytes = archive;
  return from_json(unlocked([&] { return self.deploy_bytes(bytes, json); }));
}

void close_engine(Engine& self) {
  unlocked([&] { return self.close(); });
}

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<Engine>(m, "Engine", "vibed on one machine, running inside of this process.")
      .def_static("open", &open_engine, py::arg("data"), py::kw_only(), py::arg("config") = "",
                  py::arg("keep_apps") = false, py::arg("agent") = Path(),
                  py::arg("templates") = Path(), py::arg("progress") = py::none(),
                  "Start vibed on the data folder `data`; `config` is the text of a vibed.yaml.")
      .def_property_readonly("api_url", &Engine::api_url)
      .def_property_readonly("apps_url", &Engine::apps_url)
      .def("deploy", &deploy, py::arg("path"), py::arg("name"),
           "Deploy a folder or .tgz file and return the app; further keywords as in POST "
           "/v1/deploy.")
      .def("deploy_bytes", &deploy_bytes, py::arg("archive"), py::arg("name"))
      .def("list",
           [](Engine& self) {
             return from_json(unlocked([&] { return self.list(); }))["items"].cast<py::list>();
           })
      .def(
          "get",
          [](Engine& self, const std::string& name) {
            return from_json(unlocked([&] { return self.get(name); }));
          },
          py::arg("name"))
      .def(
          "remove",
          [](Engine& self, const std::string& name) {
            unlocked([&] { return self.remove(name); });
          },
          py::arg("name"))
      .def("close", &close_engine, "End all that was started; further calls raise.")
      .def("__enter__", [](py::object self) { return self; })
      .def("__exit__", [](Engine& self, const py::args&) { close_engine(self); });
}

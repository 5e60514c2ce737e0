#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <filesystem>

#include "errors.hpp"
#include "json.hpp"
#include "vibed/archive.hpp"
#include "vibed/classifier.hpp"

namespace py = pybind11;

namespace {

vibed::ClassificationOverrides overrides_of(const std::optional<std::string>& lane,
                                            const std::string& template_name) {
  vibed::ClassificationOverrides overrides;
  overrides.template_name = template_name;
  if (!lane) return overrides;
  auto parsed = vibed::parse_lane(*lane);
  if (!parsed) throw Failure(std::move(parsed).error());
  overrides.lane = *parsed;
  return overrides;
}

vibed::Result<vibed::Listing> list_path(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return vibed::list_directory(path.string());
  auto bytes = vibed::open_file_source(path.string());
  if (!bytes) return std::move(bytes).error();
  return vibed::list_archive(**bytes);
}

}  // namespace

void bind_classify(py::module_& m) {
  m.def(
      "classify",
      [](const std::filesystem::path& path, const std::optional<std::string>& lane,
         const std::string& template_name) {
        auto overrides = overrides_of(lane, template_name);
        vibed::Listing listing = unlocked([&] { return list_path(path); });
        return from_json(vibed::to_json(vibed::classify(listing, overrides)));
      },
      py::arg("path"), py::kw_only(), py::arg("lane") = py::none(), py::arg("template") = "",
      "Which lane and template the folder or .tgz file at `path` belongs to, and why.");
  m.def(
      "classify_bytes",
      [](const py::bytes& archive, const std::optional<std::string>& lane,
         const std::string& template_name) {
        auto overrides = overrides_of(lane, template_name);
        std::string_view view = archive;
        vibed::Listing listing = unlocked([&] {
          auto bytes = vibed::make_memory_source(view);
          return vibed::list_archive(*bytes);
        });
        return from_json(vibed::to_json(vibed::classify(listing, overrides)));
      },
      py::arg("archive"), py::kw_only(), py::arg("lane") = py::none(), py::arg("template") = "",
      "The same of a gzipped tar archive in memory.");
}

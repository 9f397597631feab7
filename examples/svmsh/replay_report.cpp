// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replay_report.hpp"

#include "footprint.hpp"
#include "options.hpp"
#include "words.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>

namespace svmsh {

namespace {

/// `part` in units of `whole`, with so many decimals.
std::string ratio(double part, double whole, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, whole == 0 ? 0.0 : part / whole);
  return text;
}
/// `part` for each million of `whole`, with one decimal.
std::string per_million(std::uint64_t part, std::uint64_t whole) {
  return ratio(static_cast<double>(part) * 1e6, static_cast<double>(whole), 1);
}

std::uint64_t value_of(std::vector<stat_line> const& statistics, std::string_view name) {
  for (stat_line const& s : statistics)
    if (s.name == name) return s.value;
  return 0;
}

/// A setting or a line of the report; a word is quoted.
struct field {
  std::string name;
  std::string value;
  bool is_word = false;
};

std::string_view word_of(machine_options::migrate_mode mode) {
  using enum machine_options::migrate_mode;
  return mode == off ? "off" : mode == only ? "only" : "on";
}
std::string word_of(svm::placement::uvm_options const& o) {
  using enum svm::placement::prefetch_mode;
  if (o.prefetch == off) return "off";
  std::string word = o.prefetch == density ? "density" : "until-full";
  word += ":" + std::to_string(o.threshold);
  if (o.stream) word += "+stream";
  if (o.gate) word += "+gate";
  if (o.feedback) word += "+feedback";
  return word;
}
std::string_view word_of(svm::placement::eviction_mode mode) {
  constexpr std::string_view words[] = {"oldest", "touched", "uvm", "density"};
  return words[static_cast<std::size_t>(mode)];
}
std::string_view word_of(svm::placement::thrash_mode mode) {
  constexpr std::string_view words[] = {"off", "on", "slice"};
  return words[static_cast<std::size_t>(mode)];
}
std::string_view word_of(svm::placement::counter_mode mode) {
  constexpr std::string_view words[] = {"off", "on", "hysteresis"};
  return words[static_cast<std::size_t>(mode)];
}
std::string_view on_or_off(bool on) {
  return on ? "on" : "off";
}
std::string chunk_list(std::vector<std::uint64_t> const& chunks) {
  std::string list;
  for (std::uint64_t const size : chunks) list += (list.empty() ? "" : ",") + std::to_string(size);
  return list;
}

std::vector<field> settings(report_source const& from) {
  std::vector<field> all;
  auto const number = [&](std::string name, std::uint64_t value) {
    all.push_back({std::move(name), std::to_string(value)});
  };
  auto const word = [&](std::string name, std::string_view value) {
    all.push_back({std::move(name), std::string(value), true});
  };
  machine_options const& m = from.machine;
  replay_options const& r = from.replay;
  word("trace", from.trace);
  word("format", r.format == trace_format::faults64 ? "faults64" : "lackey");
  word("agent", r.start_on_cpu ? "cpu" : "gpu");
  number("turns", r.turns);
  word("prefill", on_or_off(r.prefill));
  number("batch", r.batch);
  number("warps", r.warps);
  number("ram", m.ram);
  number("vram", m.vram);
  number("gpus", m.gpus);
  word("chunks", chunk_list(chunk_sizes(m)));
  number("notifier", m.notifier);
  number("check_pages", m.check_pages);
  word("migrate", word_of(m.migrate));
  number("timeslice", m.timeslice_ms);
  word("readonly", on_or_off(m.readonly));
  word("split", on_or_off(m.split));
  word("gc", m.gc_auto ? "auto" : "manual");
  word("thp", on_or_off(m.thp));
  number("page", m.page);
  word("prefetch", word_of(m.placement));
  word("evict", word_of(m.placement.evict));
  word("thrash", word_of(m.placement.thrash));
  word("counters", word_of(m.placement.counters));
  word("faults", on_or_off(m.faults));
  number("vm_start", m.vm_start);
  number("vm_size", m.vm_size);
  number("seed", m.seed);
  return all;
}

std::vector<field> fields_of(report_source const& from, std::vector<report_line> const& report) {
  std::vector<field> all = settings(from);
  for (report_line const& line : report) all.push_back({line.name, line.value});
  return all;
}

std::string csv_text(std::string const& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string quoted_text = "\"";
  for (char const c : text) quoted_text += c == '"' ? "\"\"" : std::string(1, c);
  return quoted_text + "\"";
}

}  // namespace

std::vector<report_line> make_report(replay_engine& replay, replay_options const& options) {
  replay_counts const& done = replay.done();
  std::vector<stat_line> const statistics = replay.statistics();
  std::vector<report_line> report = {
      {"accesses", std::to_string(done.accesses())},
      {"loads", std::to_string(done.loads)},
      {"stores", std::to_string(done.stores)},
      {"distinct pages", std::to_string(done.distinct_pages)},
  };
  for (stat_line const& s : statistics)
    if (s.exact) report.push_back({std::string(s.name), std::to_string(s.value)});
  std::uint64_t const moved =
      value_of(statistics, "bytes_to_vram") + value_of(statistics, "bytes_to_ram") + value_of(statistics, "bytes_peer");
  report.push_back(
      {"GPU faults per million accesses", per_million(value_of(statistics, "gpu_faults"), done.accesses())});
  report.push_back({"bytes moved per million accesses", per_million(moved, done.accesses())});
  if (!options.tells_placement) return report;
  for (stat_line const& s : replay.placement()) {
    report.push_back({std::string(s.name), std::to_string(s.value)});
    // A list of faults does not say which pages were used.
    bool const is_known = options.follows_prefetch && options.format != trace_format::faults64;
    if (s.name == "pages_prefetched" && is_known)
      report.push_back({"prefetched_unused", std::to_string(done.prefetched_unused)});
  }
  report.push_back({"bytes_moved", std::to_string(moved)});
  double const footprint = static_cast<double>(replay.blocks()) * static_cast<double>(footprint_block);
  report.push_back({"bytes_moved_per_footprint", ratio(static_cast<double>(moved), footprint, 3)});
  return report;
}

std::string report_json(report_source const& from, std::vector<report_line> const& report) {
  std::string text;
  for (field const& f : fields_of(from, report))
    text += (text.empty() ? "{\n  " : ",\n  ") + json_text(f.name) + ": " + (f.is_word ? json_text(f.value) : f.value);
  return text + "\n}\n";
}

std::string report_csv(report_source const& from, std::vector<report_line> const& report) {
  std::string names, values;
  for (field const& f : fields_of(from, report)) {
    names += (names.empty() ? "" : ",") + csv_text(f.name);
    values += (values.empty() ? "" : ",") + csv_text(f.value);
  }
  return names + "\n" + values + "\n";
}

}  // namespace svmsh

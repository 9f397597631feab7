// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "placement_keys.hpp"

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace svmsh {

namespace {

using error = std::optional<bad_input>;

/// What a setter needs to know: the whole word, for the message, and its part behind the `=`.
struct setting {
  std::string_view word;
  std::string_view value;
};

bad_input refusal(setting const& s, std::string_view expected) {
  return {quoted(s.word) + ": expected " + std::string(expected)};
}

error set_number(setting const& s, std::uint64_t& to) {
  parsed<std::uint64_t> const number = parse_number(s.value);
  if (!number) return bad_input{quoted(s.word) + ": " + number.error()};
  to = *number;
  return {};
}

error set_switch(setting const& s, bool& to, std::string_view on = "on", std::string_view off = "off") {
  if (s.value != on && s.value != off) return refusal(s, std::string(on) + " or " + std::string(off));
  to = s.value == on;
  return {};
}

error set_chunks(setting const& s, std::vector<std::uint64_t>& to) {
  std::vector<std::uint64_t> chunks;
  for (std::string_view rest = s.value;;) {
    std::size_t const comma = rest.find(',');
    parsed<std::uint64_t> const size = parse_number(rest.substr(0, comma));
    if (!size) return bad_input{quoted(s.word) + ": " + size.error() + ", expected sizes like 2M,64K,4K"};
    if (chunks.size() == 64) return refusal(s, "at most 64 sizes");
    chunks.push_back(*size);
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  to = std::move(chunks);
  return {};
}

error set_migrate(setting const& s, machine_options::migrate_mode& to) {
  using enum machine_options::migrate_mode;
  if (s.value == "on") {
    to = on;
  } else if (s.value == "off") {
    to = off;
  } else if (s.value == "only") {
    to = only;
  } else {
    return refusal(s, "on, off or only");
  }
  return {};
}

error set_bounded(setting const& s, std::uint64_t low, std::uint64_t high, std::uint64_t& to) {
  std::uint64_t value = 0;
  if (error e = set_number(s, value)) return e;
  if (value < low || value > high) return refusal(s, std::to_string(low) + " to " + std::to_string(high));
  to = value;
  return {};
}

error set_page(setting const& s, std::uint64_t& to) {
  std::uint64_t value = 0;
  if (error e = set_number(s, value)) return e;
  if (value != 4 << 10 && value != 16 << 10 && value != 64 << 10) return refusal(s, "4K, 16K or 64K");
  to = value;
  return {};
}

template <wrong_value (*Set)(machine_options&, std::string_view)>
error set_placement(machine_options& to, setting const& s) {
  if (wrong_value const wrong = Set(to, s.value)) return refusal(s, *wrong);
  return {};
}

struct key {
  std::string_view name;
  error (*set)(machine_options&, setting const&);
};

constexpr key keys[] = {
    {"ram", [](machine_options& o, setting const& s) { return set_number(s, o.ram); }},
    {"vram", [](machine_options& o, setting const& s) { return set_number(s, o.vram); }},
    {"gpus", [](machine_options& o, setting const& s) { return set_bounded(s, 1, 64, o.gpus); }},
    {"chunks", [](machine_options& o, setting const& s) { return set_chunks(s, o.chunks); }},
    {"notifier", [](machine_options& o, setting const& s) { return set_number(s, o.notifier); }},
    {"check_pages", [](machine_options& o, setting const& s) { return set_number(s, o.check_pages); }},
    {"migrate", [](machine_options& o, setting const& s) { return set_migrate(s, o.migrate); }},
    {"timeslice",
     [](machine_options& o, setting const& s) { return set_bounded(s, 0, std::uint64_t{1} << 32, o.timeslice_ms); }},
    {"readonly", [](machine_options& o, setting const& s) { return set_switch(s, o.readonly); }},
    {"split", [](machine_options& o, setting const& s) { return set_switch(s, o.split); }},
    {"gc", [](machine_options& o, setting const& s) { return set_switch(s, o.gc_auto, "auto", "manual"); }},
    {"evict", set_placement<set_evict>},
    {"prefetch", set_placement<set_prefetch>},
    {"thrash", set_placement<set_thrash>},
    {"thp", [](machine_options& o, setting const& s) { return set_switch(s, o.thp); }},
    {"page", [](machine_options& o, setting const& s) { return set_page(s, o.page); }},
    {"faults", [](machine_options& o, setting const& s) { return set_switch(s, o.faults); }},
    {"vm_start", [](machine_options& o, setting const& s) { return set_number(s, o.vm_start); }},
    {"vm_size", [](machine_options& o, setting const& s) { return set_number(s, o.vm_size); }},
    {"seed", [](machine_options& o, setting const& s) { return set_number(s, o.seed); }},
};

error check_memory(std::string_view name, std::uint64_t size, std::uint64_t least, std::uint64_t page) {
  constexpr std::uint64_t most = std::uint64_t{1} << 40;
  if (size % page == 0 && size >= least && size <= most) return {};
  return bad_input{std::string(name) + "=" + std::to_string(size) + ": expected a multiple of the page size (" +
                   std::to_string(page) + ") from " + std::to_string(least) + " to 1T"};
}

}  // namespace

bool is_option(std::string_view word) {
  std::size_t const equals = word.find('=');
  return equals != std::string_view::npos && is_name(word.substr(0, equals));
}

std::optional<bad_input> assign(machine_options& to, std::string_view word) {
  std::size_t const equals = word.find('=');
  if (equals == std::string_view::npos) return bad_input{quoted(word) + " is not a machine option, expected KEY=VALUE"};
  std::string_view const name = word.substr(0, equals);
  for (key const& k : keys)
    if (k.name == name) return k.set(to, {.word = word, .value = word.substr(equals + 1)});
  std::string known;
  for (key const& k : keys) known += (known.empty() ? "" : ", ") + std::string(k.name);
  return bad_input{"there is no machine option " + quoted(name) + ", expected one of " + known};
}

std::vector<std::uint64_t> chunk_sizes(machine_options const& options) {
  if (!options.chunks.empty()) return options.chunks;
  std::vector<std::uint64_t> chunks = {2ull << 20, 64ull << 10};
  if (options.page != chunks.back()) chunks.push_back(options.page);
  return chunks;
}

std::optional<bad_input> check(machine_options const& all) {
  if (error e = check_memory("ram", all.ram, all.page, all.page)) return e;
  if (error e = check_memory("vram", all.vram, 0, all.page)) return e;
  constexpr std::uint64_t most_vram = std::uint64_t{4} << 40;
  if (all.vram > most_vram / all.gpus)
    return bad_input{"vram=" + std::to_string(all.vram) + " on gpus=" + std::to_string(all.gpus) +
                     ": expected at most 4T in all"};
  return {};
}

}  // namespace svmsh

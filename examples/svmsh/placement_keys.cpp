// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "placement_keys.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace svmsh {

namespace {

using svm::placement::counter_mode;
using svm::placement::eviction_mode;
using svm::placement::prefetch_mode;
using svm::placement::thrash_mode;
using svm::placement::uvm_options;

template <class Value, std::size_t N>
using choices = std::array<std::pair<std::string_view, Value>, N>;

/// Sets the value that a word stands for; false when it stands for none.
template <class Value, std::size_t N>
bool choose(choices<Value, N> const& all, std::string_view word, Value& to) {
  for (auto const& [name, value] : all)
    if (name == word) {
      to = value;
      return true;
    }
  return false;
}

/// Takes `:PERCENT` off the front of a value; false when it is wrong.
bool take_threshold(std::string_view& rest, unsigned& to) {
  constexpr std::uint64_t most = 100;
  if (!rest.starts_with(':')) return true;
  rest.remove_prefix(1);
  std::size_t const end = std::min(rest.find('+'), rest.size());
  parsed<std::uint64_t> const percent = parse_number(rest.substr(0, end));
  if (!percent || *percent > most) return false;
  to = static_cast<unsigned>(*percent);
  rest.remove_prefix(end);
  return true;
}

std::optional<std::string_view> expected_unless(bool good, std::string_view expected) {
  return good ? std::nullopt : wrong_value{expected};
}

bool is_between(parsed<std::uint64_t> const& number, std::uint64_t low, std::uint64_t high) {
  return number && *number >= low && *number <= high;
}

wrong_value set_format(trace_format& to, std::string_view value) {
  constexpr choices<trace_format, 3> all{
      {{"auto", trace_format::automatic}, {"lackey", trace_format::lackey}, {"faults64", trace_format::faults64}}};
  return expected_unless(choose(all, value, to), "auto, lackey or faults64");
}

wrong_value set_batch(std::uint64_t& to, std::string_view value) {
  parsed<std::uint64_t> const number = parse_number(value);
  if (!is_between(number, 1, replay_options::most_batch)) return "1 to 4096";
  to = *number;
  return {};
}

wrong_value set_warps(std::uint32_t& to, std::string_view value) {
  parsed<std::uint64_t> const number = parse_number(value);
  if (!is_between(number, 1, UINT32_MAX)) return "1 or more, below 4G";
  to = static_cast<std::uint32_t>(*number);
  return {};
}

wrong_value set_capacity(replay_options& to, machine_options& machine, std::string_view value) {
  constexpr std::string_view expected = "a SIZE of a page or more, or PERCENT%, not 0";
  bool const relative = value.ends_with('%');
  parsed<std::uint64_t> const number = parse_number(relative ? value.substr(0, value.size() - 1) : value);
  if (!number || *number == 0) return expected;
  if (relative) {
    to.capacity_percent = *number;
  } else {
    to.capacity_percent.reset();
    machine.vram = *number;
  }
  return {};
}

}  // namespace

wrong_value set_prefetch(machine_options& to, std::string_view value) {
  constexpr std::string_view expected =
      "off, density, density:PERCENT or until-full, with +stream, +gate, +feedback behind density, PERCENT to 100";
  uvm_options made = to.placement;
  made.threshold = svm::placement::defaults::density_threshold;
  made.stream = made.gate = made.feedback = false;
  if (value == "off") {
    made.prefetch = prefetch_mode::off;
  } else if (value.starts_with("until-full")) {
    made.prefetch = prefetch_mode::until_full;
    value.remove_prefix(std::string_view{"until-full"}.size());
    if (!take_threshold(value, made.threshold) || !value.empty()) return expected;
  } else if (value.starts_with("density")) {
    made.prefetch = prefetch_mode::density;
    value.remove_prefix(std::string_view{"density"}.size());
    if (!take_threshold(value, made.threshold)) return expected;
    while (!value.empty()) {
      std::size_t const end = std::min(value.find('+', 1), value.size());
      std::string_view const extra = value.substr(0, end);
      bool* const on = extra == "+stream"     ? &made.stream
                       : extra == "+gate"     ? &made.gate
                       : extra == "+feedback" ? &made.feedback
                                              : nullptr;
      if (on == nullptr) return expected;
      *on = true;
      value.remove_prefix(end);
    }
  } else {
    return expected;
  }
  to.placement = made;
  return {};
}

wrong_value set_evict(machine_options& to, std::string_view value) {
  constexpr choices<eviction_mode, 4> all{{{"oldest", eviction_mode::oldest},
                                           {"touched", eviction_mode::touched},
                                           {"uvm", eviction_mode::uvm},
                                           {"density", eviction_mode::density}}};
  return expected_unless(choose(all, value, to.placement.evict), "oldest, touched, uvm or density");
}

wrong_value set_thrash(machine_options& to, std::string_view value) {
  constexpr choices<thrash_mode, 3> all{
      {{"off", thrash_mode::off}, {"on", thrash_mode::on}, {"slice", thrash_mode::slice}}};
  return expected_unless(choose(all, value, to.placement.thrash), "off, on or slice");
}

wrong_value set_counters(machine_options& to, std::string_view value) {
  constexpr choices<counter_mode, 3> all{
      {{"off", counter_mode::off}, {"on", counter_mode::on}, {"hysteresis", counter_mode::hysteresis}}};
  return expected_unless(choose(all, value, to.placement.counters), "off, on or hysteresis");
}

bool assign_placement(replay_options& to, machine_options& machine, std::string_view word,
                      std::optional<bad_input>& error) {
  std::size_t const equals = word.find('=');
  std::string_view const key = word.substr(0, equals);
  std::string_view const value = word.substr(equals + 1);
  if (key == "prefetch" || key == "evict") {
    to.tells_placement = true;
    return false;
  }
  if (key == "ram") {
    to.ram_given = true;
    return false;
  }
  if (key == "vram") {
    to.capacity_percent.reset();
    return false;
  }
  wrong_value wrong;
  if (key == "format") {
    wrong = set_format(to.format, value);
  } else if (key == "counters") {
    wrong = set_counters(machine, value);
  } else if (key == "batch") {
    wrong = set_batch(to.batch, value);
    to.tells_placement = true;
  } else if (key == "warps") {
    wrong = set_warps(to.warps, value);
  } else if (key == "capacity") {
    wrong = set_capacity(to, machine, value);
    to.tells_placement = true;
  } else {
    return false;
  }
  if (wrong) error = bad_input{quoted(word) + ": expected " + std::string(*wrong)};
  return true;
}

}  // namespace svmsh

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

std::optional<bad_input> refuse_unless(bool good, setting const& s, std::string_view expected) {
  if (good) return {};
  return refusal(s, expected);
}

}  // namespace

std::optional<bad_input> set_prefetch(machine_options& to, setting const& s) {
  constexpr std::string_view expected =
      "off, density, density:PERCENT or until-full, with +stream, +gate, +feedback behind density, PERCENT to 100";
  std::string_view value = s.value;
  uvm_options made = to.placement;
  made.threshold = svm::placement::defaults::density_threshold;
  made.stream = made.gate = made.feedback = false;
  if (value == "off") {
    made.prefetch = prefetch_mode::off;
  } else if (value.starts_with("until-full")) {
    made.prefetch = prefetch_mode::until_full;
    value.remove_prefix(std::string_view{"until-full"}.size());
    if (!take_threshold(value, made.threshold) || !value.empty()) return refusal(s, expected);
  } else if (value.starts_with("density")) {
    made.prefetch = prefetch_mode::density;
    value.remove_prefix(std::string_view{"density"}.size());
    if (!take_threshold(value, made.threshold)) return refusal(s, expected);
    while (!value.empty()) {
      std::size_t const end = std::min(value.find('+', 1), value.size());
      std::string_view const extra = value.substr(0, end);
      bool* const on = extra == "+stream"     ? &made.stream
                       : extra == "+gate"     ? &made.gate
                       : extra == "+feedback" ? &made.feedback
                                              : nullptr;
      if (on == nullptr) return refusal(s, expected);
      *on = true;
      value.remove_prefix(end);
    }
  } else {
    return refusal(s, expected);
  }
  to.placement = made;
  return {};
}

std::optional<bad_input> set_evict(machine_options& to, setting const& s) {
  constexpr choices<eviction_mode, 4> all{{{"oldest", eviction_mode::oldest},
                                           {"touched", eviction_mode::touched},
                                           {"uvm", eviction_mode::uvm},
                                           {"density", eviction_mode::density}}};
  return refuse_unless(choose(all, s.value, to.placement.evict), s, "oldest, touched, uvm or density");
}

std::optional<bad_input> set_thrash(machine_options& to, setting const& s) {
  constexpr choices<thrash_mode, 3> all{
      {{"off", thrash_mode::off}, {"on", thrash_mode::on}, {"slice", thrash_mode::slice}}};
  return refuse_unless(choose(all, s.value, to.placement.thrash), s, "off, on or slice");
}

std::optional<bad_input> set_counters(replay_options& to, setting const& s) {
  constexpr choices<counter_mode, 3> all{
      {{"off", counter_mode::off}, {"on", counter_mode::on}, {"hysteresis", counter_mode::hysteresis}}};
  return refuse_unless(choose(all, s.value, to.counters), s, "off, on or hysteresis");
}

std::optional<bad_input> set_format(replay_options& to, setting const& s) {
  constexpr choices<trace_format, 3> all{
      {{"auto", trace_format::automatic}, {"lackey", trace_format::lackey}, {"faults64", trace_format::faults64}}};
  return refuse_unless(choose(all, s.value, to.format), s, "auto, lackey or faults64");
}

std::optional<bad_input> set_batch(replay_options& to, setting const& s) {
  if (std::optional<bad_input> wrong = set_bounded(s, 1, replay_options::most_batch, to.batch)) return wrong;
  to.tells_placement = true;
  return {};
}

std::optional<bad_input> set_warps(replay_options& to, setting const& s) {
  return set_bounded(s, 1, UINT32_MAX, to.warps);
}

std::optional<bad_input> set_capacity(replay_options& to, setting const& s) {
  bool const relative = s.value.ends_with('%');
  parsed<std::uint64_t> const number = parse_number(relative ? s.value.substr(0, s.value.size() - 1) : s.value);
  if (!number || *number == 0) return refusal(s, "a SIZE of a page or more, or PERCENT%, not 0");
  to.capacity_percent.reset();
  to.capacity_bytes.reset();
  (relative ? to.capacity_percent : to.capacity_bytes) = *number;
  to.tells_placement = true;
  return {};
}

void note_machine_option(replay_options& to, std::string_view name) {
  if (name == "prefetch" || name == "evict") to.tells_placement = true;
  if (name == "ram") to.ram_given = true;
  if (name != "vram") return;
  to.capacity_percent.reset();
  to.capacity_bytes.reset();
}

std::optional<bad_input> settle(replay_options& of, machine_options& machine, std::string_view file) {
  if (of.format == trace_format::automatic)
    of.format = file.ends_with(".u64") ? trace_format::faults64 : trace_format::lackey;
  bool const is_list = of.format == trace_format::faults64;
  bool const has_counters = of.counters != counter_mode::off;
  of.tells_placement = of.tells_placement || is_list || has_counters;
  machine.serves_blocks = of.tells_placement && machine.faults;
  machine.placement.counters = of.counters;
  of.follows_prefetch = machine.faults && machine.placement.prefetch != prefetch_mode::off;
  if (of.capacity_bytes) machine.vram = *of.capacity_bytes;
  if (is_list && !machine.faults)
    return bad_input{"faults=off: expected on, since a list of faults is of a GPU that has them"};
  return {};
}

}  // namespace svmsh

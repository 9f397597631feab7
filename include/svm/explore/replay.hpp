// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <svm/explore/scenario.hpp>
#include <svm/explore/strategy.hpp>
#include <svm/version.hpp>

namespace svm::inline v0::explore {

/// The order in which threads took their steps.
using schedule = std::vector<std::uint8_t>;

/// What a replay string holds.
///
///     svm1:transfer~1.0~2:0.3.0:pct3:17:0x4,1,0x12
///          |       |  |   |     |    |  the thread of each step; 0x4 is four steps of thread 0
///          |       |  |   |     |    the seed that `explore::seed()` gives out
///          |       |  |   |     the strategy; a trailing + says that the end of a release was a step (see `releases`)
///          |       |  |   the version of the library: other versions may take other steps
///          |       without operation 0 of thread 1 and without thread 2
///          the scenario
struct recording {
  std::string scenario;
  selection part{};  ///< operations that take part
  std::string version;
  std::string strategy;
  std::uint64_t seed = 0;
  schedule choices;
};

[[nodiscard]] inline std::string to_string(recording const& r, selection const& everything) {
  std::string text = "svm1:" + r.scenario;
  for (std::size_t t = 0; t < max_threads; ++t)
    if (everything[t] != 0 && r.part[t] == 0)
      text += "~" + std::to_string(t);
    else
      for (std::uint64_t left = everything[t] & ~r.part[t]; left != 0; left &= left - 1)
        text += "~" + std::to_string(t) + "." + std::to_string(std::countr_zero(left));
  text += ":" + r.version + ":" + r.strategy + ":" + std::to_string(r.seed) + ":";
  for (std::size_t i = 0; i < r.choices.size();) {
    std::size_t end = i + 1;
    while (end < r.choices.size() && r.choices[end] == r.choices[i]) ++end;
    if (i != 0) text += ",";
    text += std::to_string(r.choices[i]);
    if (end - i > 1) text += "x" + std::to_string(end - i);
    i = end;
  }
  return text;
}

/// Reads a replay string from its front.
class recording_reader {
 public:
  explicit recording_reader(std::string_view text) : rest_(text) {}

  /// Up to the next `end`, which is dropped; all of the rest where there is none.
  std::string_view field(char end) {
    std::size_t const at = rest_.find(end);
    std::string_view const found = rest_.substr(0, at);
    rest_.remove_prefix(at == std::string_view::npos ? rest_.size() : at + 1);
    return found;
  }
  [[nodiscard]] bool at_end() const { return rest_.empty(); }

  [[nodiscard]] static std::optional<std::uint64_t> number(std::string_view digits) {
    std::uint64_t value = 0;
    char const* const end = digits.data() + digits.size();
    auto const [stop, error] = std::from_chars(digits.data(), end, value);
    if (error != std::errc{} || stop != end) return std::nullopt;
    return value;
  }

 private:
  std::string_view rest_;
};

/// Takes `text`, "1" or "1.0", out of a selection; false when there is no such thread or operation.
[[nodiscard]] inline bool leave_out(selection& part, std::string_view text) {
  recording_reader reader{text};
  auto const thread = reader.number(reader.field('.'));
  if (!thread || *thread >= max_threads || part[*thread] == 0) return false;
  if (reader.at_end()) {
    part[*thread] = 0;
    return true;
  }
  auto const operation = reader.number(reader.field('.'));
  if (!operation || *operation >= max_operations || (part[*thread] >> *operation & 1) == 0) return false;
  part[*thread] &= ~(std::uint64_t{1} << *operation);
  return true;
}

/// Reads a replay string of a scenario whose operations are `everything`; nothing when it is none.
[[nodiscard]] inline std::optional<recording> parse_recording(std::string_view text, selection const& everything) {
  constexpr std::size_t most_steps = std::size_t{1} << 24;
  recording_reader reader{text};
  if (reader.field(':') != "svm1") return std::nullopt;
  recording r;
  r.part = everything;
  recording_reader parts{reader.field(':')};
  r.scenario = parts.field('~');
  while (!parts.at_end())
    if (!leave_out(r.part, parts.field('~'))) return std::nullopt;
  r.version = reader.field(':');
  r.strategy = reader.field(':');
  auto const seed = reader.number(reader.field(':'));
  if (!seed) return std::nullopt;
  r.seed = *seed;
  while (!reader.at_end()) {
    std::string_view const run = reader.field(',');
    std::size_t const x = run.find('x');
    std::uint64_t const thread = reader.number(run.substr(0, x)).value_or(nobody);
    std::uint64_t const length = x == std::string_view::npos ? 1 : reader.number(run.substr(x + 1)).value_or(0);
    if (thread >= max_threads || length == 0 || length > most_steps - r.choices.size()) return std::nullopt;
    r.choices.insert(r.choices.end(), length, static_cast<std::uint8_t>(thread));
  }
  return r;
}

/// Follows a schedule; after its end, or where the thread it names cannot go on, as few switches as possible.
class follow final : public strategy {
 public:
  follow(std::string name, schedule choices) : name_(std::move(name)), choices_(std::move(choices)) {}

  [[nodiscard]] std::string name() const override { return name_; }
  /// Once.
  [[nodiscard]] bool start(std::uint64_t, std::size_t) override { return !std::exchange(started_, true); }
  [[nodiscard]] std::size_t choose(decision const& d) override {
    for (; next_ < choices_.size(); strayed_ = true)
      if (std::size_t const t = choices_[next_++]; contains(d.enabled, t)) return t;
    return d.current != nobody && contains(d.enabled, d.current) && !d.yielding ? d.current
                                                                                : next_of(d.enabled, d.current);
  }
  /// True once the schedule named a thread that could not go on.
  [[nodiscard]] bool strayed() const { return strayed_; }

 private:
  std::string name_;
  schedule choices_;
  std::size_t next_ = 0;
  bool started_ = false;
  bool strayed_ = false;
};

}  // namespace svm::inline v0::explore

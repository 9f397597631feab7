// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "scenario.hpp"

#include <string>
#include <variant>

namespace svmsh {

namespace {

constexpr std::uint64_t page_size = 4096;

std::string span_text(std::uint64_t start, std::uint64_t last) {
  return hex(start) + "-" + hex_end(last);
}

bool holds(std::uint64_t found, expect_stat_command::comparison op, std::uint64_t expected) {
  using enum expect_stat_command::comparison;
  switch (op) {
    case equal:
      return found == expected;
    case not_equal:
      return found != expected;
    case less:
      return found < expected;
    case less_equal:
      return found <= expected;
    case greater:
      return found > expected;
    case greater_equal:
      return found >= expected;
  }
  return false;
}

}  // namespace

std::optional<bad_input> scenario::execute(std::string_view line, std::uint64_t number) {
  number_ = number;
  std::vector<std::string_view> const words = split_words(line);
  if (words.empty()) return {};
  parsed<command> const parsed_line = parse_command(words, {.names = names_, .first = !system_});
  if (!parsed_line) return bad_input{parsed_line.error()};
  auto const* const machine = std::get_if<machine_command>(&parsed_line->what);
  if (machine) return start(machine->settings);
  if (!system_)
    if (std::optional<bad_input> refused = start({})) return refused;

  outcome const result = std::visit([this](auto const& c) { return run(c); }, parsed_line->what);
  outcome const announced = parsed_line->announced;
  if (result != announced) {
    if (!result.empty()) out_.print("error: " + std::string(result));
    std::string const found =
        result.empty() ? "the command succeeded" : "the command failed with " + std::string(result);
    broken(found + (announced.empty() ? "" : ", expected " + std::string(announced)));
  }
  system_->command_done();
  return {};
}

std::optional<bad_input> scenario::finish() {
  if (!system_)
    if (std::optional<bad_input> refused = start({})) return refused;
  for (std::string const& finding : system_->audit()) {
    out_.say("audit: " + finding);
    clean_ = false;
  }
  return {};
}

std::optional<bad_input> scenario::start(std::vector<std::string> const& own_settings) {
  command_line_is_wrong_ = own_settings.empty();
  options all;
  for (std::string const& s : own_settings)
    if (std::optional<bad_input> wrong = assign(all, s)) return wrong;
  for (std::string_view const s : settings_)
    if (std::optional<bad_input> wrong = assign(all, s)) return wrong;
  if (std::optional<bad_input> wrong = check(all)) return wrong;
  auto made = system::create(all.machine);
  if (auto const* const refusal = std::get_if<std::string>(&made))
    return bad_input{"the library refuses this machine: " + *refusal};
  system_ = std::move(*std::get_if<std::unique_ptr<system>>(&made));
  command_line_is_wrong_ = false;
  return {};
}

outcome scenario::run(mmap_command const& c) {
  system::mmap_result const r = system_->mmap(c.size, c.access, c.kind, c.at);
  if (r.error.empty()) names_.emplace(c.name, r.address);
  return r.error;
}

outcome scenario::run(read_command const& c) {
  std::uint64_t value = 0;
  outcome const error = system_->read(c.by, c.address, value);
  if (!error.empty()) return error;
  if (!c.expected) {
    out_.print(hex(value));
  } else if (value != *c.expected) {
    broken("found " + hex(value) + ", expected " + hex(*c.expected));
  }
  return {};
}

outcome scenario::run(check_command const& c) {
  system::check_result const r = system_->check(c.by, c.address, c.size, c.value);
  if (r.error.empty() && !r.equal)
    broken("wrong data at " + hex(r.address) + ": found " + hex(r.found) + ", expected " + hex(r.expected));
  return r.error;
}

outcome scenario::run(tick_command const& c) {
  system_->tick(c.ms);
  return {};
}

outcome scenario::run(fail_command const& c) {
  system_->fail(c.kind, c.nth);
  return {};
}

outcome scenario::run(show_command const& c) {
  using enum show_command::subject;
  switch (c.what) {
    case ranges:
      for (range_line const& r : system_->ranges())
        out_.print("gpu0 " + span_text(r.start, r.last) + " " + r.state + (r.read_only ? " read-only" : "") +
                   (r.unmapped ? " unmapped" : "") + (r.partial ? " partial" : ""));
      break;
    case notifiers:
      for (span_line const& n : system_->notifiers()) out_.print("gpu0 " + span_text(n.start, n.last) + " " + n.text);
      break;
    case vmas:
      for (span_line const& v : system_->vmas()) out_.print(span_text(v.start, v.last) + " " + v.text);
      break;
    case exact_stats:
    case all_stats:
      for (stat_line const& s : system_->stats())
        if (s.exact || c.what == all_stats) out_.print(std::string(s.name) + " " + std::to_string(s.value));
      break;
  }
  return {};
}

outcome scenario::run(show_pages_command const& c) {
  std::vector<span_line> runs;
  outcome const error = system_->pages(c.address, c.size, runs);
  if (!error.empty()) return error;
  for (span_line const& r : runs) out_.print(span_text(r.start, r.last) + " " + r.text);
  return {};
}

outcome scenario::run(expect_ranges_command const& c) {
  expect_count("ranges", c.count, system_->ranges().size());
  return {};
}

outcome scenario::run(expect_range_command const& c) {
  std::optional<range_line> const found = range_at(c.address);
  if (!found) {
    broken("no range holds " + hex(c.address));
  } else if (found->start != c.start || c.size == 0 || found->last - found->start != c.size - 1 ||
             found->state != c.state) {
    broken("the range is " + span_text(found->start, found->last) + " " + found->state);
  }
  return {};
}

outcome scenario::run(expect_no_range_command const& c) {
  if (std::optional<range_line> const found = range_at(c.address))
    broken("the range " + span_text(found->start, found->last) + " holds " + hex(c.address));
  return {};
}

outcome scenario::run(expect_notifiers_command const& c) {
  expect_count("notifiers", c.count, system_->notifiers().size());
  return {};
}

/// Only `show pages` asks for page-aligned spans; here the pages that the span touches count.
outcome scenario::run(expect_pages_command const& c) {
  if (c.size == 0 || c.size - 1 > UINT64_MAX - c.address) {
    broken("the span " + hex(c.address) + " " + hex(c.size) + " holds no pages");
    return {};
  }
  std::uint64_t const start = c.address / page_size * page_size;
  std::uint64_t const last_page = (c.address + c.size - 1) / page_size * page_size;
  std::vector<span_line> runs;
  if (outcome const error = system_->pages(start, last_page - start + page_size, runs); !error.empty()) {
    broken("the pages cannot be looked at: " + std::string(error));
    return {};
  }
  for (span_line const& r : runs) {
    if (r.text == c.kind) continue;
    broken("the pages " + span_text(r.start, r.last) + " are " + r.text + ", expected " + c.kind);
    break;
  }
  return {};
}

outcome scenario::run(expect_stat_command const& c) {
  for (stat_line const& s : system_->stats()) {
    if (s.name != c.name) continue;
    if (!holds(s.value, c.op, c.value)) broken(std::string(s.name) + " is " + std::to_string(s.value));
    return {};
  }
  broken("this machine does not count " + std::string(c.name));
  return {};
}

std::optional<range_line> scenario::range_at(std::uint64_t address) const {
  for (range_line const& r : system_->ranges())
    if (r.start <= address && address <= r.last) return r;
  return std::nullopt;
}

void scenario::expect_count(std::string_view what, std::uint64_t expected, std::uint64_t found) {
  if (found != expected)
    broken("there are " + std::to_string(found) + " " + std::string(what) + ", expected " + std::to_string(expected));
}

void scenario::broken(std::string_view text) {
  out_.complain(number_, text);
  clean_ = false;
}

}  // namespace svmsh

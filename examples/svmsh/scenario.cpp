// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "scenario.hpp"

#include "options.hpp"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

namespace svmsh {

namespace {

std::string gpu_text(std::size_t gpu) {
  return "gpu" + std::to_string(gpu) + " ";
}

std::string span_text(std::uint64_t start, std::uint64_t last) {
  return hex(start) + "-" + hex_end(last);
}

template <class Line>
std::uint64_t count_of(std::size_t gpu, std::vector<Line> const& lines) {
  return static_cast<std::uint64_t>(
      std::count_if(lines.begin(), lines.end(), [gpu](Line const& line) { return line.gpu == gpu; }));
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

scenario::scenario(console& out, std::vector<std::string_view> settings) : out_(out), settings_(std::move(settings)) {
  machine_options given;
  for (std::string_view const s : settings_) static_cast<void>(assign(given, s));
  gpus_ = given.gpus;
  faults_ = given.faults;
}

std::optional<bad_input> scenario::execute(std::string_view line, std::uint64_t number) {
  number_ = number;
  std::vector<std::string_view> const words = split_words(line);
  if (words.empty()) return {};
  parsed<command> const parsed_line = parse_command(
      words, {.names = names_, .children = children_, .gpus = gpus_, .first = !system_, .faults = faults_});
  if (!parsed_line) return bad_input{parsed_line.error()};
  auto const* const machine = std::get_if<machine_command>(&parsed_line->what);
  if (machine) return start(machine->settings);
  if (!system_)
    if (std::optional<bad_input> refused = start({})) return refused;

  process_ = parsed_line->process;
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
  machine_options all;
  for (std::string const& s : own_settings)
    if (std::optional<bad_input> wrong = assign(all, s)) return wrong;
  for (std::string_view const s : settings_)
    if (std::optional<bad_input> wrong = assign(all, s)) return wrong;
  if (std::optional<bad_input> wrong = check(all)) return wrong;
  auto made = system::create(all);
  if (auto const* const refusal = std::get_if<std::string>(&made))
    return bad_input{"the library refuses this machine: " + *refusal};
  system_ = std::move(*std::get_if<std::unique_ptr<system>>(&made));
  gpus_ = all.gpus;
  faults_ = all.faults;
  command_line_is_wrong_ = false;
  return {};
}

outcome scenario::run(mmap_command const& c) {
  system::mmap_result const r = system_->mmap(process_, c.size, c.access, c.kind, c.at);
  if (r.error.empty()) names_.emplace(c.name, r.address);
  return r.error;
}

outcome scenario::run(fork_command const& c) {
  system::fork_result const r = system_->fork(process_);
  if (r.error.empty()) children_.emplace(c.child, child{r.child});
  return r.error;
}

outcome scenario::run(exit_command const& c) {
  child& ended = children_.find(c.child)->second;
  system_->exit(ended.process);
  ended.exited = true;
  return {};
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

outcome scenario::run(reset_command const& c) {
  system_->reset(c.gpu);
  return {};
}

outcome scenario::run(gc_command const&) {
  system_->gc(process_);
  return {};
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
      for (range_line const& r : system_->ranges(process_))
        out_.print(gpu_text(r.gpu) + span_text(r.start, r.last) + " " + std::string(r.state) +
                   (r.read_only ? " read-only" : "") + (r.unmapped ? " unmapped" : "") + (r.partial ? " partial" : ""));
      break;
    case notifiers:
      for (notifier_line const& n : system_->notifiers(process_))
        out_.print(gpu_text(n.gpu) + span_text(n.start, n.last) + " ranges=" + std::to_string(n.ranges));
      break;
    case vmas:
      for (span_line const& v : system_->vmas(process_)) out_.print(span_text(v.start, v.last) + " " + v.text);
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
  outcome const error = system_->pages(process_, c.address, c.size, runs);
  if (!error.empty()) return error;
  for (span_line const& r : runs) out_.print(span_text(r.start, r.last) + " " + r.text);
  return {};
}

outcome scenario::run(expect_ranges_command const& c) {
  expect_count("ranges", c.count, count_of(c.gpu, system_->ranges(process_)));
  return {};
}

outcome scenario::run(expect_range_command const& c) {
  std::optional<range_line> const found = range_at(c.address);
  if (!found) {
    broken("no range holds " + hex(c.address));
  } else if (found->start != c.start || c.size == 0 || found->last - found->start != c.size - 1 ||
             found->state != c.state) {
    broken("the range is " + span_text(found->start, found->last) + " " + std::string(found->state));
  }
  return {};
}

outcome scenario::run(expect_no_range_command const& c) {
  if (std::optional<range_line> const found = range_at(c.address))
    broken("the range " + span_text(found->start, found->last) + " holds " + hex(c.address));
  return {};
}

outcome scenario::run(expect_notifiers_command const& c) {
  expect_count("notifiers", c.count, count_of(0, system_->notifiers(process_)));
  return {};
}

/// Only `show pages` asks for page-aligned spans; here the pages that the span touches count.
outcome scenario::run(expect_pages_command const& c) {
  if (c.size == 0 || c.size - 1 > UINT64_MAX - c.address) {
    broken("the span " + hex(c.address) + " " + hex(c.size) + " holds no pages");
    return {};
  }
  std::uint64_t const page_size = system_->page_size();
  std::uint64_t const start = c.address / page_size * page_size;
  std::uint64_t const last_page = (c.address + c.size - 1) / page_size * page_size;
  std::vector<span_line> runs;
  if (outcome const error = system_->pages(process_, start, last_page - start + page_size, runs); !error.empty()) {
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

std::optional<range_line> scenario::range_at(std::uint64_t address) {
  for (range_line const& r : system_->ranges(process_))
    if (r.gpu == 0 && r.start <= address && address <= r.last) return r;
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

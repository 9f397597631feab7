// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "parsers.hpp"

#include "command_forms.hpp"
#include "suggest.hpp"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

namespace svmsh {

namespace {

constexpr auto range_states =
    std::to_array<choice<char const*>>({{"vram", "vram"}, {"ram", "ram"}, {"mixed", "mixed"}, {"none", "none"}});

using comparison = expect_stat_command::comparison;
constexpr auto comparisons = std::to_array<choice<comparison>>({{"==", comparison::equal},
                                                                {"!=", comparison::not_equal},
                                                                {"<", comparison::less},
                                                                {"<=", comparison::less_equal},
                                                                {">", comparison::greater},
                                                                {">=", comparison::greater_equal}});

constexpr std::string_view statistics[] = {
    "gpu_faults",        "gpu_fault_retries",  "ranges_created",    "ranges_removed",    "notifiers_created",
    "notifiers_removed", "migrations_to_vram", "migrations_to_ram", "migrations_failed", "bytes_to_vram",
    "bytes_to_ram",      "bytes_peer",         "dma_mapped_pages",  "vram_used",         "ram_used",
    "cpu_faults",        "invalidations",      "tlb_flushes"};

constexpr std::string_view subjects[] = {"ranges", "notifiers", "vmas", "stats", "pages"};
constexpr std::string_view expectations[] = {"ranges", "range", "no", "notifiers", "pages", "stat"};

/// N of the word `headN`, 0 of `head` alone.
std::optional<std::size_t> numbered(std::string_view word, std::string_view head) {
  if (!word.starts_with(head)) return std::nullopt;
  word.remove_prefix(head.size());
  if (word.empty()) return 0;
  if (std::any_of(word.begin(), word.end(), [](char c) { return c < '0' || c > '9'; })) return std::nullopt;
  parsed<std::uint64_t> const number = parse_number(word);
  return number ? *number : SIZE_MAX;
}

action parse_expect_pages(line_parser& p, parse_context const& context) {
  p.set_form(form_of("expect pages"));
  expect_pages_command e{.address = p.address("ADDR"), .size = p.number("SIZE"), .kind = {}};
  std::string_view const kind = p.word("the kind");
  std::optional<std::size_t> const gpu = numbered(kind, "vram");
  if (gpu && kind != "vram") {
    require_gpu(p, context, kind, *gpu);
  } else if (kind != "none" && kind != "ram") {
    p.fail(quoted(kind) + " is not a kind of page");
  }
  e.kind = kind;
  return e;
}

action parse_expect_stat(line_parser& p) {
  p.set_form(form_of("expect stat"));
  std::string_view const name = p.word("NAME");
  auto const known = std::find(std::begin(statistics), std::end(statistics), name);
  if (known == std::end(statistics)) {
    p.fail("there is no statistic " + quoted(name) + did_you_mean(name, statistics));
    return gc_command{};
  }
  return expect_stat_command{.name = *known, .op = p.one_of("a comparison", comparisons), .value = p.number("VALUE")};
}

}  // namespace

std::optional<std::size_t> gpu_number(std::string_view word) {
  return numbered(word, "gpu");
}

void require_gpu(line_parser& p, parse_context const& context, std::string_view word, std::size_t number) {
  if (number >= context.gpus)
    p.fail("the GPU of " + quoted(word) + " does not exist, this machine has gpus=" + std::to_string(context.gpus));
}

action parse_show(line_parser& p) {
  using enum show_command::subject;
  if (p.accept("ranges")) return show_command{ranges};
  if (p.accept("notifiers")) return show_command{notifiers};
  if (p.accept("vmas")) return show_command{vmas};
  if (p.accept("stats")) return show_command{p.accept("all") ? all_stats : exact_stats};
  if (p.accept("pages")) return show_pages_command{.address = p.address("ADDR"), .size = p.number("SIZE")};
  if (std::string_view const w = p.word("what to show"); !p.error())
    p.fail("there is no " + quoted(w) + " to show" + did_you_mean(w, subjects));
  return show_command{ranges};
}

action parse_expect(line_parser& p, parse_context const& context) {
  if (std::optional<std::size_t> const number = gpu_number(p.peek())) {
    require_gpu(p, context, p.peek(), *number);
    p.word("gpuN");
    p.set_form("expect gpuN ranges N");
    if (!p.accept("ranges")) p.fail("only ranges are counted by GPU");
    return expect_ranges_command{.gpu = *number, .count = p.number("N")};
  }
  if (p.accept("ranges")) return expect_ranges_command{.gpu = 0, .count = p.number("N")};
  if (p.accept("range")) {
    p.set_form(form_of("expect range"));
    return expect_range_command{.address = p.address("ADDR"),
                                .start = p.address("START"),
                                .size = p.number("SIZE"),
                                .state = p.one_of("a state", range_states)};
  }
  if (p.accept("no")) {
    p.set_form(form_of("expect no"));
    if (!p.accept("range")) p.fail("'range' is missing");
    return expect_no_range_command{.address = p.address("ADDR")};
  }
  if (p.accept("notifiers")) return expect_notifiers_command{.count = p.number("N")};
  if (p.accept("pages")) return parse_expect_pages(p, context);
  if (p.accept("stat")) return parse_expect_stat(p);
  if (std::string_view const w = p.word("what to expect"); !p.error())
    p.fail("nothing can be expected of " + quoted(w) + did_you_mean(w, expectations));
  return gc_command{};
}

}  // namespace svmsh

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "options.hpp"

#include "key_table.hpp"
#include "placement_keys.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace svmsh {

namespace {

using error = std::optional<bad_input>;

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

error set_page(setting const& s, std::uint64_t& to) {
  std::uint64_t value = 0;
  if (error e = set_number(s, value)) return e;
  if (value != 4 << 10 && value != 16 << 10 && value != 64 << 10) return refusal(s, "4K, 16K or 64K");
  to = value;
  return {};
}

// A new machine option is a row here.
constexpr key<machine_options> keys[] = {
    {{"ram=SIZE", "system memory", "1G"}, [](machine_options& o, setting const& s) { return set_number(s, o.ram); }},
    {{"vram=SIZE", "device memory of each GPU", "256M"},
     [](machine_options& o, setting const& s) { return set_number(s, o.vram); }},
    {{"gpus=NUMBER", "GPUs: gpu0, gpu1, ...", "1"},
     [](machine_options& o, setting const& s) { return set_bounded(s, 1, 64, o.gpus); }},
    {{"chunks=SIZE,...", "sizes of ranges, descending, down to a page", "2M,64K,4K"},
     [](machine_options& o, setting const& s) { return set_chunks(s, o.chunks); }},
    {{"notifier=SIZE", "size of a notifier", "512M"},
     [](machine_options& o, setting const& s) { return set_number(s, o.notifier); }},
    {{"check_pages=SIZE", "up to this size no page may be absent; 0: off", "64K"},
     [](machine_options& o, setting const& s) { return set_number(s, o.check_pages); }},
    {{"migrate=on|off|only", "GPU faults move memory; only: or they fail", "on"},
     [](machine_options& o, setting const& s) { return set_migrate(s, o.migrate); }},
    {{"timeslice=MS", "how long moved memory stays on the GPU", "0"},
     [](machine_options& o, setting const& s) { return set_bounded(s, 0, std::uint64_t{1} << 32, o.timeslice_ms); }},
    {{"readonly=on|off", "the GPU may not write", "off"},
     [](machine_options& o, setting const& s) { return set_switch(s, o.readonly); }},
    {{"split=on|off", "a partial unmap keeps the rest of a range", "off"},
     [](machine_options& o, setting const& s) { return set_switch(s, o.split); }},
    {{"gc=auto|manual", "collect after every command, or on demand", "auto"},
     [](machine_options& o, setting const& s) { return set_switch(s, o.gc_auto, "auto", "manual"); }},
    {{"evict=oldest|touched|uvm|density",
      "what goes first: made, or used, longest ago; uvm, density: pages go, not ranges", "oldest"},
     set_evict},
    {{"prefetch=off|density[:PERCENT]|until-full", "what moves with a fault; +stream, +gate, +feedback: see replay",
      "off"},
     set_prefetch},
    {{"thrash=off|on|slice",
      "what becomes of pages that go to and fro: they wait and stay, or each stays for a slice of time", "off"},
     set_thrash},
    {{"thp=on|off", "whole 2M of anonymous memory at once", "off"},
     [](machine_options& o, setting const& s) { return set_switch(s, o.thp); }},
    {{"page=4K|16K|64K", "page size", "4K"}, [](machine_options& o, setting const& s) { return set_page(s, o.page); }},
    {{"faults=on|off", "off: queues stop while advised or prefetched memory is not mapped; they reach nothing else",
      "on"},
     [](machine_options& o, setting const& s) { return set_switch(s, o.faults); }},
    {{"vm_start=ADDR", "the span of addresses that the GPU manages", "0"},
     [](machine_options& o, setting const& s) { return set_number(s, o.vm_start); }},
    {{"vm_size=SIZE", "its size", "128T"},
     [](machine_options& o, setting const& s) { return set_number(s, o.vm_size); }},
    {{"seed=NUMBER", "of every random choice", "1"},
     [](machine_options& o, setting const& s) { return set_number(s, o.seed); }},
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
  if (word.find('=') == std::string_view::npos)
    return bad_input{quoted(word) + " is not a machine option, expected KEY=VALUE"};
  std::span<key<machine_options> const> const known = keys;
  if (auto const* const k = find_key(known, word)) return set_key(*k, to, word);
  return unknown_key("machine option", word, machine_rows());
}

std::vector<manual_row> machine_rows() {
  return rows_of(std::span<key<machine_options> const>(keys));
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

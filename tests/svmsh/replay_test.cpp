// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "replayer.hpp"
#include "svg_map.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace {

using namespace svmsh;
using svm::event_kind;
namespace mock = svm::mock;

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t block = 512 * page;
using computer_type = shell_machine<page>;
constexpr std::uint64_t here = 0x10000000;  // begins a block

/// A machine and a replay on it, whose complaints are kept.
struct fixture {
  explicit fixture(replay_options const& options = {}, machine_options const& of_machine = {},
                   history* drawing = nullptr)
      : computer(std::get<std::unique_ptr<computer_type>>(make_machine<page>(of_machine))),
        replay(*computer, options, [this](std::uint64_t at, std::string const& text) { told.emplace_back(at, text); },
               {.map = drawing, .events = nullptr}) {}

  void load(std::uint64_t address, std::uint32_t size = 8) {
    replay.access({address, size, access_kind::load}, ++line);
  }
  void store(std::uint64_t address, std::uint32_t size = 8) {
    replay.access({address, size, access_kind::store}, ++line);
  }
  std::uint64_t count(event_kind kind) const { return computer->stats.count(kind); }
  /// The byte behind an address, wherever it is now.
  std::byte& byte_at(std::uint64_t address) {
    mock::pte const entry = computer->process.entry_at(svm::cpu_va{address / page * page});
    REQUIRE_FALSE(entry.is_none());
    return computer->frames.bytes(entry.target)[address % page];
  }
  /// Whether something told about `at` mentions all the parts.
  bool complained(std::uint64_t at, std::vector<std::string> const& parts) const {
    for (auto const& [number, text] : told) {
      bool all = number == at;
      for (std::string const& part : parts) all = all && text.find(part) != std::string::npos;
      if (all) return true;
    }
    return false;
  }

  std::unique_ptr<computer_type> computer;
  std::vector<std::pair<std::uint64_t, std::string>> told;
  replayer<page> replay;
  std::uint64_t line = 0;
};

std::uint64_t total(std::vector<std::uint64_t> const& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
}

}  // namespace

TEST_SUITE("svmsh/replay") {
  TEST_CASE("an undisturbed replay is clean, and counts what the program did") {
    fixture f;
    f.load(here);
    f.store(here + 1, 1);
    f.load(here + 2, 4096);  // crosses into the next page
    f.replay.access({here + block, 2, access_kind::modify}, ++f.line);
    f.load(here, 8);
    f.replay.finish();
    CHECK(f.replay.done().loads == 4);
    CHECK(f.replay.done().stores == 2);
    CHECK(f.replay.done().accesses() == 6);
    CHECK(f.replay.done().distinct_pages == 3);
    CHECK(f.replay.done().clean());
    CHECK(f.told.empty());
    CHECK(f.computer->audit().empty());
  }

  TEST_CASE("a stale TLB entry that is planted during a replay is reported with its line") {
    for (bool const spring : {false, true}) {
      CAPTURE(spring);
      fixture f;
      f.store(here);
      f.load(here);
      f.computer->device.plant_stale_entry(svm::cpu_va{here});
      std::array<std::byte, 8> word;
      REQUIRE(f.computer->process.load(svm::cpu_va{here}, word) == mock::sys::ok);  // takes the page away
      if (spring) f.computer->device.spring_stale_entry();
      f.load(here);
      f.load(here);
      f.replay.finish();
      CHECK(f.replay.done().clean() == !spring);
      CHECK(f.complained(3, {"O-01", "not alive"}) == spring);
      CHECK(f.replay.done().wrong_loads == 0);  // the access was stopped, and served anew
    }
  }

  TEST_CASE("a stale TLB entry is found by the oracle though nothing uses it") {
    fixture f;
    f.store(here);
    f.computer->device.plant_stale_entry(svm::cpu_va{here});
    std::array<std::byte, 8> word;
    REQUIRE(f.computer->process.load(svm::cpu_va{here}, word) == mock::sys::ok);
    f.computer->device.spring_stale_entry();
    f.replay.finish();
    CHECK(f.replay.done().broken_rules != 0);
    CHECK(f.complained(1, {"O-01", "TLB"}));
  }

  TEST_CASE("a byte that is flipped during a replay is reported with line, address, found and expected") {
    for (bool const on_cpu : {false, true}) {
      CAPTURE(on_cpu);
      fixture f{{true, on_cpu, 0}};
      f.store(here + 16);
      f.load(here + 16);
      CHECK(f.told.empty());
      std::byte& victim = f.byte_at(here + 19);
      char text[16];
      std::byte const right = victim;
      victim ^= std::byte{0x20};
      f.load(here + 24);  // beside it
      CHECK(f.told.empty());
      f.load(here + 16);
      std::snprintf(text, sizeof text, "found %02x", std::to_integer<unsigned>(victim));
      CHECK(f.complained(4, {"the load of 8 bytes at 0x10000010", "from 0x10000013", text}));
      std::snprintf(text, sizeof text, "expected %02x", std::to_integer<unsigned>(right));
      CHECK(f.complained(4, {text}));
      f.store(here + 16);
      f.load(here + 16);  // overwritten: right again
      f.replay.finish();
      CHECK(f.replay.done().wrong_loads == 1);
      CHECK_FALSE(f.replay.done().clean());
    }
  }

  TEST_CASE("every byte of an access is compared, whatever its size, also behind a page's end") {
    for (std::uint32_t const size : {1u, 2u, 3u, 4u, 5u, 8u, 10u, 16u, 32u, 511u, 4096u}) {
      for (std::uint32_t const wrong : {0u, size / 2, size - 1}) {
        CAPTURE(size);
        CAPTURE(wrong);
        fixture f;
        std::uint64_t const at = here + page - size / 2;
        f.store(at, size);
        f.load(at, size);
        CHECK(f.told.empty());
        f.byte_at(at + wrong) ^= std::byte{1};
        f.load(at, size);
        CHECK(f.replay.done().wrong_loads == 1);
      }
    }
  }

  TEST_CASE("only the first complaints are told, and all are counted") {
    fixture f;
    f.store(here);
    f.byte_at(here) ^= std::byte{1};
    for (int i = 0; i < 100; ++i) f.load(here);
    CHECK(f.replay.done().wrong_loads == 100);
    CHECK(f.told.size() == replay_engine::complaints_told);
  }

  TEST_CASE("prefill=on fills the whole block from the CPU, prefill=off leaves it untouched") {
    fixture filled;
    filled.load(here + page);
    bool all_zero = true, same_as_neighbour = true;
    for (std::uint64_t at = here; at < here + block; at += page)
      for (std::uint64_t i = 0; i < 8; ++i) {
        all_zero = all_zero && filled.byte_at(at + i) == std::byte{};
        same_as_neighbour = same_as_neighbour && filled.byte_at(at + i) == filled.byte_at(here + i);
      }
    CHECK_FALSE(all_zero);
    CHECK_FALSE(same_as_neighbour);
    fixture empty{{false, true, 0}};
    empty.load(here + page);
    CHECK(empty.computer->frames.ram_used().value == 0);
    CHECK(empty.byte_at(here + page) == std::byte{});
    CHECK(empty.replay.done().clean());
  }

  TEST_CASE("in turns of two the GPU goes first, and memory follows whoever is on") {
    fixture f{{true, false, 2}};
    f.store(here);  // GPU: fault 1, 2 MiB to the device
    f.load(here);
    f.load(here + 8);  // CPU: fault, 2 MiB back
    f.store(here + 8);
    CHECK(f.count(event_kind::gpu_fault) == 1);
    CHECK(f.count(event_kind::migrated_to_system) == 1);
    CHECK(f.computer->stats.bytes(event_kind::migrated_to_system) == block);
    f.load(here);  // GPU: fault 2
    f.load(here + 8);
    CHECK(f.count(event_kind::gpu_fault) == 2);
    CHECK(f.count(event_kind::migrated_to_device) == 2);
    f.replay.finish();
    CHECK(f.replay.done().clean());
    CHECK(f.computer->audit().empty());
  }

  TEST_CASE("blocks that touch are one VMA") {
    fixture f;
    f.load(here);
    f.load(here + 2 * block);
    CHECK(f.computer->process.vmas().all().size() == 2);
    f.load(here + block);
    CHECK(f.computer->process.vmas().all().size() == 1);
  }

  TEST_CASE("an access that the machine refuses is told with its line, and the replay goes on") {
    fixture f;
    constexpr std::uint64_t top = std::uint64_t{1} << 47;
    f.load(top);
    f.store(UINT64_MAX, 1);
    f.load(UINT64_MAX, 4096);
    f.store(top - 4);  // its first half is fine
    f.replay.access({top, 1, access_kind::modify}, ++f.line);
    f.load(top - 4, 4);
    f.load(here);
    CHECK(f.replay.done().refused == 6);
    CHECK(f.replay.done().wrong_loads == 0);
    CHECK(f.complained(1, {"the load of 8 bytes at 0x800000000000", "2^47"}));
    CHECK(f.complained(3, {"passes 2^64"}));
    CHECK(f.complained(5, {"the store of 1 bytes"}));
    f.replay.finish();
    CHECK(f.computer->audit().empty());
  }

  TEST_CASE("a GPU that may not write refuses stores, and their values do not come about") {
    machine_options readonly;
    readonly.readonly = true;
    fixture f{{}, readonly};
    f.store(here);
    f.load(here);
    CHECK(f.complained(1, {"EPERM"}));
    CHECK(f.replay.done().refused == 1);
    CHECK(f.replay.done().wrong_loads == 0);
  }

  TEST_CASE("memory that runs out during prefill is told, and what was filled stays comparable") {
    machine_options small;
    small.ram = 1 << 20;
    fixture f{{true, true, 0}, small};
    f.load(here);
    f.load(here + 255 * page);
    f.load(here + 256 * page);  // the zero page needs no memory
    f.store(here + 256 * page);
    CHECK(f.complained(1, {"cannot fill", "0x10100000", "SIGBUS"}));
    CHECK(f.complained(4, {"the store", "SIGBUS"}));
    CHECK(f.replay.done().refused == 2);
    CHECK(f.replay.done().wrong_loads == 0);
  }

  TEST_CASE("a history keeps every access and incident, however often its columns are joined") {
    history drawing;
    machine_options of_machine;
    of_machine.chunks = {64 << 10, page};  // all three pages in one, so that each turn moves it once
    fixture f{{true, false, 7}, of_machine, &drawing};
    constexpr std::uint64_t accesses = 30011;
    for (std::uint64_t i = 0; i < accesses; ++i) f.load(here + i % 3 * page);
    f.replay.finish();
    CHECK(drawing.accesses() == accesses);
    CHECK(drawing.columns() <= history::most_columns);
    CHECK(drawing.columns() >= history::most_columns / 2);
    CHECK(drawing.column_width() == 32);  // 30011 / 960 = 31.3
    std::uint64_t seen = 0;
    REQUIRE(drawing.accessed_pages().size() == 3);
    for (page_track const* const track : drawing.accessed_pages())
      for (history_cell const& cell : track->cells) seen += cell.accesses;
    CHECK(seen == accesses);
    CHECK(total(drawing.incidents(incident::gpu_fault)) == f.count(event_kind::gpu_fault));
    CHECK(total(drawing.incidents(incident::to_device)) == f.count(event_kind::migrated_to_device));
    CHECK(total(drawing.incidents(incident::to_system)) == f.count(event_kind::migrated_to_system));
    CHECK(total(drawing.incidents(incident::gpu_fault)) == 2144);  // the GPU's turns: 30011 / 14, rounded up
    CHECK(total(drawing.incidents(incident::cpu_fault)) == 2144);  // 30011 - 14 * 2143 = 9 leaves the CPU a turn
  }

  TEST_CASE("a history tells where a page was, and for how much of a column") {
    history drawing;
    drawing.add_block(0);
    page_track* const track = drawing.find(5);
    REQUIRE(track != nullptr);
    CHECK(drawing.find(512) == nullptr);
    constexpr std::uint64_t columns = 2 * history::most_columns;  // joined once: two accesses a column
    for (std::uint64_t now = 0; now < columns; ++now) {
      drawing.set_time(now);
      if (now == 100) drawing.place_at(*track, place::system);
      if (now == 201) drawing.place_at(*track, place::device);
      drawing.set_time(now + 1);
      if (now + 1 >= drawing.column_end()) drawing.end_column();
    }
    drawing.finish(columns);
    REQUIRE(drawing.column_width() >= 2);
    std::uint64_t const width = drawing.column_width();
    REQUIRE(track->cells.size() == 2);
    CHECK(track->cells[0].column == 100 / width);
    CHECK(track->cells[0].after == place::system);
    CHECK(track->cells[1].column == 201 / width);
    CHECK(track->cells[1].after == place::device);
    CHECK(track->cells[1].on_system > 0);
    CHECK(track->cells[1].on_device > 0);
    CHECK(track->cells[1].on_system + track->cells[1].on_device >= 254);
  }

  TEST_CASE("a map of nothing can be drawn") {
    history nothing;
    nothing.finish(0);
    std::vector<report_line> const report;
    std::string const text = draw_svg(nothing, {"-", "", report});
    CHECK(text.starts_with("<svg "));
    CHECK(text.ends_with("</svg>\n"));
  }
}

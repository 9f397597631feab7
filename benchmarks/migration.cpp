// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Blocks of system memory that go to the device and come back, beside a memcpy of the same blocks. They lie at random in
// memory that no cache holds. Every page carries a word by which one sees that it went there and came back.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <svm/mock/machine/machine.hpp>
#include <svm/mock/machine/random.hpp>
#include <svm/std.hpp>

#include "support/lean_backend.hpp"
#include "support/measure.hpp"

namespace {

constexpr std::uint64_t page_bytes = 4096;
constexpr std::uint64_t base = std::uint64_t{0x7f} << 40;
constexpr std::uint64_t all_bytes = 512 << 20;    // of either side
constexpr std::uint64_t batch_bytes = 128 << 20;  // that move before they come back

/// The blocks of a batch: some of many, in random order.
class blocks {
 public:
  explicit blocks(std::uint64_t size) : offsets_(all_bytes / size), batch_(batch_bytes / size) {
    for (std::size_t i = 0; i < offsets_.size(); ++i) offsets_[i] = i * size;
    for (std::size_t i = offsets_.size(); i > 1; --i) std::swap(offsets_[i - 1], offsets_[random_.below(i)]);
  }
  /// The next blocks, as offsets.
  [[nodiscard]] std::span<std::uint64_t const> next() {
    std::size_t const first = std::exchange(next_, (next_ + batch_) % offsets_.size());
    return std::span{offsets_}.subspan(first, batch_);
  }

 private:
  svm::mock::random random_{42};
  std::vector<std::uint64_t> offsets_;
  std::size_t batch_;
  std::size_t next_ = 0;
};

/// Memory of both sides, every page of which is there.
struct both_sides {
  both_sides() : system(all_bytes, std::byte{1}), device(all_bytes, std::byte{2}) {}
  std::vector<std::byte> system;
  std::vector<std::byte> device;

  static both_sides& get() {
    static both_sides memory;
    return memory;
  }
};

/// Writes a word into a page, or says whether it is there.
void stamp(std::byte* page, std::uint64_t word) {
  std::memcpy(page, &word, sizeof word);
  std::memcpy(page + page_bytes - sizeof word, &word, sizeof word);
}
bool has_stamp(std::byte const* page, std::uint64_t word) {
  return std::memcmp(page, &word, sizeof word) == 0 &&
         std::memcmp(page + page_bytes - sizeof word, &word, sizeof word) == 0;
}

/// Calls `function(address of a page)` for every page of the blocks.
template <class Function>
void for_each_page(std::span<std::uint64_t const> blocks, std::uint64_t size, Function&& function) {
  for (std::uint64_t const offset : blocks)
    for (std::uint64_t done = 0; done < size; done += page_bytes) function(offset + done);
}

void migrate(benchmark::State& state, std::uint64_t size) {
  struct world {
    world() : system(1) {
      system.mm.give_frames(svm::cpu_va{base}, all_bytes / page_bytes);
      system.vram.system_bytes = both_sides::get().system;
      system.vram.device_bytes = both_sides::get().device;
    }
    lean::system<svm::null_lock> system;
  };
  auto& system = bench::kept<world>().system;
  blocks where{size};
  std::uint64_t word = 0;
  std::uint64_t allocations = 0;
  bool good = true;
  auto const page_of = [&](std::uint64_t offset) { return system.mm.page_of(svm::cpu_va{base + offset}); };
  bench::meter meter{state, bench::backend::costless};
  for (auto _ : state) {
    std::span<std::uint64_t const> const batch = where.next();
    ++word;
    for_each_page(batch, size, [&](std::uint64_t at) { stamp(system.vram.bytes_of(page_of(at)), word + at); });
    std::uint64_t const calls = lean::done.allocations;
    bench::nanoseconds const begin = bench::nanoseconds::now();
    for (std::uint64_t const offset : batch) good = system.migrate_to_device(base + offset, size) && good;
    bench::nanoseconds spent = bench::nanoseconds::since(begin);
    // What is in the device changes there, so that it is seen coming back.
    for_each_page(batch, size, [&](std::uint64_t at) {
      std::byte* const page = system.vram.bytes_of(page_of(at));
      good = good && system.mm.is_device(page_of(at)) && has_stamp(page, word + at);
      stamp(page, ~(word + at));
    });
    bench::nanoseconds const again = bench::nanoseconds::now();
    good = system.evict_all() && good;
    spent += bench::nanoseconds::since(again);
    meter.add(batch.size(), spent);
    allocations += lean::done.allocations - calls;
    for_each_page(batch, size, [&](std::uint64_t at) {
      good = good && !system.mm.is_device(page_of(at)) && has_stamp(system.vram.bytes_of(page_of(at)), ~(word + at));
    });
  }
  meter.count("allocations", static_cast<double>(allocations) / static_cast<double>(meter.operations()));
  if (!good) state.SkipWithError("a page did not go there, or did not come back");
}

void copy(benchmark::State& state, std::uint64_t size) {
  std::vector<std::byte>& system = both_sides::get().system;
  std::vector<std::byte>& device = both_sides::get().device;
  blocks where{size};
  std::uint64_t place = 0;
  std::uint64_t word = 0;
  bool good = true;
  bench::meter meter{state, bench::backend::none};
  for (auto _ : state) {
    std::span<std::uint64_t const> const batch = where.next();
    std::uint64_t const there = std::exchange(place, (place + batch_bytes) % all_bytes);
    ++word;
    for_each_page(batch, size, [&](std::uint64_t at) { stamp(system.data() + at, word + at); });
    bench::nanoseconds const begin = bench::nanoseconds::now();
    std::byte* to = device.data() + there;
    for (std::uint64_t const offset : batch) {
      std::memcpy(to, system.data() + offset, size);
      to += size;
    }
    bench::nanoseconds spent = bench::nanoseconds::since(begin);
    to = device.data() + there;
    for_each_page(batch, size, [&](std::uint64_t at) {
      good = good && has_stamp(to, word + at);
      stamp(to, ~(word + at));
      to += page_bytes;
    });
    to = device.data() + there;
    bench::nanoseconds const again = bench::nanoseconds::now();
    for (std::uint64_t const offset : batch) {
      std::memcpy(system.data() + offset, to, size);
      to += size;
    }
    spent += bench::nanoseconds::since(again);
    meter.add(batch.size(), spent);
    for_each_page(batch, size, [&](std::uint64_t at) { good = good && has_stamp(system.data() + at, ~(word + at)); });
  }
  if (!good) state.SkipWithError("a page was not copied");
}

/// The same on the mock machine, whose copy engine moves real bytes.
void migrate_on_mock(benchmark::State& state, std::uint64_t size) {
  using machine = svm::mock::machine<svm::mock::rank_checked<svm::null_lock>>;
  struct world {
    static svm::mock::machine_options options() {
      svm::mock::machine_options o;
      o.ram = {2 * all_bytes};
      o.vram = {2 * batch_bytes};
      o.thp = true;
      return o;
    }
    world() : m(options(), *machine::check(options())) {
      good =
          m.process.mmap({all_bytes}, svm::mock::protection::read_write, svm::mock::mapping_kind::anon, start).error ==
          svm::mock::sys::ok;
      svm::mock::random random{42};
      std::vector<std::uint64_t> words(page_bytes / sizeof(std::uint64_t));
      for (std::uint64_t done = 0; done < all_bytes; done += page_bytes) {
        for (std::uint64_t& w : words) w = random.next();
        good = m.process.store(start + svm::byte_count{done}, std::as_bytes(std::span{words})) == svm::mock::sys::ok &&
               good;
      }
    }
    svm::cpu_va start{std::uint64_t{4} << 30};
    machine m;
    bool good = false;
  };
  auto& w = bench::kept<world>();
  bool good = w.good;
  auto const write = [&](std::uint64_t at, std::uint64_t word) {
    good = w.m.process.store(w.start + svm::byte_count{at}, std::as_bytes(std::span{&word, 1})) == svm::mock::sys::ok &&
           good;
  };
  auto const is_on_device = [&](std::uint64_t at) {
    return w.m.process.entry_at(w.start + svm::byte_count{at}).what == svm::mock::pte::state::device;
  };
  auto const reads = [&](std::uint64_t at, std::uint64_t word) {
    std::uint64_t found = 0;
    return w.m.process.load(w.start + svm::byte_count{at}, std::as_writable_bytes(std::span{&found, 1})) ==
               svm::mock::sys::ok &&
           found == word;
  };
  blocks where{size};
  std::uint64_t word = 0;
  bench::meter meter{state, bench::backend::mock};
  for (auto _ : state) {
    std::span<std::uint64_t const> const batch = where.next();
    ++word;
    for_each_page(batch, size, [&](std::uint64_t at) { write(at, word + at); });
    bench::nanoseconds const begin = bench::nanoseconds::now();
    for (std::uint64_t const offset : batch)
      good =
          w.m.mover.migrate_to_device(w.m.process, {w.start + svm::byte_count{offset}, {size}}, {}) == svm::errc::ok &&
          good;
    bench::nanoseconds spent = bench::nanoseconds::since(begin);
    for_each_page(batch, size, [&](std::uint64_t at) { good = good && is_on_device(at); });
    bench::nanoseconds const again = bench::nanoseconds::now();
    good = w.m.mover.evict_all() == svm::errc::ok && good;
    spent += bench::nanoseconds::since(again);
    meter.add(batch.size(), spent);
    for_each_page(batch, size, [&](std::uint64_t at) { good = good && !is_on_device(at) && reads(at, word + at); });
  }
  if (!good || !w.m.broken.empty()) state.SkipWithError("a page did not go there, or did not come back");
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite s{argc, argv};
  for (std::uint64_t const size : {std::uint64_t{4} << 10, std::uint64_t{64} << 10, std::uint64_t{2} << 20}) {
    std::string const argument = bench::argument("bytes", size);
    s.group([&] {
      s.row("migration/round_trip/memcpy" + argument, [=](benchmark::State& state) { copy(state, size); });
      s.row("migration/round_trip/null_lock" + argument, [=](benchmark::State& state) { migrate(state, size); });
      s.row("migration/round_trip/mock" + argument, [=](benchmark::State& state) { migrate_on_mock(state, size); });
    });
  }
  return s.run();
}

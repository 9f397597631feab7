// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What the reference fixed in migrations to a device.

#include <svm/pagemap/impl/migrate.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <mock/processes.hpp>

using namespace support;
using svm::event_kind;

namespace {

using memory_type = policies::pagemap;
using page_type = svm::mock::page;
using copy_job = std::span<svm::copy_block<page_type> const>;

/// How often a copy job wrote to each frame, and read from it.
struct copies {
  std::map<std::uint32_t, unsigned> into, from;
  unsigned jobs = 0;
};

/// A GPU's memory, with each copy that it is asked for written down.
class counted_memory {
 public:
  using memory = memory_type::memory;
  using gpu_type = policies::device;

  counted_memory(machine::card& of, copies& seen) : inner_(of.memory), dma_(of.dma), seen_(seen) {}

  [[nodiscard]] errc copy_to_device(copy_job job) noexcept {
    note(job, true);
    return inner_.copy_to_device(job);
  }
  [[nodiscard]] errc copy_to_system(copy_job job) noexcept {
    note(job, false);
    return inner_.copy_to_system(job);
  }

  [[nodiscard]] svm::result<memory> allocate(byte_count size) noexcept { return inner_.allocate(size); }
  [[nodiscard]] errc pages(memory& m, std::span<svm::device_page<page_type>> out) noexcept {
    return inner_.pages(m, out);
  }
  void release(memory& m) noexcept { inner_.release(m); }
  [[nodiscard]] errc wait_cleared(memory& m) noexcept { return inner_.wait_cleared(m); }
  [[nodiscard]] svm::result<svm::device_address> map(gpu_type& device, page_type p, svm::page_count count,
                                                     svm::dma_direction how) noexcept {
    return inner_.map(device, p, count, how);
  }
  void unmap(gpu_type& device, svm::device_address const& a) noexcept { inner_.unmap(device, a); }
  [[nodiscard]] svm::page_owner owner() noexcept { return inner_.owner(); }
  [[nodiscard]] byte_count capacity() noexcept { return inner_.capacity(); }
  [[nodiscard]] byte_count available() noexcept { return inner_.available(); }

 private:
  void note(copy_job job, bool to_device) {
    ++seen_.jobs;
    for (auto const& block : job)
      for (std::uint64_t i = 0; i < block.remote.count; ++i) {
        std::uint32_t const local = block.local.frame + static_cast<std::uint32_t>(i);
        std::uint32_t const remote = remote_frame(block.remote, i);
        ++seen_.into[to_device ? local : remote];
        ++seen_.from[to_device ? remote : local];
      }
  }
  [[nodiscard]] std::uint32_t remote_frame(svm::device_address const& a, std::uint64_t i) {
    svm::dma_addr const at = a.address + byte_count{i * page_bytes};
    return a.path == svm::interconnect::system ? dma_.peek(at).frame
                                               : static_cast<std::uint32_t>(at.value / page_bytes);
  }

  memory_type& inner_;
  std::remove_reference_t<decltype(machine::card::dma)>& dma_;
  copies& seen_;
};

struct counted_policies : policies {
  using pagemap = counted_memory;
};

/// Linked GPUs whose copies are counted. GPU 0 is where memory is to go; where it is before, a letter a page says:
/// `r` system memory, a digit that GPU's, `.` nowhere.
class counted_world : public world {
 public:
  using how = svm::migrate_options<counted_policies>;

  explicit counted_world(std::string_view places)
      : world(small_chunks(MiB, [](auto& o) { o.gpus = 3; })), size(places.size() * page_bytes) {
    for (std::size_t n = 0; n < 3; ++n) memories_.push_back(std::make_unique<counted_memory>(gpu_card(n), seen));
    for (std::size_t n = 0; n < 3; ++n)
      movers_.push_back(std::make_unique<svm::migrator<counted_policies>>(
          svm::environment<counted_policies>{process, gpu_card(n).engine, *memories_[n], memory, clock, stats}));
    map(size);
    for (std::size_t i = 0; i < places.size(); ++i) {
      if (places[i] == '.') continue;
      REQUIRE(cpu_write(page_at(i), i + 1) == sys::ok);
      ++written;
      if (places[i] == 'r') continue;
      auto const gpu = static_cast<std::size_t>(places[i] - '0');
      REQUIRE(movers_[gpu]->migrate_to_device(process, span(page_at(i), page_bytes), {}) == errc::ok);
      ++(gpu == 0 ? here : peers);
    }
    seen = {};
    CHECK(complaint() == "");
  }
  ~counted_world() {
    CHECK(process.munmap(base, {size}) == sys::ok);
    for (std::size_t n = 0; n < 3; ++n) CHECK(gpu_card(n).memory.used() == byte_count{});
  }

  [[nodiscard]] errc move_in(how const& options) {
    return movers_[0]->migrate_to_device(process, span(base, size), options);
  }
  [[nodiscard]] std::string where() {
    std::string all;
    for (std::uint64_t done = 0; done < size; done += page_bytes) {
      pte const e = process.entry_at(at(done));
      all += !e.has_page() ? '.' : !frames.is_device(e.target) ? 'r' : static_cast<char>('0' + frames.gpu_of(e.target));
    }
    return all;
  }
  /// The most that one frame was written by copies.
  [[nodiscard]] unsigned most_into() const {
    unsigned most = 0;
    for (auto const& [frame, count] : seen.into) most = std::max(most, count);
    return most;
  }
  [[nodiscard]] unsigned most_from() const {
    unsigned most = 0;
    for (auto const& [frame, count] : seen.from) most = std::max(most, count);
    return most;
  }
  /// Every word is there, for the CPU, and nothing else is.
  void check_words(std::string_view places) {
    for (std::size_t i = 0; i < places.size(); ++i) CHECK(cpu_read(page_at(i)) == (places[i] == '.' ? 0 : i + 1));
  }

  copies seen;
  std::uint64_t const size;
  std::uint64_t written = 0, here = 0, peers = 0;  ///< pages with a word; of those, in GPU 0's memory, in the others'

 private:
  std::vector<std::unique_ptr<counted_memory>> memories_;
  std::vector<std::unique_ptr<svm::migrator<counted_policies>>> movers_;
};

constexpr std::string_view interleaved[] = {"r1r12", "r1r12r1r12r1r12r", "1r2r.1r2r.", "12r21"};
/// The same, with pages between that are where they are wanted.
constexpr std::string_view partly_here[] = {"r10r12", "0r1r120r1r1200", "1.0r2"};

/// Each option under which a driver migrates (`peers_push`, `mixed`), for each placement that it can deal with.
template <class Run>
void for_each_way(Run&& run) {
  for (bool const push : {false, true})
    for (bool const mixed : {false, true}) {
      CAPTURE(push);
      CAPTURE(mixed);
      counted_world::how const options{.source_copies = push, .only_what_differs = mixed};
      for (std::string_view const places : interleaved) run(places, options);
      if (!mixed) continue;
      for (std::string_view const places : partly_here) run(places, options);
    }
}

}  // namespace

TEST_SUITE("upstream") {
  // "Prevent double migration of device pages": the local device pulled pages that the peer had pushed already.
  TEST_CASE("each page of a range that lies in the system and on two peers is copied once, pulled or pushed") {
    for_each_way([](std::string_view places, counted_world::how const& options) {
      CAPTURE(std::string{places});
      counted_world w{places};
      REQUIRE(w.move_in(options) == errc::ok);
      CHECK(w.where() == std::string(places.size(), '0'));
      CHECK(w.most_into() == 1);
      CHECK(w.most_from() == 1);
      CHECK(w.seen.into.size() == w.written - w.here);
      bool const two_peers = places.find('1') != places.npos && places.find('2') != places.npos;
      CHECK(w.seen.jobs == (options.source_copies ? two_peers ? 3u : 2u : 1u));
      CHECK(w.stats.bytes(event_kind::migrated_peer) == w.peers * page_bytes);
      CHECK(w.complaint() == "");
      w.check_words(places);
      CHECK(w.complaint() == "");
    });
  }

  // The same, when a copy, a mapping of system memory or one of a peer's fails in whichever group: what the reference
  // had grouped was left mapped, or was copied again.
  TEST_CASE("whichever copy or mapping fails, no page is copied twice or left mapped, and the next try moves all") {
    for (auto const kind : {failure::copy, failure::dma_map, failure::device_map, failure::clear, failure::alloc})
      for_each_way([kind](std::string_view places, counted_world::how const& options) {
        for (std::uint64_t k = 1;; ++k) {
          REQUIRE(k < 100);
          CAPTURE(static_cast<int>(kind));
          CAPTURE(std::string{places});
          CAPTURE(k);
          counted_world w{places};
          auto const before = pages_behind(w, base, w.size);
          w.failures.arm(kind, k);
          errc const e = w.move_in(options);
          bool const struck = w.failures.struck() != 0;
          w.failures.disarm();
          CHECK((e == errc::ok) == !struck);
          CHECK(w.most_into() <= 1);
          CHECK(w.complaint() == "");
          if (!struck) break;
          CHECK(pages_behind(w, base, w.size) == before);
          w.seen = {};
          REQUIRE(w.move_in(options) == errc::ok);
          CHECK(w.most_into() == 1);
          CHECK(w.most_from() == 1);
          CHECK(w.seen.into.size() == w.written - w.here);
          CHECK(w.complaint() == "");
          w.check_words(places);
        }
      });
  }

  // "Fix LRU handling of a freed folio in finalize": the source folio of a migration came off its list for good.
  TEST_CASE("the folio that a migration frees is whole, unlocked and free: the next huge page takes it") {
    world w{options([](auto& o) {
      o.thp = true;
      o.ram = {2 * MiB};
      o.vram = {8 * MiB};
    })};
    for (std::uint64_t round = 1; round <= 3; ++round) {
      cpu_va const a = at(4 * MiB * round);
      w.map(2 * MiB, a);
      w.cpu_tag(a, 2 * MiB, 1000 * round);
      REQUIRE(order_at(w, a) == 9);  // of the only 2 MiB that there are
      REQUIRE(w.fault(a, access_kind::write) == errc::ok);
      CHECK(w.frames.ram_used() == byte_count{});
      CHECK(order_at(w, a) == 9);
      CHECK(w.complaint() == "");
    }
    for (std::uint64_t round = 1; round <= 3; ++round)
      CHECK(w.gpu_tags_until(at(4 * MiB * round), 2 * MiB, 1000 * round) == 2 * MiB);
  }

  // "Fix locking in the huge page install path": 2 MiB of holes, or of zero pages, were installed without the lock of
  // the page table.
  TEST_CASE("2 MiB of nothing, or of zero pages, go to the device as one page, also when the CPU writes meanwhile") {
    for (bool const zero_pages : {false, true})
      for (step const when : {step::collecting, step::clearing, step::installing, step::finalized}) {
        CAPTURE(zero_pages);
        CAPTURE(static_cast<int>(when));
        world w{options([](auto& o) {
          o.thp = true;
          o.vram = {8 * MiB};
        })};
        w.map(2 * MiB);
        if (zero_pages) REQUIRE(w.cpu_read(at(MiB)) == 0u);
        REQUIRE(to_device(w, base, 2 * MiB) == errc::ok);
        CHECK(order_at(w, base) == 9);
        CHECK(w.complaint() == "");
        REQUIRE(w.process.madvise_dontneed(base, {2 * MiB}) == sys::ok);

        if (zero_pages) REQUIRE(w.cpu_read(at(MiB)) == 0u);
        bool wrote = false;
        interfere(w, when, [&] { wrote = w.cpu_write(page_at(5), 55) == sys::ok; });
        errc const e = to_device(w, base, 2 * MiB);
        w.hooks.hook = nullptr;
        CHECK((e == errc::ok || e == errc::busy));
        CHECK(wrote);
        CHECK(w.complaint() == "");
        CHECK(w.cpu_read(page_at(5)) == 55u);
        CHECK(w.cpu_read(page_at(4)) == 0u);
        CHECK(w.cpu_read(at(2 * MiB - page_bytes)) == 0u);
        CHECK(w.complaint() == "");
      }
  }
}

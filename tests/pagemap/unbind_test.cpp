// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The end of a device's bond: it waits for others, and says ok only when all of its memory is back.

#include <svm/pagemap/page_wait.hpp>

#include <cstdint>
#include <functional>

#include <mock/processes.hpp>

using namespace support;

namespace {

std::function<void()> meanwhile;

svm::mock::machine_options two_gpus() {
  return small_chunks(MiB, [](auto& o) { o.gpus = 2; });
}

/// A machine with a chunk in the first GPU's memory, one page of which somebody holds.
class held_world : public world {
 public:
  held_world() : world(two_gpus()) {
    map(chunk);
    cpu_tag(base, chunk, 1);
    REQUIRE(to_device(*this, base, chunk) == errc::ok);
    process.pin(page_at(3), true);
    clock.lets_others_go = [](char const*) noexcept {
      if (meanwhile) as_another_thread(meanwhile);
    };
  }
  ~held_world() { meanwhile = nullptr; }
  void let_go() { process.pin(page_at(3), false); }
};

}  // namespace

TEST_SUITE("pagemap/page_wait") {
  TEST_CASE("a device whose page somebody looks at is unbound once that one is done") {
    held_world w;
    int waits = 0;
    meanwhile = [&] {
      if (++waits == 7) w.let_go();
    };
    CHECK(w.mover.unbind() == errc::ok);
    CHECK(waits == 7);
    CHECK(w.device_memory.used() == byte_count{});
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("a device whose page somebody keeps stays busy after 20 ms, and every word is there") {
    held_world w;
    auto const begin = w.clock.now();
    CHECK(w.mover.unbind() == errc::busy);
    CHECK(w.clock.now() == begin + svm::milliseconds(20));
    CHECK(to_device(w, base, chunk) == errc::device_gone);  // nothing new goes there
    w.let_go();
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.mover.unbind() == errc::ok);
    CHECK(w.device_memory.used() == byte_count{});
  }

  TEST_CASE("memory that another migration is filling is waited for too: ok means that nothing is used") {
    world w{two_gpus()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    for (step const when : {step::collecting, step::copying, step::installing, step::finalized}) {
      errc ended = errc::ok;
      std::uint64_t used = 0;
      interfere(w, when, [&] {
        ended = w.mover.unbind();
        used = w.device_memory.used().value;
      });
      CHECK(to_device(w, base, chunk) == errc::device_gone);
      CHECK(ended == errc::busy);
      CHECK(used == chunk);
      w.hooks.hook = nullptr;
      CHECK(w.mover.unbind() == errc::ok);
      CHECK(w.device_memory.used() == byte_count{});
      w.mover.revive();
    }
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("what keeps an eviction from moving pages by itself is reported at once, and a later call goes on") {
    world w{two_gpus()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    auto const begin = w.clock.now();
    w.failures.arm(failure::ram, 1, repeat::from_then_on);
    CHECK(w.mover.unbind() == errc::no_ram);
    CHECK(w.clock.now() == begin);
    w.failures.disarm();
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.mover.unbind() == errc::ok);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
  }

  TEST_CASE("an unplug loses nothing while a CPU looks at a page: it says busy, and the GPU stays") {
    held_world w;
    CHECK(w.unplug(0) == errc::busy);
    CHECK_FALSE(w.frames.links().is_unplugged(0));
    w.let_go();
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.unplug(0) == errc::ok);
    CHECK(w.frames.links().is_unplugged(0));
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.device_memory.used() == byte_count{});
  }

  TEST_CASE("a GPU that is torn out loses only what could not come back") {
    held_world w;
    svm::mock::page const held = w.process.entry_at(page_at(3)).target;
    w.tear_out(0);
    CHECK(w.frames.links().is_unplugged(0));
    w.frames.put(held);
    for (std::uint64_t n = 0; n < chunk_pages; ++n)
      CHECK(w.cpu_read(page_at(n)) == (n == 3 ? std::nullopt : std::optional{n + 1}));
  }
}

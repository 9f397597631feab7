// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// The oracle after each step: it sees what is wrong only for a while, and leaves alone what somebody is changing.

#include <string>
#include <utility>
#include <vector>

#include <explore/races/race.hpp>

using namespace races;

namespace {

/// The GPU has written to the first range, in system memory.
struct mapped_world : world {
  mapped_world() : world(small([](auto&) {})) {
    map(pages(0, range_pages));
    must(gpu_write(page_at(0), 1) == errc::ok, "the GPU may write");
    must(said() == "", "all is well so far");
  }
  svm::range<policies>& first_range() { return *driver.svm().find(page_at(0)); }
  /// The first rule that the check of a step finds broken.
  std::string said() {
    svm::mock::held_locks const mine = std::exchange(lock_policy::held(), {});  // it is on nobody's thread
    check_touched(svm::mock::moment::step);
    lock_policy::held() = mine;
    auto const lines = broken.take();
    return lines.empty() ? "" : lines.front().substr(0, 4);
  }
  void touch() { process.changed().note(pages(0, range_pages)); }
};

}  // namespace

TEST_SUITE("explore/races, oracle") {
  TEST_CASE("what is wrong for some steps only is seen at the first of them") {
    race r{"wrong for a while", +[]() -> world* { return new mapped_world; }};
    r.thread("gpu").does("map what no range has, and forget it", [](world& w) {
      auto const stray = pages(range_pages, 1);
      svm::device_address const where{
          .address = static_cast<mapped_world&>(w).first_range().mapping().blocks_locked()[0].address};
      must(w.device.prepare(stray) == errc::ok, "there is room");
      w.device.commit(stray, {&where, 1}, svm::mapping_access::read_only);
      w.device.invalidate(stray);
    });
    explore::report const report = search(r, explore::exhaustive{}, {});
    REQUIRE(report.failed);
    CHECK(report.failed->text.find("O-20") != std::string::npos);
    CHECK(report.complete == 0);
  }

  TEST_CASE(
      "what only a VMA decides waits for who has the map lock, and what a range says for who has its notifier's") {
    mapped_world w;
    must(w.process.mprotect(page_at(0), pages(0, range_pages).size(), protection::read) == sys::ok, "it is mapped");
    must(w.gpu_read(page_at(0)).error == errc::ok, "it may still be read");
    must(w.said() == "", "nothing is wrong yet");
    auto& r = w.first_range();
    std::vector<svm::device_address> const blocks{r.mapping().blocks_locked().begin(),
                                                  r.mapping().blocks_locked().end()};
    w.device.commit(r.interval(), blocks, svm::mapping_access::read_write);
    w.process.map_lock().lock();
    CHECK(w.said() == "");
    w.process.map_lock().unlock();
    CHECK(w.said() == "O-05");
    CHECK(w.said() == "");  // it was looked at
    w.device.commit(r.interval(), blocks, svm::mapping_access::read_only);
    CHECK(w.said() == "");

    r.owner().lock().lock();
    r.owner().set_unmapped_locked(r, r.interval());
    w.touch();
    CHECK(w.said() == "");
    r.owner().lock().unlock();
    CHECK(w.said() == "O-08");
    w.driver.collector().enqueue(r);

    w.frames.lock().lock();
    w.touch();
    CHECK(w.said() == "");
    w.frames.lock().unlock();
    CHECK(w.said() == "O-08");
    CHECK(w.said() == "");
    w.driver.svm().index_lock().lock();
    w.touch();
    CHECK(w.said() == "");
    w.driver.svm().index_lock().unlock();
    CHECK(w.said() == "O-08");
    w.driver.collect_garbage();
    CHECK(w.said() == "");
  }
}

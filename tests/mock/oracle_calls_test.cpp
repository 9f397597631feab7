// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What every call leaves as it was, what is noted of each, and when everything is looked at.

#include <string>
#include <utility>

#include <mock/oracle_seams.hpp>

using namespace oracle_seams;
using svm::mock::moment;

TEST_SUITE("mock/oracle, after each call") {
  TEST_CASE("what the machine changes it notes by itself, and an access that finds its entry notes nothing") {
    exact w{in_system};
    va_range const both = span(base, 2 * chunk);
    auto const settle = [&] {
      w.check_touched(moment::returned);
      return rules(w) == "" && w.process.changed().empty() && w.process.watchers().changed().empty() &&
             w.device.changed().empty() && w.frames.changed_frames().empty() && w.dma.changed_frames().empty();
    };
    auto const has = [](svm::mock::touched const& t, std::uint64_t what) {
      bool found = false;
      t.for_each([&](std::uint64_t first, std::uint64_t last) { found = found || (first <= what && what <= last); });
      return found;
    };
    auto const covers = [&](svm::mock::touched const& t, va_range all) {
      return has(t, all.start().value) && has(t, all.last().value);
    };
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    CHECK(covers(w.process.changed(), span(base, page_bytes)));
    CHECK(has(w.frames.changed_frames(), frame_at(w, base)));
    REQUIRE(settle());
    REQUIRE(w.gpu_write(base, 2) == errc::ok);
    CHECK(has(w.process.changed(), first_chunk.last().value));  // the first page was there
    CHECK(covers(w.device.changed(), first_chunk));
    CHECK(has(w.dma.changed_frames(), frame_at(w, base)));
    REQUIRE(settle());
    REQUIRE(w.gpu_write(base, 3) == errc::ok);
    REQUIRE(w.cpu_write(base, 4) == sys::ok);
    REQUIRE(w.gpu_read(base) == 4u);
    CHECK(w.process.changed().empty());
    CHECK(w.device.changed().empty());
    CHECK(w.frames.changed_frames().empty());
    REQUIRE(settle());

    auto const frame = frame_at(w, base);
    REQUIRE(w.process.mprotect(base, {chunk}, protection::read) == sys::ok);
    CHECK(covers(w.process.watchers().changed(), first_chunk));
    CHECK(covers(w.device.changed(), first_chunk));
    CHECK(has(w.dma.changed_frames(), frame));
    REQUIRE(settle());
    auto& child = w.fork(w.first());
    CHECK(covers(w.process.changed(), first_chunk));
    CHECK(covers(child.process.changed(), first_chunk));
    REQUIRE(settle());
    auto const moved = w.process.mremap(base, {chunk}, {chunk}, false, at(8 * chunk));
    REQUIRE(moved.error == sys::ok);
    CHECK(covers(w.process.changed(), first_chunk));
    CHECK(covers(w.process.changed(), span(moved.at, chunk)));
    REQUIRE(settle());
    w.exit(child);
    CHECK(has(child.process.changed(), base.value));
    CHECK(has(w.frames.changed_frames(), frame));
    REQUIRE(settle());
    REQUIRE(w.process.munmap(moved.at, {chunk}) == sys::ok);
    CHECK(covers(w.process.watchers().changed(), span(moved.at, chunk)));
    w.driver.collect_garbage();
    check_all_find(w, both, "");
  }

  TEST_CASE("O-27 a flush that was begun and never waited for") {
    exact w;
    w.device.begin_invalidate(first_chunk);
    CHECK(at_step(w, first_chunk) == "");
    CHECK(near(w, first_chunk) == "O-27");
    CHECK(far(w) == "O-27");
    w.device.finish_invalidate(first_chunk);
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-32 a user reference that is kept, of a process that runs and of one that exited") {
    exact w;
    REQUIRE(w.process.get_user());
    CHECK(near(w, first_chunk) == "O-32");
    CHECK(far(w) == "O-32");
    w.first().other_users = 1;
    CHECK(near(w, first_chunk) == "");
    w.first().other_users = 0;
    w.process.put_user();
    auto& child = w.fork(w.first());
    REQUIRE(child.process.get_user());
    w.exit(child);
    CHECK(near(w, first_chunk) == "O-32");
    CHECK(far(w) == "O-32");
    child.process.put_user();
    check_all_find(w, first_chunk, "");
  }

  TEST_CASE("O-36 a lock that is still held") {
    exact w;
    lock_policy::shared_mutex<svm::lock_rank::vm> vm;
    vm.lock_shared();
    as_another_thread([&] { CHECK(at_step(w, first_chunk) == ""); });
    CHECK(near(w, first_chunk) == "O-36");
    CHECK(far(w) == "O-36");
    vm.unlock_shared();
  }

  TEST_CASE("everything is looked at after each call while that is little, and after some calls when it is much") {
    exact w;
    auto const slot = [&] { return w.shared.swap.write(w.frames.content(w.process.entry_at(base).target)); };
    REQUIRE(w.cpu_write(base, 1) == sys::ok);
    auto const calls_until_seen = [&] {
      auto const lost = slot();  // no check of what changed sees that it has no user
      w.shared.swap.get(lost);
      int calls = 0;
      while (w.broken.empty() && calls < 1000) {
        w.check_call();
        ++calls;
      }
      CHECK(rules(w) == "O-31");
      w.shared.swap.put(lost);
      return calls;
    };
    w.check_call();
    CHECK(calls_until_seen() == 1);
    constexpr std::uint64_t many = 4096;
    w.map(many * page_bytes, at(4 * chunk));
    w.cpu_tag(at(4 * chunk), many * page_bytes, 1);
    w.check_call();
    for (int const calls : {calls_until_seen(), calls_until_seen()}) {
      CHECK(calls > 128);
      CHECK(calls < 512);
    }
  }
}

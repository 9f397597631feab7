// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

#include <pagemap/scene.hpp>

using namespace support;

TEST_SUITE("pagemap/zdd") {
  TEST_CASE("it counts the pages that live, and nothing more once the allocation is built") {
    world w{small_chunks()};
    w.map(chunk);
    std::uint32_t while_copying = 0;
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    auto const kept = allocation_at(w, base);
    CHECK(kept->live_pages().live() == chunk_pages);
    interfere(w, step::copying, [&] { while_copying = kept->live_pages().live(); });
    REQUIRE(w.mover.evict_span(w.process, span(base, chunk / 4)) == errc::ok);
    CHECK(while_copying == chunk_pages);
    CHECK(kept->live_pages().live() == chunk_pages * 3 / 4);
    REQUIRE(w.process.munmap(at(chunk / 4), {chunk / 4}) == sys::ok);
    CHECK(kept->live_pages().live() == chunk_pages / 2);
    REQUIRE(w.process.madvise_dontneed(at(chunk / 2), {chunk / 4}) == sys::ok);
    CHECK(kept->live_pages().live() == chunk_pages / 4);
    CHECK_FALSE(kept->is_detached());
    CHECK(w.cpu_read(at(chunk - page_bytes)) == chunk_pages);
    CHECK(kept->live_pages().live() == 0);
    CHECK(kept->is_detached());
    CHECK(w.complaint() == "");
  }

  TEST_CASE("it stands behind every page of its allocation, and behind no page after that") {
    world w{small_chunks()};
    w.map(chunk);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    auto const kept = allocation_at(w, base);
    for (auto const& p : kept->pages()) CHECK(w.frames.of(p.page).owner_object == &kept->live_pages());
    REQUIRE(w.mover.evict(*kept) == errc::ok);
    for (auto const& p : kept->pages()) CHECK(w.frames.of(p.page).owner_object == nullptr);
  }

  TEST_CASE("an allocation that is still being built is not evicted, and not found") {
    world w{small_chunks(chunk)};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    bool looked = false;
    interfere(w, step::copying, [&] {
      looked = true;
      CHECK(w.mover.make_room({chunk}) == errc::no_device_memory);
      CHECK(w.mover.evict_all() == errc::ok);
      CHECK(w.count(svm::event_kind::evicted) == 0);
    });
    CHECK(to_device(w, base, chunk) == errc::ok);
    CHECK(looked);
    CHECK(w.device_pages(base, chunk) == chunk_pages);
    CHECK(w.complaint() == "");
  }
}

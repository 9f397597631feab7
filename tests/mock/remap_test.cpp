// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// mremap, on the CPU and on the device.

#include <mock/processes.hpp>

using namespace support;

namespace {

constexpr auto rw = protection::read_write;
constexpr cpu_va far{64 * GiB};
constexpr cpu_va end_of_user{svm::mock::user_end};

sys move(world& w, cpu_va a, std::uint64_t old_size, std::uint64_t new_size, std::optional<cpu_va> to = {},
         bool dont_unmap = false) {
  return w.process.mremap(a, {old_size}, {new_size}, dont_unmap, to).error;
}

}  // namespace

TEST_SUITE("mock/mm, mremap") {
  TEST_CASE("alignment is judged first, then the end of user addresses, then the source, then the place") {
    world w;
    w.map(2 * chunk);
    w.map(chunk, at(4 * chunk), protection::read);
    w.map(chunk, at(5 * chunk));
    CHECK(move(w, at(1), chunk, chunk) == sys::einval);
    CHECK(move(w, base, 0, chunk) == sys::einval);
    CHECK(move(w, base, chunk, 0) == sys::einval);
    CHECK(move(w, base, chunk, 100) == sys::einval);
    CHECK(move(w, base, chunk, chunk, at(8)) == sys::einval);
    CHECK(move(w, base, chunk, 2 * chunk, far, true) == sys::einval);  // nothing else than what is there can stay
    CHECK(move(w, end_of_user, chunk, chunk) == sys::enomem);
    CHECK(move(w, base, chunk, chunk, end_of_user) == sys::enomem);
    CHECK(move(w, base, chunk, svm::mock::user_end) == sys::enomem);
    CHECK(move(w, at(3 * chunk), chunk, chunk, far) == sys::efault);
    CHECK(move(w, at(chunk), 2 * chunk, chunk, far) == sys::efault);      // runs into a hole
    CHECK(move(w, at(4 * chunk), 2 * chunk, chunk, far) == sys::efault);  // two VMAs
    CHECK(move(w, base, chunk, chunk, at(4 * chunk)) == sys::eexist);
    CHECK(move(w, base, chunk, chunk, at(chunk)) == sys::eexist);  // itself
    CHECK(move(w, base, chunk, 2 * chunk, at(3 * chunk)) == sys::eexist);
    w.map(2 * MiB, far, rw, mapping_kind::hugetlb);
    CHECK(move(w, far, MiB, MiB, at(GiB)) == sys::einval);
    CHECK(move(w, far, 2 * MiB, 2 * MiB, at(GiB + MiB)) == sys::einval);
    CHECK(w.process.vmas().all().size() == 4);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("it grows in place where there is room, and joins what is there (MRM-30)") {
    world w;
    w.map(chunk);
    w.map(chunk, at(3 * chunk));
    w.cpu_tag(base, chunk, 1);
    CHECK(move(w, base, chunk, 4 * chunk) == sys::enomem);
    CHECK(move(w, base, chunk / 2, chunk) == sys::enomem);  // its own rest is in the way
    CHECK(move(w, base, chunk, 2 * chunk) == sys::ok);
    CHECK(w.process.vmas().all().size() == 2);
    CHECK(w.cpu_read(at(chunk)) == 0u);
    CHECK(move(w, at(chunk), chunk, 2 * chunk) == sys::ok);
    CHECK(w.process.vmas().all().size() == 1);
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(move(w, base, 4 * chunk, 4 * chunk) == sys::ok);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("shrinking unmaps the tail (MRM-30)") {
    world w{small_chunks()};
    w.map(2 * chunk);
    w.cpu_tag(base, 2 * chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    REQUIRE(w.fault(at(chunk)) == errc::ok);
    CHECK(move(w, base, 2 * chunk, chunk) == sys::ok);
    CHECK(w.range_at(at(chunk))->has(svm::range_flag::unmapped));
    CHECK_FALSE(w.range_at(base)->has(svm::range_flag::unmapped));
    CHECK_FALSE(w.cpu_read(at(chunk)));
    CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("entries move with one unmap event on the old span, in memory and on the device (MRM-01)") {
    for (bool const on_device : {false, true}) {
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      REQUIRE((on_device ? w.fault(base) : w.driver.prefetch(span(base, chunk), prefetch_place::system)) == errc::ok);
      auto const behind = pages_behind(w, base, chunk);
      auto const events = w.count(svm::event_kind::invalidated);
      CHECK(move(w, base, chunk, chunk, far) == sys::ok);
      CHECK(w.count(svm::event_kind::invalidated) == events + 1);
      CHECK(pages_behind(w, far, chunk) == behind);
      CHECK(w.range_at(base)->has(svm::range_flag::unmapped));
      CHECK_FALSE(w.cpu_read(base));
      CHECK(w.complaint() == "");
      CHECK(w.gpu_tags_until(far, chunk, 1) == chunk);
      CHECK(w.fault(base) == errc::no_vma);
      CHECK(w.cpu_tags_until(far, chunk, 1) == chunk);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a page that moved comes back with its allocation, wherever that is mapped now (MRM-28)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    REQUIRE(move(w, page_at(4), 4 * page_bytes, 4 * page_bytes, far + byte_count{page_bytes}) == sys::ok);
    CHECK(w.cpu_read(far + byte_count{2 * page_bytes}) == 6u);
    CHECK(w.device_pages(far, chunk) == 0);
    CHECK(w.device_pages(base, chunk) == chunk_pages - 4);  // in other VMAs
    CHECK(w.cpu_read(base) == 1u);
    CHECK(w.device_pages(base, chunk / 4) == 0);
    CHECK(w.device_pages(base, chunk) == chunk_pages - 8);
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.cpu_read(page_at(15)) == 16u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("it may shrink or grow on the way") {
    world w;
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    CHECK(move(w, base, chunk, chunk / 2, far) == sys::ok);
    CHECK(w.process.vmas().all().size() == 1);
    CHECK(w.frames.ram_used() == byte_count{chunk / 2});
    CHECK(move(w, far, chunk / 2, 2 * chunk, base) == sys::ok);
    CHECK(w.cpu_tags_until(base, chunk / 2, 1) == chunk / 2);
    CHECK(w.cpu_read(at(chunk)) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("dontunmap leaves the mapping, empty, and finds room by itself") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(w.fault(base) == errc::ok);
    auto const moved = w.process.mremap(base, {chunk}, {chunk}, true, {});
    REQUIRE(moved.error == sys::ok);
    CHECK(moved.at == at(4 * MiB));
    CHECK(w.process.vmas().all().size() == 2);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.cpu_tags_until(moved.at, chunk, 1) == chunk);
    CHECK(w.gpu_read(base) == 0u);
    CHECK(w.complaint() == "");
    world v;
    v.map(page_bytes, base, rw, mapping_kind::shared);
    REQUIRE(v.cpu_write(base, 5) == sys::ok);
    REQUIRE(move(v, base, page_bytes, page_bytes, far, true) == sys::ok);
    CHECK(v.cpu_read(base) == 5u);  // both show the same memory
    CHECK(v.cpu_write(far, 6) == sys::ok);
    CHECK(v.cpu_read(base) == 6u);
    CHECK(v.complaint() == "");
  }

  TEST_CASE("the page cache goes by the place in the file, so it survives a move (MRM-31)") {
    for (mapping_kind const kind : {mapping_kind::shared, mapping_kind::file}) {
      world w;
      w.map(chunk, base, rw, kind);
      w.cpu_tag(base, chunk, 1);
      REQUIRE(move(w, page_at(4), 4 * page_bytes, 4 * page_bytes, far) == sys::ok);
      auto const used = w.frames.ram_used();
      REQUIRE(w.process.madvise_dontneed(far, {4 * page_bytes}) == sys::ok);
      CHECK(w.cpu_read(far) == (kind == mapping_kind::shared ? 5u : 0u));
      CHECK(w.cpu_read(page_at(8)) == 9u);
      REQUIRE(move(w, far, 4 * page_bytes, 4 * page_bytes, page_at(4)) == sys::ok);
      CHECK(w.process.vmas().all().size() == 1);  // its pieces are one again
      CHECK(w.frames.ram_used() <= used);
      CHECK(w.complaint() == "");
    }
  }

  TEST_CASE("a file grows without an end, and its new part is another part of it") {
    world w;
    w.map(chunk, base, rw, mapping_kind::shared);
    CHECK(move(w, base, chunk, 2 * chunk) == sys::ok);
    CHECK(w.process.vmas().all().size() == 1);
    REQUIRE(w.cpu_write(at(chunk), 3) == sys::ok);
    CHECK(w.cpu_read(base) == 0u);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a huge page that moves in part stays one page, mapped in two places") {
    world w{options([](auto& o) { o.thp = true; })};
    w.map(2 * MiB);
    w.cpu_tag(base, 2 * MiB, 1);
    REQUIRE(order_at(w, base) == 9);
    REQUIRE(move(w, at(MiB), MiB, MiB, far) == sys::ok);
    CHECK(order_at(w, base) == 9);
    CHECK(w.cpu_read(far) == 257u);
    CHECK(w.complaint() == "");
    REQUIRE(w.process.munmap(far, {page_bytes}) == sys::ok);
    CHECK(order_at(w, base) == 0);
    CHECK(w.frames.ram_used() == byte_count{2 * MiB - page_bytes});
    CHECK(w.cpu_tags_until(base, MiB, 1) == MiB);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("a move in the middle of an eviction finds the pages where they end (MRM-32)") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    interfere(w, step::copying, [&] { REQUIRE(move(w, base, chunk, chunk, far) == sys::ok); });
    CHECK(w.mover.evict_all() == errc::ok);
    w.hooks.hook = nullptr;
    CHECK(table(w, w.first(), far, 2 * page_bytes) == "RR");
    CHECK(w.cpu_tags_until(far, chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("pages whose entries move faster than an eviction can follow stay where they are, mapped") {
    world w{small_chunks()};
    w.map(chunk);
    w.cpu_tag(base, chunk, 1);
    REQUIRE(to_device(w, base, chunk) == errc::ok);
    cpu_va places[] = {base, far};
    w.hooks.hook = [&](step s) {
      if (s != step::withdrawing) return;
      as_another_thread([&] { CHECK(move(w, places[0], chunk, chunk, places[1]) == sys::ok); });
      std::swap(places[0], places[1]);
    };
    CHECK(w.mover.evict_all() == errc::in_use);
    w.hooks.hook = nullptr;
    CHECK(table(w, w.first(), places[0], 2 * page_bytes) == "DD");
    CHECK(w.complaint() == "");
    CHECK(w.mover.evict_all() == errc::ok);
    CHECK(w.cpu_tags_until(places[0], chunk, 1) == chunk);
    CHECK(w.complaint() == "");
  }

  TEST_CASE("advice goes with the memory") {
    world w;
    w.map(2 * page_bytes);
    w.cpu_tag(base, 2 * page_bytes, 1);
    REQUIRE(w.process.madvise(page_at(1), {page_bytes}, advice::dontfork) == sys::ok);
    REQUIRE(move(w, base, 2 * page_bytes, 2 * page_bytes, far) == sys::ok);
    w.map(2 * page_bytes);
    task& child = w.fork(w.first());
    CHECK(load(child, far) == 1u);
    CHECK_FALSE(load(child, far + byte_count{page_bytes}));
    CHECK(load(child, page_at(1)) == 0u);
    CHECK(w.complaint() == "");
  }
}

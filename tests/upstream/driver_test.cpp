// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// What the reference and the drivers on it fixed, as far as it is the driver's.

#include <svm/driver/svm_driver.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include <mock/processes.hpp>

#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/objects.hpp>
#include <svm/mock/machine/reservation.hpp>

using namespace support;
using svm::event_kind;

namespace {

/// Three linked GPUs; the pages of a chunk go round: system, GPU 1, system, GPU 1, GPU 2.
struct interleaved : world {
  explicit interleaved(bool push, bool mixed)
      : world(small_chunks(MiB, [&](auto& o) {
          o.gpus = 3;
          o.driver.peers_push = push;
          o.driver.mixed = mixed;
        })) {
    map(chunk);
    cpu_tag(base, chunk, 1);
    for (std::uint64_t n = 0; n < chunk_pages; ++n) {
      if (n % 5 == 0 || n % 5 == 2) continue;
      REQUIRE(gpu_card(n % 5 == 4 ? 2 : 1).mover.migrate_to_device(process, span(page_at(n), page_bytes), {}) ==
              errc::ok);
    }
    copied = moved_bytes();
  }
  [[nodiscard]] std::uint64_t moved_bytes() const {
    return stats.bytes(event_kind::migrated_to_device) + stats.bytes(event_kind::migrated_peer) +
           stats.bytes(event_kind::migrated_to_system);
  }
  /// What was copied since.
  [[nodiscard]] std::uint64_t copied_bytes() const { return moved_bytes() - copied; }

  std::uint64_t copied = 0;
};

struct bind_types;
struct bind_mapping;
struct bind_object;
struct bind_types {
  using mapping = bind_mapping;
  using object = bind_object;
  using lock = policies::lock;
  using allocator = policies::allocator;
  using reservation = svm::mock::reservation;
};
struct bind_mapping : svm::gpu_mapping<bind_types> {};
struct bind_object : svm::gpuvm_object<bind_types> {
  using svm::gpuvm_object<bind_types>::gpuvm_object;
};

/// What a driver makes when a program opens a GPU's address space, one part after the other: shared memory with its
/// first range, a reservation, the space, the objects, and a first object in it. Whichever part fails, those before it
/// end by themselves.
class opened_space {
 public:
  using driver_type = svm::svm_driver<policies>;
  using bo = svm::gpuvm_objects<bind_types>::bo;

  explicit opened_space(world& w) : memory_(w.memory), world_(w) {}
  ~opened_space() {
    if (bo_ != nullptr) objects_->put(*bo_);
    end(object_);
    end(objects_);
    end(space_);
    end(reservation_);
    end(svm_);
  }
  opened_space(opened_space const&) = delete;
  opened_space& operator=(opened_space const&) = delete;

  [[nodiscard]] errc open() {
    svm_ = svm::detail::construct<driver_type>(memory_, world_.mover, world_.driver.svm().env(),
                                               world_.driver.svm().shape(), world_.driver.options());
    if (svm_ == nullptr) return errc::no_memory;
    if (errc const e = svm_->fault(base, access_kind::write); e != errc::ok) return e;
    reservation_ = svm::detail::construct<svm::mock::reservation>(memory_);
    if (reservation_ == nullptr) return errc::no_memory;
    space_ = svm::detail::construct<svm::gpuvm<bind_types>>(memory_, *svm::gpuvm_layout::make({0}, {GiB}), memory_);
    if (space_ == nullptr) return errc::no_memory;
    objects_ = svm::detail::construct<svm::gpuvm_objects<bind_types>>(memory_, *space_, *reservation_, memory_);
    if (objects_ == nullptr) return errc::no_memory;
    object_ = svm::detail::construct<bind_object>(memory_, *reservation_, svm::list_guard::immediate);
    if (object_ == nullptr) return errc::no_memory;
    auto const got = objects_->obtain(*object_);
    if (!got) return got.error();
    bo_ = *got;
    return errc::ok;
  }

 private:
  template <class T>
  void end(T* part) {
    if (part != nullptr) svm::detail::destroy(memory_, part);
  }

  policies::allocator& memory_;
  world& world_;
  driver_type* svm_ = nullptr;
  svm::mock::reservation* reservation_ = nullptr;
  svm::gpuvm<bind_types>* space_ = nullptr;
  svm::gpuvm_objects<bind_types>* objects_ = nullptr;
  bind_object* object_ = nullptr;
  bo* bo_ = nullptr;
};

}  // namespace

TEST_SUITE("upstream") {
  // "Prevent double migration of device pages", as a GPU fault meets it.
  TEST_CASE("a GPU fault on a range in three places copies each byte once, whoever copies, mixed or not") {
    for (bool const push : {false, true})
      for (bool const mixed : {false, true}) {
        CAPTURE(push);
        CAPTURE(mixed);
        interleaved w{push, mixed};
        REQUIRE(w.fault(page_at(3), access_kind::write) == errc::ok);
        CHECK(w.copied_bytes() == chunk);
        CHECK(w.device_memory.used() == byte_count{chunk});
        CHECK(w.gpu_card(1).memory.used() + w.gpu_card(2).memory.used() == byte_count{});
        CHECK(w.complaint() == "");
        CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
        CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      }
  }

  // The same, when one group fails: the fault goes on with what is there, or gathers it; a byte is never lost, and no
  // group is done twice in one migration.
  TEST_CASE("a GPU fault on a range in three places of which a group fails is served, and leaves nothing behind") {
    for (bool const push : {false, true})
      for (bool const mixed : {false, true})
        for (auto const kind : {failure::copy, failure::dma_map, failure::device_map, failure::clear})
          for (std::uint64_t k = 1;; ++k) {
            REQUIRE(k < 200);
            CAPTURE(push);
            CAPTURE(mixed);
            CAPTURE(static_cast<int>(kind));
            CAPTURE(k);
            interleaved w{push, mixed};
            w.failures.arm(kind, k);
            errc const e = w.fault(page_at(3), access_kind::write);
            bool const struck = w.failures.struck() != 0;
            w.failures.disarm();
            CHECK((e == errc::ok || struck));
            // Gathered in the system and moved once more at most.
            CHECK(w.copied_bytes() <= 2 * chunk);
            CHECK(w.complaint() == "");
            CHECK(w.gpu_tags_until(base, chunk, 1) == chunk);
            CHECK(w.complaint() == "");
            CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
            CHECK(w.complaint() == "");
            if (!struck) break;
          }
  }

  // The reference driver leaked its SVM when the object whose reservation an address space uses could not be allocated.
  TEST_CASE("an address space of which any part cannot be allocated ends whole: no range, notifier or block is left") {
    std::uint64_t k = 1;
    for (;; ++k) {
      REQUIRE(k < 100);
      CAPTURE(k);
      world w{small_chunks()};
      w.map(chunk);
      w.cpu_tag(base, chunk, 1);
      w.failures.arm(failure::alloc, k, repeat::from_then_on);
      errc e;
      {
        opened_space opened{w};
        e = opened.open();
      }
      bool const struck = w.failures.struck() != 0;
      w.failures.disarm();
      CHECK(e == (struck ? errc::no_memory : errc::ok));
      CHECK(w.process.watchers().registered() == 0);
      CHECK(w.count(event_kind::range_created) == w.count(event_kind::range_removed));
      CHECK(w.gpu_mapped_pages(base, chunk) == 0);
      CHECK(w.dma.live() == 0);
      CHECK(w.cpu_tags_until(base, chunk, 1) == chunk);
      CHECK(w.memory.live_blocks() == 0);
      CHECK(w.complaint() == "");
      if (!struck) break;
    }
    CHECK(k > 10);
  }
}

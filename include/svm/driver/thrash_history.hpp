// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include <svm/base/construct.hpp>
#include <svm/base/migration_cause.hpp>
#include <svm/base/page_mask.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/base/time.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/page_wise.hpp>
#include <svm/driver/block_table.hpp>
#include <svm/placement/residency_slice.hpp>
#include <svm/placement/thrashing.hpp>
#include <svm/placement/uvm_options.hpp>

namespace svm::inline v0 {

namespace detail {

/// The memory that `placement::thrashing` asks for.
template <class Allocator>
class thrash_memory {
 public:
  explicit thrash_memory(Allocator& memory) : memory_(memory) {}

  [[nodiscard]] placement::thrash_page* take_pages() {
    std::byte* const place = memory_.allocate(bytes, alignof(placement::thrash_page));
    if (place == nullptr) return nullptr;
    auto* const first = ::new (place) placement::thrash_page{};
    for (std::size_t i = 1; i < page_mask::pages; ++i) ::new (first + i) placement::thrash_page{};
    return first;
  }
  void give_pages(placement::thrash_page* pages) {
    memory_.deallocate(reinterpret_cast<std::byte*>(pages), bytes, alignof(placement::thrash_page));
  }
  [[nodiscard]] placement::pinned_page* take_pin() { return construct<placement::pinned_page>(memory_); }
  void give_pin(placement::pinned_page* pin) { destroy(memory_, pin); }

 private:
  static constexpr std::size_t bytes = page_mask::pages * sizeof(placement::thrash_page);

  Allocator& memory_;
};

}  // namespace detail

/// What the services of an address space know of pages that move to and fro between its processors: rules B1 to B5, or a
/// residency slice. One object for all GPUs on the address space, so that each knows what the others did.
///
/// Without memory for what it would remember of a block it forgets the block, and nothing else happens.
///
/// Locks: `lock_` (history) guards everything, and each function takes it.
template <page_wise_policies P>
class thrash_history {
 public:
  /// What to do with a page that somebody wants.
  struct advice {
    bool waits = false;       ///< it is not for this processor before `until`
    bool elsewhere = false;   ///< it stays where it is, and is reached from afar
    bool pin_begins = false;  ///< it stays from now on
    time_point until{};
  };
  /// The pages of a block that others should let alone.
  struct state {
    page_mask thrashing{};  ///< are not prefetched; of a slice those of somebody else
    page_mask staying{};    ///< pinned, or in their slice
  };
  struct question {
    cpu_va block{};
    unsigned page = 0;
    placement::processor who = placement::nobody;
    placement::processor_set copies{};  ///< who has the page in memory
  };

  /// \param links  which processor reaches which other one's memory
  thrash_history(typename P::allocator& memory, placement::topology const& links, placement::thrash_mode mode,
                 placement::thrash_options options = {})
      : links_(links),
        mode_(mode),
        memory_(memory),
        pages_(memory_, links_, options),
        blocks_(memory, placement::defaults::block_bytes) {}
  thrash_history(thrash_history const&) = delete;
  thrash_history& operator=(thrash_history const&) = delete;
  ~thrash_history() {
    exclusive_guard const guard{lock_};
    blocks_.for_each([&](entry& e) {
      lock_.assert_held();
      pages_.drop(e.pages);
    });
  }

  [[nodiscard]] placement::thrash_mode mode() const { return mode_; }

  /// What becomes of a page that a processor wants, before it is decided where the page goes.
  ///
  /// \pre    no lock of a rank behind mm held
  /// \allocs at most a pin
  [[nodiscard]] advice ask(question const& q, time_point now) {
    exclusive_guard const guard{lock_};
    entry* const e = blocks_.find(q.block);
    if (e == nullptr) return {};
    if (mode_ == placement::thrash_mode::slice) return ask_slice(*e, q, now);
    end_due_locked(now);
    bool const was_pinned = e->pages.pinned().test(q.page);
    placement::thrash_hint const hint = pages_.decide(
        e->pages, {.page = q.page, .requester = q.who, .copies = q.copies, .preferred = e->preferred}, now);
    advice answer;
    answer.waits = hint.what == placement::thrash_hint::kind::throttle;
    answer.until = hint.until;
    answer.elsewhere = hint.what == placement::thrash_hint::kind::pin && hint.at != q.who;
    answer.pin_begins = !was_pinned && e->pages.pinned().test(q.page);
    return answer;
  }
  /// Pages came to a processor's memory from that of another.
  ///
  /// \pre    no lock of a rank behind mm held
  /// \allocs the block, and its history of a page each
  void moved(cpu_va block, page_mask const& pages, placement::processor to, migration_cause why, time_point now) {
    note(block, pages, to, why, false, now);
  }
  /// A processor lost the right to write to pages.
  ///
  /// \pre    no lock of a rank behind mm held
  /// \allocs as `moved`
  void revoked(cpu_va block, page_mask const& pages, placement::processor from, time_point now) {
    if (mode_ == placement::thrash_mode::on) note(block, pages, from, migration_cause::gpu_fault, true, now);
  }
  /// Pages are nowhere any more, or a program placed them: what was is forgotten.
  void forget(cpu_va block, page_mask const& pages) {
    exclusive_guard const guard{lock_};
    entry* const e = blocks_.find(block);
    if (e == nullptr) return;
    e->slice.forget(pages);
    for (page_span run = pages.next_run(0); !run.empty(); run = pages.next_run(run.end)) pages_.reset(e->pages, run);
  }
  /// A program prefers a place for a block, or none.
  void prefer(cpu_va block, placement::processor place) {
    exclusive_guard const guard{lock_};
    if (entry* const e = blocks_.find(block)) e->preferred = place;
  }

  /// Ends the pins that are due. The caller then unmaps their pages from each processor that reaches them from afar.
  void end_due(time_point now) {
    exclusive_guard const guard{lock_};
    end_due_locked(now);
  }
  /// \param who  the processor that asks. Its own slice holds no page back from it
  [[nodiscard]] state of(cpu_va block, placement::processor who, time_point now) {
    exclusive_guard const guard{lock_};
    entry const* const e = blocks_.find(block);
    if (e == nullptr) return {};
    if (mode_ == placement::thrash_mode::slice) {
      page_mask const held = e->slice.held(now);
      return {e->slice.holder() == who ? page_mask{} : held, held};
    }
    return {e->pages.thrashing(), e->pages.pinned()};
  }
  /// When a pin or a slice of a block ends; of a pin that is the earliest one of the address space.
  [[nodiscard]] time_point end_of(cpu_va block, time_point now) {
    exclusive_guard const guard{lock_};
    if (mode_ == placement::thrash_mode::slice) {
      entry const* const e = blocks_.find(block);
      return e == nullptr ? now : e->slice.end();
    }
    placement::pinned_page const* const next = pages_.next_pin();
    return next == nullptr ? now : next->deadline;
  }

 private:
  struct entry : detail::block_entry<entry> {
    using detail::block_entry<entry>::block_entry;

    placement::thrash_block pages{};
    placement::residency_slice slice{};
    placement::processor preferred = placement::nobody;
  };

  void end_due_locked(time_point now) SVM_REQUIRES(lock_) {
    while (placement::pinned_page* const pin = pages_.due_pin(now)) pages_.end_pin(*pin);
  }
  /// A processor that reaches the memory of a slice's holder uses the page from afar. Any other waits for the end of the slice.
  [[nodiscard]] advice ask_slice(entry const& e, question const& q, time_point now) const {
    if (e.slice.holder() == q.who || !e.slice.held(now).test(q.page)) return {};
    if (links_.accessible_from(e.slice.holder()).contains(q.who)) return {.elsewhere = true, .until = e.slice.end()};
    return {.waits = true, .until = e.slice.end()};
  }
  void note(cpu_va block, page_mask const& pages, placement::processor who, migration_cause why, bool is_revocation,
            time_point now) {
    if (pages.none()) return;
    exclusive_guard const guard{lock_};
    entry* const e = blocks_.find_or_make(block);
    if (e == nullptr) return;
    if (mode_ == placement::thrash_mode::slice) return e->slice.moved(pages, who, now);
    for (page_span run = pages.next_run(0); !run.empty(); run = pages.next_run(run.end))
      static_cast<void>(
          pages_.record(e->pages, {.pages = run, .who = who, .is_revocation = is_revocation, .cause = why}, now));
  }

  placement::topology const links_;
  placement::thrash_mode const mode_;
  typename P::lock::template mutex<lock_rank::history> lock_;
  detail::thrash_memory<typename P::allocator> memory_;
  placement::thrashing<detail::thrash_memory<typename P::allocator>> pages_ SVM_GUARDED_BY(lock_);
  detail::block_table<entry, typename P::allocator> blocks_ SVM_GUARDED_BY(lock_);
};

}  // namespace svm::inline v0

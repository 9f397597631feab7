// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include <svm/base/result.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/base/units.hpp>
#include <svm/concepts/lock.hpp>
#include <svm/mock/machine/explored.hpp>
#include <svm/mock/machine/failure.hpp>
#include <svm/mock/cpu/frame.hpp>
#include <svm/mock/cpu/free_frames.hpp>
#include <svm/mock/cpu/lazy_bytes.hpp>
#include <svm/mock/gpu/links.hpp>
#include <svm/mock/machine/owned.hpp>
#include <svm/mock/machine/plain_list.hpp>
#include <svm/mock/machine/report.hpp>
#include <svm/mock/machine/touched.hpp>

namespace svm::inline v0::mock {

/// All page frames of the machine: system memory first, then each GPU's.
///
/// `lock()` (leaf_page_table) guards everything in a frame but its bytes and its atomics. Frames never move. The bytes
/// of a dead frame that were written are garbage, so that a stale reader is caught.
template <lock Lock, std::size_t PageBytes = 4096>
class physical_memory {
 public:
  static constexpr byte_count page_size{PageBytes};
  /// Of the largest block: 2 MiB.
  static constexpr page_order max_order{
      static_cast<std::uint8_t>(std::countr_zero(huge_page_size.value / page_size.value))};
  using lock_type = typename Lock::template shared_mutex<lock_rank::leaf_page_table>;
  using frame_type = frame<Lock, PageBytes>;
  using site = mapping_site<Lock, PageBytes>;
  using page = mock::page;
  using freed_list = mock::freed_list;

  /// \param vram         the memory of each GPU
  /// \param joins_pages  system pages that are taken one after the other lie together
  physical_memory(byte_count ram, byte_count vram, failure_plan& failures, report& broken, unsigned gpus = 1,
                  bool joins_pages = true)
      : failures_(failures),
        report_(broken),
        links_(gpus),
        free_(block_frames, block_frames + frames_of(ram), joins_pages),
        first_device_frame_(round_up(block_frames + frames_of(ram))),
        gpu_frames_(vram.value == 0 ? block_frames : round_up(frames_of(vram))),
        live_(gpus),
        count_((first_device_frame_ + std::size_t{gpu_frames_} * gpus) >> group_shift),
        groups_(new group[count_]) {
    frame_type& zero = at(zero_frame);
    zero.kind = frame_kind::zero;
    zero.references = 1;
  }

  [[nodiscard]] lock_type& lock() SVM_RETURN_CAPABILITY(lock_) { return lock_; }
  /// Told when a page was unlocked, moved, or brought back; waited for under `lock()`.
  [[nodiscard]] typename Lock::event& changed() { return changed_; }
  [[nodiscard]] mock::links& links() { return links_; }

  /// The frame with a number, made when it is first asked for; under `lock()` for system memory, under the lock of the
  /// device's memory for the rest.
  [[nodiscard, gnu::noinline]] frame_type& at(std::uint32_t number) {
    group& g = groups_[number >> group_shift];
    if (!g.frames) {
      g.frames = owned_array<frame_type>{new frame_type[group_frames]};
      if (is_far(number)) g.bytes = lazy_bytes{group_frames * PageBytes};
    }
    std::uint32_t const i = number & (group_frames - 1);
    frame_type& f = g.frames[i];
    if (!f.content.is_made())
      g.bytes.get() != nullptr ? f.content.make(g.bytes.get() + i * PageBytes) : f.content.make();
    return f;
  }
  /// The frame of a page that somebody has seen alive.
  [[nodiscard]] frame_type& of(page p) { return groups_[p.frame >> group_shift].frames[p.frame & (group_frames - 1)]; }
  /// The head of the block that a page belongs to.
  [[nodiscard]] frame_type& head(page p) { return of({p.frame - of(p).tail, 0}); }
  /// The first page of that block.
  [[nodiscard]] page first_of(page p) { return handle(p.frame - of(p).tail); }
  [[nodiscard]] bool is_alive(page p) { return find_alive(p) != nullptr; }
  /// The frame of a page that is alive, or null. Inlined, since each access of a GPU asks.
  [[nodiscard, gnu::always_inline]] frame_type* find_alive(page p) {
    looks_at<Lock>("frame", p.frame);
    if (p.frame == 0) return nullptr;
    frame_type& f = of(p);
    return f.generation.load() == p.generation ? &f : nullptr;
  }
  /// \pre the frame was made
  [[nodiscard]] page handle(std::uint32_t number) { return {number, of({number, 0}).generation.load()}; }
  /// The page of a frame that a device names, or no page.
  [[nodiscard]] page peek(std::uint64_t number) {
    if (number == 0 || number >> group_shift >= count_ || !groups_[number >> group_shift].frames) return {};
    if (!of({static_cast<std::uint32_t>(number), 0}).content.is_made()) return {};
    return handle(static_cast<std::uint32_t>(number));
  }
  /// Gives frames that nobody has a live page of one generation, so that they can be a run.
  void even_out(std::span<std::uint32_t const> numbers) {
    std::uint32_t newest = 0;
    for (std::uint32_t const n : numbers) newest = newer(newest, at(n));
    for (std::uint32_t const n : numbers) at(n).generation.store(newest);
  }
  /// The page `n` places behind `first`.
  [[nodiscard]] page after(page first, std::uint64_t n) { return handle(frame_behind(first, n)); }
  [[nodiscard]] page zero_page() { return handle(zero_frame); }
  [[nodiscard]] static bool is_zero(page p) { return p.frame == zero_frame; }
  [[nodiscard]] bool is_device(page p) const { return p.frame >= first_device_frame_; }
  /// Whose memory a device page is.
  [[nodiscard]] unsigned gpu_of(page p) const { return (p.frame - first_device_frame_) / gpu_frames_; }
  [[nodiscard]] std::uint32_t first_device_frame(unsigned gpu = 0) const {
    return first_device_frame_ + gpu * gpu_frames_;
  }
  /// The step of this moment may write it, or only reads it.
  [[nodiscard]] page_content<PageBytes>& content(page p, bool may_write = true) { return content(of(p), p, may_write); }
  /// The same of a page whose frame is at hand.
  [[nodiscard]] page_content<PageBytes>& content(frame_type& f, page p, bool may_write) {
    if (may_write)
      changes<Lock>("bytes", p.frame);
    else
      looks_at<Lock>("bytes", p.frame);
    return f.content;
  }
  /// The same as bytes, all of which may be written.
  [[nodiscard]] std::byte* bytes(page p, bool may_write = true) {
    page_content<PageBytes>& all = content(p, may_write);
    return may_write ? all.writable() : all.bytes();
  }
  /// Makes a page zero that nobody else can reach.
  void clear(page p) { content(p).clear(); }
  /// Gives a page that nobody else can reach what another one holds.
  void copy(page to, page from) { content(to).copy(content(from)); }

  /// A block of system pages with one reference, unlocked; its bytes are zero or garbage.
  ///
  /// \errors no_ram: also when memory is free, but not so many frames together
  [[nodiscard]] result<page> allocate_ram(page_order order = {}) {
    if (failures_.strikes(failure::ram)) return errc::no_ram;
    return take(order);
  }
  /// As many system pages as a huge page has, in one block where that is possible; each block has one reference.
  ///
  /// \errors no_ram: nothing was taken
  [[nodiscard]] errc allocate_huge(plain_list<page>& out) {
    if (failures_.strikes(failure::ram)) return errc::no_ram;
    if (result<page> const whole = take(max_order)) {
      for (std::uint64_t i = 0; i < max_order.pages().value; ++i) out.push_back(after(*whole, i));
      return errc::ok;
    }
    while (out.size() < max_order.pages().value) {
      result<page> const p = take({});
      if (!p) {
        for (page const q : out) put(q);
        out.clear();
        return errc::no_ram;
      }
      out.push_back(*p);
    }
    return errc::ok;
  }

  // What page_migration asks for beside; under the lock, but for the first.

  static void tell(freed_list const& freed) { mock::tell(freed); }
  [[nodiscard]] bool is_locked(page p) SVM_REQUIRES_SHARED(lock_) { return head(p).locked; }
  void set_locked(page p, bool locked) SVM_REQUIRES(lock_) { head(p).locked = locked; }
  [[nodiscard]] page_order order_of(page p) { return head(p).order; }
  [[nodiscard]] page_owner owner_of(page p) { return of(p).owner; }
  [[nodiscard]] device_page_owner<page>* owner_object_of(page p) { return of(p).owner_object; }
  [[nodiscard]] std::size_t mappings_locked(page p) SVM_REQUIRES_SHARED(lock_) { return of(p).mappings.size(); }
  [[nodiscard]] bool is_mapped_locked(page p) SVM_REQUIRES_SHARED(lock_) { return head(p).mapped != 0; }
  [[nodiscard]] std::uint32_t others_locked(page p) SVM_REQUIRES_SHARED(lock_) {
    frame_type const& h = head(p);
    return h.references - h.mapped;
  }
  [[nodiscard]] bool is_faulting_locked(page p) SVM_REQUIRES_SHARED(lock_) { return head(p).faulting; }
  template <class Test>
  [[nodiscard]] bool any_mapping_locked(page p, Test&& test) SVM_REQUIRES_SHARED(lock_) {
    for (site const& where : of(p).mappings)
      if (test(where)) return true;
    return false;
  }
  /// Locks a block for a migration, which takes a reference; then gives both up.
  void hold_locked(page p) SVM_REQUIRES(lock_) {
    frame_type& h = head(p);
    h.locked = true;
    ++h.references;
  }
  void release_locked(page p, freed_list& freed) SVM_REQUIRES(lock_) {
    set_locked(p, false);
    put_locked(p, freed);
    trim_locked(p, freed);
  }
  template <class Restores>
  void move_mappings_locked(page from, page to, Restores&& restores, freed_list& freed) SVM_REQUIRES(lock_) {
    plain_list<site> const all = of(from).mappings;  // which the moves change
    for (site const& where : all) {
      if (!restores(where)) {
        report_.violation("O-11", "an entry of a page under migration names another one");
        continue;
      }
      if (from == to) continue;
      ++head(to).references;
      map_locked(to, where);
      unmap_locked(from, where, freed);
    }
  }

  /// Drops a reference on the block of a page; the last one frees it, and tells what stands behind.
  void put(page p) {
    freed_list freed;
    {
      exclusive_guard const guard{lock_};
      put_locked(p, freed);
    }
    tell(freed);
  }

  // Under the lock. What comes back in `freed` is told once the lock is dropped.

  void put_locked(page p, freed_list& freed) SVM_REQUIRES(lock_);
  /// An entry of a page table maps a page from now on; it takes over a reference that the caller has.
  void map_locked(page p, site where) SVM_REQUIRES(lock_) {
    of(p).mappings.push_back(where);
    ++head(p).mapped;
  }
  /// An entry of a page table maps a page no longer; its reference goes.
  void unmap_locked(page p, site where, freed_list& freed) SVM_REQUIRES(lock_) {
    if (of(p).mappings.remove(where))
      --head(p).mapped;
    else
      report_.violation("O-11", "an entry is dropped that the page does not know");
    put_locked(p, freed);
  }
  /// The page cache has a page from now on; it takes over a reference that the caller has.
  void cache_locked(page p) SVM_REQUIRES(lock_) { ++of(p).cached; }
  /// The page cache has a page no longer; its reference goes.
  void uncache_locked(page p, freed_list& freed) SVM_REQUIRES(lock_) {
    --of(p).cached;
    put_locked(p, freed);
  }
  /// An entry moved within or between page tables.
  void move_locked(page p, site from, site to) SVM_REQUIRES(lock_) {
    for (site& where : of(p).mappings)
      if (where == from) {
        where = to;
        return;
      }
  }
  /// Makes a block single pages: each has the references of its own entries, and one of each of the `holders`, all of
  /// whom mean every page; the lock holds for each. False, and nothing happened, when somebody else holds the block.
  [[gnu::cold]] bool split_locked(page p, std::uint32_t holders, freed_list& freed) SVM_REQUIRES(lock_);
  /// Splits a block of which some pages are mapped nowhere, so that these are freed; not while somebody works on it.
  void trim_locked(page p, freed_list& freed) SVM_REQUIRES(lock_);
  /// Makes one block of free device frames.
  void adopt_locked(page first, page_order order, device_page_owner<page>& owner, bool coherent) SVM_REQUIRES(lock_);

  /// Which frames may have other users or references than before.
  [[nodiscard]] touched& changed_frames() { return changed_frames_; }

  /// Loses the content of every device page of a GPU.
  void lose(unsigned gpu) {
    exclusive_guard const guard{lock_};
    for (std::uint32_t n = first_device_frame(gpu); n < first_device_frame(gpu + 1); ++n)
      if (page const p = peek(n); p.frame != 0 && of(p).kind == frame_kind::device) {
        of(p).lost = true;
        content(p).fill(garbage);
      }
  }

  /// True when a reset of its GPU lost what a page held.
  [[nodiscard]] bool is_lost(page p) {
    exclusive_guard const guard{lock_};
    return of(p).lost;
  }

  [[nodiscard]] byte_count ram_used() {
    exclusive_guard const guard{lock_};
    return page_size * ram_used_;
  }
  /// The number of device pages of a GPU that are alive.
  [[nodiscard]] std::uint64_t live_device_pages(unsigned gpu) {
    exclusive_guard const guard{lock_};
    return live_[gpu];
  }

  static constexpr int garbage = 0xdb;

 private:
  struct group {
    lazy_bytes bytes;  ///< of all its frames, or none
    owned_array<frame_type> frames;
  };

  static constexpr std::uint32_t block_frames = 512;
  static constexpr unsigned group_shift = 6;  // frames are made a group at a time: small machines are made often
  static constexpr std::uint32_t group_frames = 1u << group_shift;
  static constexpr std::uint32_t zero_frame = 1;  // 0 is no frame

  [[nodiscard]] static std::uint32_t newer(std::uint32_t generation, frame_type const& f) {
    std::uint32_t const other = f.generation.load();
    return other > generation ? other : generation;
  }
  [[nodiscard]] static std::uint32_t frames_of(byte_count size) {
    return static_cast<std::uint32_t>(pages_in(size, page_size).value);
  }
  [[nodiscard]] static std::uint32_t round_up(std::uint32_t frames) {
    return (frames + block_frames - 1) & ~(block_frames - 1);
  }
  /// True where only a large machine gets to. There the bytes of a group of frames lie together, away from the small
  /// objects of the machine. A walk over many of those needs them near each other.
  [[nodiscard]] bool is_far(std::uint32_t number) const {
    if (number < first_device_frame_) return number >= 2 * block_frames;
    return (number - first_device_frame_) % gpu_frames_ >= block_frames;
  }
  [[nodiscard]] result<page> take(page_order order);
  void free_block_locked(std::uint32_t number, freed_list& freed) SVM_REQUIRES(lock_);

  failure_plan& failures_;
  report& report_;
  mock::links links_;
  lock_type lock_;
  typename Lock::event changed_;
  free_frames free_;
  std::uint32_t const first_device_frame_;  // each kind begins a block of frames of its own
  std::uint32_t const gpu_frames_;
  plain_list<std::uint64_t> live_;  // device pages, by GPU
  std::size_t const count_;         // of groups
  owned_array<group> groups_;
  std::uint64_t ram_used_ = 0;
  touched changed_frames_;
};

}  // namespace svm::inline v0::mock

#include <svm/mock/cpu/impl/folio.hpp>

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/construct.hpp>
#include <svm/base/result.hpp>
#include <svm/base/units.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/objects.hpp>

#include <cstddef>

namespace svm::inline v0 {

/// Locks all reservations that a submission or a bind touches, without deadlock: on contention it lets go of
/// everything, waits for the one that was contended, and starts again.
///
/// It holds the reservations until `unlock_all` or its end. One thread uses it at a time.
/// \source struct drm_gpuvm_exec, drm_gpuvm_exec_lock*(), drm_gpuvm_prepare_*(), drm_gpuvm_sm_*_exec_lock()
template <class Types>
class gpuvm_exec {
 public:
  using resv = typename Types::reservation;
  using object = typename Types::object;
  using mapping = typename Types::mapping;
  using objects = gpuvm_objects<Types>;
  using extent = gpu_extent<Types>;

  explicit gpuvm_exec(typename Types::allocator& memory) : memory_(memory), held_(memory) {}
  gpuvm_exec(gpuvm_exec const&) = delete;
  gpuvm_exec& operator=(gpuvm_exec const&) = delete;
  ~gpuvm_exec() { unlock_all(); }

  /// How many reservations are held.
  [[nodiscard]] std::size_t size() const { return count_; }
  /// How often everything was let go because of contention.
  [[nodiscard]] std::size_t retries() const { return retries_; }

  /// Calls `collect(exec&) -> errc`, which calls `prepare` for whatever is to be locked, until no lock is contended.
  ///
  /// \errors what `collect` returned; nothing is held then
  template <class Collect>
  [[nodiscard]] errc lock(Collect&& collect) {
    for (;;) {
      errc e = errc::ok;
      if (contended_ != nullptr) e = lock_contended();
      if (e == errc::ok) e = collect(*this);
      if (e == errc::ok) return errc::ok;
      unlock_all();
      if (e != errc::would_block || contended_ == nullptr) {
        contended_ = nullptr;
        return e;
      }
      ++retries_;
    }
  }

  /// Locks one reservation, if it is not held yet, and makes room for `fences` fences on it. Only for `collect`.
  ///
  /// \errors would_block (contended: `lock` starts again), no_memory
  [[nodiscard]] errc prepare(resv& r, unsigned fences) {
    if (!has_room()) return errc::no_memory;
    errc const e = r.lock(ticket_);
    if (e == errc::would_block) contended_ = &r;
    if (e != errc::ok && e != errc::exists) return e;
    if (e == errc::ok) held_[count_++] = &r;
    return fences == 0 ? errc::ok : r.reserve_fences(fences);
  }

  /// Locks the reservation of a space, and those of all its external objects.
  ///
  /// It holds their bos meanwhile; one that ends just then waits for `gpuvm_objects::clean_up`.
  /// \param more  called as `collect` is, with more to lock
  template <class More>
  [[nodiscard]] errc lock_all(objects& of, unsigned fences, More&& more) {
    return lock([&](gpuvm_exec& self) {
      if (errc const e = self.prepare(of.local(), fences); e != errc::ok) return e;
      if (errc const e = self.prepare_external(of, fences); e != errc::ok) return e;
      return static_cast<errc>(more(self));
    });
  }
  [[nodiscard]] errc lock_all(objects& of, unsigned fences) {
    return lock_all(of, fences, [](gpuvm_exec&) { return errc::ok; });
  }
  /// Locks the reservations of the objects that are mapped in a range, and no others.
  ///
  /// \pre the driver's lock on the space, shared
  /// \errors empty_interval, interval_wraps, outside_window, and as for `prepare`
  [[nodiscard]] errc lock_range(objects& of, gpu_va start, byte_count size, unsigned fences) {
    if (errc const e = of.space().layout().check_window(start, size); e != errc::ok) return e;
    return lock([&](gpuvm_exec& self) {
      errc e = errc::ok;
      of.space().for_each_overlap({start, size}, [&](mapping& m) {
        if (e == errc::ok && m.object() != nullptr) e = self.prepare(m.object()->reservation(), fences);
      });
      return e;
    });
  }
  /// Locks the reservations of all objects that a map request touches: those it unmaps or cuts, and its own.
  ///
  /// Nothing changes here. So a list that is planned under the locks meets the same objects, and so do later requests
  /// inside the range.
  /// \pre the driver's lock on the space, shared
  /// \errors as for `gpuvm::sm_map`, and as for `prepare`
  [[nodiscard]] errc lock_map(objects& of, extent const& request, unsigned fences) {
    if (errc const e = of.space().check_request(request); e != errc::ok) return e;
    return lock([&](gpuvm_exec& self) {
      if (request.object != nullptr)
        if (errc const e = self.prepare(request.object->reservation(), fences); e != errc::ok) return e;
      return self.prepare_mapped(of, request.range(), fences);
    });
  }
  /// The same for an unmap request.
  [[nodiscard]] errc lock_unmap(objects& of, gpu_va start, byte_count size, unsigned fences) {
    if (errc const e = of.space().layout().check(start, size); e != errc::ok) return e;
    return lock([&](gpuvm_exec& self) { return self.prepare_mapped(of, {start, size}, fences); });
  }

  /// Adds a fence to everything that is held: with one usage to the reservation of the space, with the other to the
  /// rest.
  ///
  /// \pre room for it was made on each
  void add_fence(objects& of, typename resv::fence& fence, fence_usage local, fence_usage external) {
    for (std::size_t i = 0; i < count_; ++i) held_[i]->add_fence(fence, held_[i] == &of.local() ? local : external);
  }

  void unlock_all() {
    while (count_ > 0) held_[--count_]->unlock(ticket_);
  }

 private:
  [[nodiscard]] bool has_room() {
    if (count_ < held_.size()) return true;
    detail::scratch_array<resv*, typename Types::allocator> wider(memory_);
    if (!wider.reserve(count_ == 0 ? 16 : 2 * count_)) return false;
    for (std::size_t i = 0; i < count_; ++i) wider[i] = held_[i];
    held_.swap(wider);
    return true;
  }

  /// There is room for it: `prepare` made sure before it met the contention, and nothing is held any more.
  [[nodiscard]] errc lock_contended() {
    resv& r = *contended_;
    contended_ = nullptr;
    errc const e = r.lock_slow(ticket_);
    if (e == errc::ok) held_[count_++] = &r;
    return e;
  }

  [[nodiscard]] errc prepare_external(objects& of, unsigned fences) {
    detail::scratch_array<typename objects::bo*, typename Types::allocator> bos(memory_);
    errc e = of.collect_external(bos);
    for (typename objects::bo* const b : bos) {
      if (b == nullptr) break;
      if (e == errc::ok) e = prepare(b->backing().reservation(), fences);
      of.put_deferred(*b);  // the guard of the object's lists may not be ours
    }
    return e;
  }

  [[nodiscard]] errc prepare_mapped(objects& of, gpu_range range, unsigned fences) {
    errc e = errc::ok;
    of.space().for_each_overlap(range, [&](mapping& m) {
      if (e == errc::ok && m.object() != nullptr) e = prepare(m.object()->reservation(), fences);
    });
    return e;
  }

  typename Types::allocator& memory_;
  typename resv::ticket ticket_;
  detail::scratch_array<resv*, typename Types::allocator> held_;
  std::size_t count_ = 0;
  resv* contended_ = nullptr;
  std::size_t retries_ = 0;
};

}  // namespace svm::inline v0

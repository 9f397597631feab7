// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

#include <svm/config.hpp>
#include <svm/base/scope_guard.hpp>
#include <svm/gpusvm/impl/fetch_pages.hpp>
#include <svm/gpusvm/device_mapping.hpp>

namespace svm::inline v0 {

/// Memory of a process that a device maps by itself, without a gpusvm: what drivers call userptr.
///
/// Any page-aligned span; the buffer has a notifier of its own. An event over the span makes the device forget it and
/// ends its DMA mappings; the next `get_pages` makes them anew. Unlike a range, a buffer may cover several VMAs, and
/// outlives an unmap: pages that are not there any more are an error of `get_pages`.
///
/// Locks: `lock_` (range) for getting and dropping pages; `notifier_lock_` (notifier) as a notifier's. Any function may be
/// called from any thread.
/// \source struct drm_gpusvm_pages as xe_userptr.c uses it, with the "pages only" mode of drm_gpusvm_init()
template <svm_policies P>
class mapped_buffer final : public invalidation_target {
 public:
  /// \param env  the device, and the address space of the span; outlives the buffer
  mapped_buffer(svm_environment<P>& env, va_range span) : env_(env), span_(span), pages_(env) {}
  mapped_buffer(mapped_buffer const&) = delete;
  mapped_buffer& operator=(mapped_buffer const&) = delete;
  ~mapped_buffer() { close(); }

  [[nodiscard]] va_range interval() const { return span_; }
  [[nodiscard]] device_mapping<P> const& mapping() const { return pages_; }

  /// Starts watching the span; nothing else works before.
  ///
  /// \pre    no lock of the library held
  /// \errors misaligned, mm_gone, exists (opened already), registration_failed
  [[nodiscard]] errc open() {
    if (!span_.is_aligned(P::mm::page_size)) return errc::misaligned;
    mm_user const user{env_.mm};
    if (!user.alive()) return errc::mm_gone;
    exclusive_guard const guard{lock_};
    if (open_) return errc::exists;
    if (errc const e = env_.mm.register_notifier(registration_, span_, *this); e != errc::ok) return e;
    open_ = true;
    return errc::ok;
  }

  /// Makes the pages present and maps them for the device, or finds them so.
  ///
  /// \pre    no lock of rank range or later held
  /// \errors gone (not open), mm_gone, and those of fetch_pages
  [[nodiscard]] errc get_pages(page_options const& options) {
    mm_user const user{env_.mm};
    if (!user.alive()) return errc::mm_gone;
    exclusive_guard const guard{lock_};
    if (!open_) return errc::gone;
    device_mapping<P>* const only[] = {&pages_};
    return detail::fetch_pages<P>(detail::watched_span<P>{span_, registration_, notifier_lock_}, only, options,
                                  [] { return errc::ok; });
  }

  /// Points the device's page table at the pages.
  ///
  /// \errors gone, retry (an event came first: get the pages again); what `device::prepare` returns
  [[nodiscard]] errc bind() {
    exclusive_guard const guard{lock_};
    if (!open_) return errc::gone;
    if (errc const e = env_.device.prepare(span_); e != errc::ok) return e;
    settle_events(env_.mm);
    shared_guard const notifier_guard{notifier_lock_};
    if (!pages_.has(page_flag::valid)) return errc::retry;
    pages_.commit_locked(notifier_lock_, span_, mapping_access::read_write);
    return errc::ok;
  }

  /// Makes the device forget the span and ends the DMA mappings.
  void unmap_pages() {
    exclusive_guard const guard{lock_};
    shared_guard const notifier_guard{notifier_lock_};
    detail::drop_mapping(pages_, span_);
  }

  /// Unmaps, and stops watching; doing it twice does nothing.
  ///
  /// \pre no lock of the library held
  void close() {
    {
      exclusive_guard const guard{lock_};
      if (!open_) return;
      open_ = false;
      exclusive_guard const notifier_guard{notifier_lock_};
      detail::drop_mapping(pages_, span_);
    }
    env_.mm.unregister_notifier(registration_);
  }

  [[nodiscard]] invalidation_answer invalidate(invalidation const& event, std::uint64_t sequence) noexcept override {
    if (event.may_block) {
      notifier_lock_.lock();
    } else if (!notifier_lock_.try_lock()) {
      return invalidation_answer::refused;
    }
    env_.mm.set_sequence(registration_, sequence);
    env_.observer.record({event_kind::invalidated, event.span});
    detail::drop_mapping(pages_, span_);
    notifier_lock_.unlock();
    return invalidation_answer::done;
  }
  void finish_invalidation(invalidation const&) noexcept override {}

 private:
  svm_environment<P>& env_;
  va_range const span_;
  typename P::lock::template mutex<lock_rank::range> lock_;
  typename P::lock::template shared_mutex<lock_rank::notifier> notifier_lock_;
  bool open_ SVM_GUARDED_BY(lock_) = false;
  device_mapping<P> pages_;
  typename P::mm::registration registration_{};
};

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <new>
#include <type_traits>
#include <utility>

#include <svm/config.hpp>

namespace svm::inline v0 {

/// Why a call failed; one enumerator a cause, so that a caller need not guess. `errno_name` gives the kernel's word.
enum class errc : std::uint8_t {
  ok,
  // The caller's arguments.
  empty_interval,             ///< an interval of no bytes
  interval_wraps,             ///< an interval that passes 2^64
  spans_vmas,                 ///< a span that does not lie inside one VMA
  misaligned,                 ///< an address or size that is not a multiple of the page size
  outside_window,             ///< an address that the GPU SVM does not manage
  no_chunks,                  ///< a chunk table without an entry, or with more than the library keeps
  chunk_not_power_of_two,     ///< a chunk size that is no power of two
  chunks_not_descending,      ///< a chunk size not below the one before it
  last_chunk_not_page,        ///< a chunk table that does not end in the page size
  notifier_not_power_of_two,  ///< a notifier size that is no power of two
  notifier_below_chunk,       ///< a notifier size below the largest chunk
  // What is, or is not, at the address.
  no_vma,          ///< nothing is mapped there
  no_access,       ///< the CPU itself may not touch the memory
  read_only,       ///< a write to memory that may only be read
  not_migratable,  ///< memory of a kind that stays in system memory
  no_atomics,      ///< an atomic access to memory that cannot have one
  lost,            ///< a reset of the device lost the memory's content
  unmapped,        ///< the CPU unmapped part of the range; it waits for the garbage collector
  gone,            ///< the range was removed; only its references keep it
  stale,           ///< the range no longer fits the VMA around it
  not_found,       ///< no such object there
  exists,          ///< something is there already
  // Places.
  mixed_placement,       ///< pages lie in several places at once
  not_in_device_memory,  ///< device memory was demanded and the pages are in system memory
  // Races.
  busy,         ///< interfering events used up every try
  in_use,       ///< others have a page locked or pinned; it may move once they let go
  shared,       ///< a page that several address spaces share does not move: a write has to break that first
  retry,        ///< the CPU's mappings changed meanwhile; trying again may serve
  would_block,  ///< a lock that could not be had without waiting
  timed_out,    ///< the deadline passed
  interrupted,  ///< the caller cancelled the wait
  // Resources.
  no_memory,            ///< the allocator had no memory for a bookkeeping object
  no_ram,               ///< no system page was free
  no_device_memory,     ///< no device memory was free, or the allocation is larger than all of it
  quota_exceeded,       ///< a limit that the driver set
  registration_failed,  ///< the mm had no memory to register a notifier
  mm_gone,              ///< the address space has exited
  device_gone,          ///< the device was unplugged
  // Work that failed on the way.
  dma_map_failed,  ///< the IOMMU refused a mapping
  copy_failed,     ///< the copy engine reported an error
  unsupported,     ///< the driver lacks an operation that the call needs
  step_not_taken,  ///< a callback said ok, and neither took its step nor put it off
};

/// A cause in words, and the name of the errno value that the reference implementation returns for it.
struct errc_text {
  char const* errno_name;
  char const* cause;
};

/// What an error is called in C and what caused it, in a few words.
[[nodiscard]] constexpr errc_text describe(errc e) {
  switch (e) {
    case errc::ok:
      return {"OK", "success"};
    case errc::empty_interval:
      return {"EINVAL", "the interval is empty"};
    case errc::interval_wraps:
      return {"EINVAL", "the interval passes the top of the address space"};
    case errc::spans_vmas:
      return {"EINVAL", "the span does not lie inside one VMA"};
    case errc::misaligned:
      return {"EINVAL", "the address or size is not a multiple of the page size"};
    case errc::outside_window:
      return {"EINVAL", "the address is outside the window that the GPU SVM manages"};
    case errc::no_chunks:
      return {"EINVAL", "the chunk table is empty or too long"};
    case errc::chunk_not_power_of_two:
      return {"EINVAL", "a chunk size is not a power of two"};
    case errc::chunks_not_descending:
      return {"EINVAL", "the chunk sizes do not descend"};
    case errc::last_chunk_not_page:
      return {"EINVAL", "the last chunk size is not the page size"};
    case errc::notifier_not_power_of_two:
      return {"EINVAL", "the notifier size is not a power of two"};
    case errc::notifier_below_chunk:
      return {"EINVAL", "the notifier size is below the largest chunk"};
    case errc::no_vma:
      return {"ENOENT", "nothing is mapped at the address"};
    case errc::no_access:
      return {"EFAULT", "the CPU may not access the memory"};
    case errc::read_only:
      return {"EPERM", "the memory may only be read"};
    case errc::not_migratable:
      return {"EFAULT", "memory of this kind does not migrate"};
    case errc::no_atomics:
      return {"EACCES", "the memory allows no atomic access by the device"};
    case errc::lost:
      return {"EFAULT", "a reset of the device lost the content"};
    case errc::unmapped:
      return {"EFAULT", "the CPU unmapped part of the range"};
    case errc::gone:
      return {"EFAULT", "the range was removed"};
    case errc::stale:
      return {"EAGAIN", "the range no longer fits its VMA"};
    case errc::not_found:
      return {"ENOENT", "no such object"};
    case errc::exists:
      return {"EEXIST", "something is there already"};
    case errc::mixed_placement:
      return {"EOPNOTSUPP", "the pages lie in several places"};
    case errc::not_in_device_memory:
      return {"EFAULT", "the pages are not in device memory"};
    case errc::busy:
      return {"EBUSY", "interfering events used up every try"};
    case errc::in_use:
      return {"EBUSY", "others have a page locked or pinned"};
    case errc::shared:
      return {"EBUSY", "several address spaces share a page"};
    case errc::retry:
      return {"EAGAIN", "the mappings changed meanwhile"};
    case errc::would_block:
      return {"EAGAIN", "a lock could not be taken without waiting"};
    case errc::timed_out:
      return {"ETIME", "the deadline passed"};
    case errc::interrupted:
      return {"EINTR", "the caller cancelled the wait"};
    case errc::no_memory:
      return {"ENOMEM", "the allocator had no memory"};
    case errc::no_ram:
      return {"ENOMEM", "no system page was free"};
    case errc::no_device_memory:
      return {"ENOMEM", "no device memory was free"};
    case errc::quota_exceeded:
      return {"ENOMEM", "a limit of the driver is reached"};
    case errc::registration_failed:
      return {"ENOMEM", "the notifier could not be registered"};
    case errc::mm_gone:
      return {"EFAULT", "the address space has exited"};
    case errc::device_gone:
      return {"ENODEV", "the device was unplugged"};
    case errc::dma_map_failed:
      return {"EFAULT", "the IOMMU refused a mapping"};
    case errc::copy_failed:
      return {"EFAULT", "the copy engine reported an error"};
    case errc::unsupported:
      return {"EOPNOTSUPP", "the driver lacks the operation"};
    case errc::step_not_taken:
      return {"EINVAL", "a callback neither took its step nor put it off"};
  }
  return {"EINVAL", "unknown error"};
}

/// The name of C's errno for an error, such as `ENOMEM`.
[[nodiscard]] constexpr char const* errno_name(errc e) {
  return describe(e).errno_name;
}

/// A value, or the reason why there is none.
///
/// Holds either a `T` or an `errc` other than `ok`; moves like its `T`. `value()` of an error is a broken precondition.
template <class T>
class [[nodiscard]] result {
 public:
  /// \pre error != errc::ok
  constexpr result(errc error) : nothing_(0), error_(error) { SVM_ASSERT(error != errc::ok); }
  constexpr result(T value) : value_(std::move(value)), error_(errc::ok) {}

  constexpr result(result&& other) noexcept : nothing_(0), error_(other.error_) {
    if (error_ == errc::ok) ::new (&value_) T(std::move(other.value_));
  }
  constexpr result(result const& other) requires std::is_copy_constructible_v<T> : nothing_(0), error_(other.error_) {
    if (error_ == errc::ok) ::new (&value_) T(other.value_);
  }
  result& operator=(result const&) = delete;

  constexpr ~result() {
    if (error_ == errc::ok) value_.~T();
  }

  [[nodiscard]] constexpr bool has_value() const { return error_ == errc::ok; }
  constexpr explicit operator bool() const { return has_value(); }
  /// `errc::ok` when there is a value.
  [[nodiscard]] constexpr errc error() const { return error_; }

  [[nodiscard]] constexpr T& value() & {
    SVM_ASSERT(has_value());
    return value_;
  }
  [[nodiscard]] constexpr T const& value() const& {
    SVM_ASSERT(has_value());
    return value_;
  }
  [[nodiscard]] constexpr T value() && {
    SVM_ASSERT(has_value());
    return std::move(value_);
  }
  [[nodiscard]] constexpr T& operator*() & { return value(); }
  [[nodiscard]] constexpr T const& operator*() const& { return value(); }
  [[nodiscard]] constexpr T operator*() && { return std::move(*this).value(); }
  [[nodiscard]] constexpr T* operator->() { return &value(); }
  [[nodiscard]] constexpr T const* operator->() const { return &value(); }

 private:
  union {
    char nothing_;
    T value_;
  };
  errc error_;
};

}  // namespace svm::inline v0

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>

#include <svm/base/result.hpp>

namespace svm::inline v0::port {

/// The functions of models that a decorator sees: those of an mm, of a device, of a pagemap, in the order of the concepts.
enum class model_call : std::uint8_t {
  get_user,
  put_user,
  find_vma,
  find_first_vma,
  fault_in,
  snapshot,
  register_notifier,
  unregister_notifier,
  read_begin,
  read_retry,
  set_sequence,
  collect,
  collect_pages,
  install,
  finalize,
  allocate_page,
  adopt_device_page,
  discard_page,
  dma_map,
  dma_unmap,
  prepare,
  commit,
  invalidate,
  begin_invalidate,
  finish_invalidate,
  stop_queues,
  resume_queues,
  reserve_iova,
  link_iova,
  sync_iova,
  release_iova,
  sync_for_device,
  sync_for_system,
  allocate,
  pages,
  release,
  release_pages,
  copy_to_device,
  copy_to_system,
  wait_cleared,
  map,
  unmap,
};
/// How many there are.
inline constexpr std::size_t model_calls = 42;

/// The call's name, as the concept has it.
[[nodiscard]] constexpr char const* name(model_call c) {
  constexpr char const* names[model_calls] = {"get_user",
                                              "put_user",
                                              "find_vma",
                                              "find_first_vma",
                                              "fault_in",
                                              "snapshot",
                                              "register_notifier",
                                              "unregister_notifier",
                                              "read_begin",
                                              "read_retry",
                                              "set_sequence",
                                              "collect",
                                              "collect_pages",
                                              "install",
                                              "finalize",
                                              "allocate_page",
                                              "adopt_device_page",
                                              "discard_page",
                                              "dma_map",
                                              "dma_unmap",
                                              "prepare",
                                              "commit",
                                              "invalidate",
                                              "begin_invalidate",
                                              "finish_invalidate",
                                              "stop_queues",
                                              "resume_queues",
                                              "reserve_iova",
                                              "link_iova",
                                              "sync_iova",
                                              "release_iova",
                                              "sync_for_device",
                                              "sync_for_system",
                                              "allocate",
                                              "pages",
                                              "release",
                                              "release_pages",
                                              "copy_to_device",
                                              "copy_to_system",
                                              "wait_cleared",
                                              "map",
                                              "unmap"};
  return names[static_cast<std::uint8_t>(c)];
}

/// The error with which a call usually fails; ok for one that cannot fail, or has no error to say.
[[nodiscard]] constexpr errc usual_error(model_call c) {
  switch (c) {
    case model_call::find_vma:
    case model_call::find_first_vma:
      return errc::no_vma;
    case model_call::fault_in:
    case model_call::allocate_page:
      return errc::no_ram;
    case model_call::register_notifier:
      return errc::registration_failed;
    case model_call::collect:
      return errc::not_migratable;
    case model_call::prepare:
    case model_call::pages:
      return errc::no_memory;
    case model_call::dma_map:
    case model_call::reserve_iova:
    case model_call::link_iova:
    case model_call::sync_iova:
    case model_call::map:
      return errc::dma_map_failed;
    case model_call::allocate:
      return errc::no_device_memory;
    case model_call::copy_to_device:
    case model_call::copy_to_system:
    case model_call::wait_cleared:
      return errc::copy_failed;
    default:
      return errc::ok;
  }
}

}  // namespace svm::inline v0::port

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Types that miss exactly one requirement of a concept: a concept that nobody tries to violate stops checking one day.
//
// Each is an archetype, which is a model, with one thing changed. What is asserted of a constant of `agreed` is held of
// the concept and of its explanation.

#include <static/agreed.hpp>
#include <static/archetypes.hpp>

#include <svm/concepts/cancellation.hpp>
#include <svm/concepts/upcalls.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

using archetypes::page;

// -- the explanations have nothing to say of a model ---

namespace models {
using archetypes::device;
using archetypes::full_device;
using archetypes::full_pagemap;
using archetypes::pagemap;

static_assert(agreed::lock<archetypes::lock> && agreed::allocator<archetypes::allocator> &&
              agreed::time_source<archetypes::clock> && agreed::observer<archetypes::observer> &&
              agreed::mm<archetypes::mm>);
static_assert(agreed::device<device, page> && agreed::pagemap<pagemap, page, device>);
static_assert(agreed::two_pass_device<full_device> && agreed::queue_device<full_device> &&
              agreed::iova_device<full_device, page> && agreed::noncoherent_device<full_device> &&
              agreed::piecewise_pagemap<full_pagemap, page>);
static_assert(agreed::address_space<archetypes::mm> && agreed::interval_notifier<archetypes::mm> &&
              agreed::page_migration<archetypes::mm> && agreed::settling_mm<archetypes::full_mm> &&
              agreed::write_protecting_mm<archetypes::full_mm> && agreed::clearing_mm<archetypes::full_mm>);
static_assert(agreed::policies<archetypes::policies> && agreed::policies<archetypes::full_policies>);
}  // namespace models

// -- a member function is missing ---

namespace missing {
struct allocator_allocate : archetypes::allocator {
  std::byte* allocate(std::size_t, std::size_t) noexcept = delete;
};
static_assert(!agreed::allocator<allocator_allocate>);
struct allocator_deallocate : archetypes::allocator {
  void deallocate(std::byte*, std::size_t, std::size_t) noexcept = delete;
};
static_assert(!agreed::allocator<allocator_deallocate>);
struct clock_now : archetypes::clock {
  svm::time_point now() noexcept = delete;
};
static_assert(!agreed::time_source<clock_now>);
struct clock_wait_until : archetypes::clock {
  void wait_until(svm::time_point) noexcept = delete;
};
static_assert(!agreed::time_source<clock_wait_until>);
struct observer_record : archetypes::observer {
  void record(svm::event const&) noexcept = delete;
};
static_assert(!agreed::observer<observer_record>);
struct mm_page_at : archetypes::mm {
  static page page_at(page, std::uint64_t) noexcept = delete;
};
static_assert(!agreed::mm<mm_page_at>);
struct mm_get_user : archetypes::mm {
  bool get_user() noexcept = delete;
};
static_assert(!agreed::mm<mm_get_user>);
struct mm_put_user : archetypes::mm {
  void put_user() noexcept = delete;
};
static_assert(!agreed::mm<mm_put_user>);
struct mm_id : archetypes::mm {
  svm::space_id id() const noexcept = delete;
};
static_assert(!agreed::mm<mm_id>);
struct mm_find_vma : archetypes::mm {
  svm::result<svm::vma_info> find_vma(svm::cpu_va) noexcept = delete;
};
static_assert(!agreed::mm<mm_find_vma>);
struct mm_find_first_vma : archetypes::mm {
  svm::result<svm::vma_info> find_first_vma(svm::va_range) noexcept = delete;
};
static_assert(!agreed::mm<mm_find_first_vma>);
struct mm_fault_in : archetypes::mm {
  svm::errc fault_in(svm::walk_request<registration> const&, svm::run_sink<page>&) noexcept = delete;
};
static_assert(!agreed::mm<mm_fault_in>);
struct mm_snapshot : archetypes::mm {
  void snapshot(svm::va_range, svm::run_sink<page>&) noexcept = delete;
};
static_assert(!agreed::mm<mm_snapshot>);
struct mm_register_notifier : archetypes::mm {
  svm::errc register_notifier(registration&, svm::va_range, svm::invalidation_target&) noexcept = delete;
};
static_assert(!agreed::mm<mm_register_notifier>);
struct mm_unregister_notifier : archetypes::mm {
  void unregister_notifier(registration&) noexcept = delete;
};
static_assert(!agreed::mm<mm_unregister_notifier>);
struct mm_read_begin : archetypes::mm {
  std::uint64_t read_begin(registration&) noexcept = delete;
};
static_assert(!agreed::mm<mm_read_begin>);
struct mm_read_retry : archetypes::mm {
  bool read_retry(registration&, std::uint64_t) noexcept = delete;
};
static_assert(!agreed::mm<mm_read_retry>);
struct mm_set_sequence : archetypes::mm {
  void set_sequence(registration&, std::uint64_t) noexcept = delete;
};
static_assert(!agreed::mm<mm_set_sequence>);
struct mm_collect : archetypes::mm {
  svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept = delete;
};
static_assert(!agreed::mm<mm_collect>);
struct mm_collect_pages : archetypes::mm {
  void collect_pages(migration&, std::span<slot>, svm::page_scope const*, page) noexcept = delete;
};
static_assert(!agreed::mm<mm_collect_pages>);
struct mm_install : archetypes::mm {
  void install(migration&) noexcept = delete;
};
static_assert(!agreed::mm<mm_install>);
struct mm_finalize : archetypes::mm {
  void finalize(migration&) noexcept = delete;
};
static_assert(!agreed::mm<mm_finalize>);
struct mm_allocate_page : archetypes::mm {
  svm::result<page> allocate_page(svm::page_order) noexcept = delete;
};
static_assert(!agreed::mm<mm_allocate_page>);
struct mm_adopt_device_page : archetypes::mm {
  void adopt_device_page(page, svm::page_order, svm::device_page_owner<page>&, bool) noexcept = delete;
};
static_assert(!agreed::mm<mm_adopt_device_page>);
struct mm_discard_page : archetypes::mm {
  void discard_page(page) noexcept = delete;
};
static_assert(!agreed::mm<mm_discard_page>);
struct device_dma_map : archetypes::device {
  svm::result<svm::dma_addr> dma_map(page, svm::page_count, svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::device<device_dma_map, archetypes::page>);
struct device_dma_unmap : archetypes::device {
  void dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::device<device_dma_unmap, archetypes::page>);
struct device_prepare : archetypes::device {
  svm::errc prepare(svm::va_range) noexcept = delete;
};
static_assert(!agreed::device<device_prepare, archetypes::page>);
struct device_commit : archetypes::device {
  void commit(svm::va_range, blocks, svm::mapping_access) noexcept = delete;
};
static_assert(!agreed::device<device_commit, archetypes::page>);
struct device_invalidate : archetypes::device {
  void invalidate(svm::va_range) noexcept = delete;
};
static_assert(!agreed::device<device_invalidate, archetypes::page>);
struct pagemap_allocate : archetypes::pagemap {
  svm::result<memory> allocate(svm::byte_count) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_allocate, archetypes::page, archetypes::device>);
struct pagemap_pages : archetypes::pagemap {
  svm::errc pages(memory&, std::span<svm::device_page<page>>) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_pages, archetypes::page, archetypes::device>);
struct pagemap_release : archetypes::pagemap {
  void release(memory&) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_release, archetypes::page, archetypes::device>);
struct pagemap_copy_to_device : archetypes::pagemap {
  svm::errc copy_to_device(job) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_copy_to_device, archetypes::page, archetypes::device>);
struct pagemap_copy_to_system : archetypes::pagemap {
  svm::errc copy_to_system(job) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_copy_to_system, archetypes::page, archetypes::device>);
struct pagemap_map : archetypes::pagemap {
  svm::result<svm::device_address> map(archetypes::device&, page, svm::page_count,
                                       svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_map, archetypes::page, archetypes::device>);
struct pagemap_unmap : archetypes::pagemap {
  void unmap(archetypes::device&, svm::device_address const&) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_unmap, archetypes::page, archetypes::device>);
struct pagemap_owner : archetypes::pagemap {
  svm::page_owner owner() noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_owner, archetypes::page, archetypes::device>);
struct pagemap_capacity : archetypes::pagemap {
  svm::byte_count capacity() noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_capacity, archetypes::page, archetypes::device>);
struct pagemap_available : archetypes::pagemap {
  svm::byte_count available() noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_available, archetypes::page, archetypes::device>);
struct pagemap_wait_cleared : archetypes::pagemap {
  svm::errc wait_cleared(memory&) noexcept = delete;
};
static_assert(!agreed::pagemap<pagemap_wait_cleared, archetypes::page, archetypes::device>);
struct pagemap_release_pages : archetypes::full_pagemap {
  void release_pages(memory&, page, svm::page_order) noexcept = delete;
};
static_assert(!agreed::piecewise_pagemap<pagemap_release_pages, archetypes::page>);
struct device_begin_invalidate : archetypes::full_device {
  void begin_invalidate(svm::va_range) noexcept = delete;
};
static_assert(!agreed::two_pass_device<device_begin_invalidate>);
struct device_finish_invalidate : archetypes::full_device {
  void finish_invalidate(svm::va_range) noexcept = delete;
};
static_assert(!agreed::two_pass_device<device_finish_invalidate>);
struct device_reserve_iova : archetypes::full_device {
  svm::result<svm::dma_addr> reserve_iova(svm::byte_count) noexcept = delete;
};
static_assert(!agreed::iova_device<device_reserve_iova, archetypes::page>);
struct device_link_iova : archetypes::full_device {
  svm::errc link_iova(svm::dma_addr, svm::byte_count, page, svm::page_count, svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::iova_device<device_link_iova, archetypes::page>);
struct device_sync_iova : archetypes::full_device {
  svm::errc sync_iova(svm::dma_addr, svm::byte_count) noexcept = delete;
};
static_assert(!agreed::iova_device<device_sync_iova, archetypes::page>);
struct device_release_iova : archetypes::full_device {
  void release_iova(svm::dma_addr, svm::byte_count, svm::byte_count, svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::iova_device<device_release_iova, archetypes::page>);
struct device_sync_for_device : archetypes::full_device {
  void sync_for_device(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::noncoherent_device<device_sync_for_device>);
struct device_sync_for_system : archetypes::full_device {
  void sync_for_system(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept = delete;
};
static_assert(!agreed::noncoherent_device<device_sync_for_system>);
struct mm_write_protect : archetypes::full_mm {
  void write_protect(svm::va_range, std::span<page>) noexcept = delete;
};
static_assert(!agreed::write_protecting_mm<mm_write_protect>);
struct mm_clear_page : archetypes::full_mm {
  void clear_page(page, svm::page_order) noexcept = delete;
};
static_assert(!agreed::clearing_mm<mm_clear_page>);
struct mm_put_pages : archetypes::full_mm {
  void put_pages(std::span<page const>) noexcept = delete;
};
static_assert(!agreed::write_protecting_mm<mm_put_pages>);
struct device_stop_queues : archetypes::full_device {
  void stop_queues() noexcept = delete;
};
static_assert(!agreed::queue_device<device_stop_queues>);
struct device_resume_queues : archetypes::full_device {
  void resume_queues() noexcept = delete;
};
static_assert(!agreed::queue_device<device_resume_queues>);
}  // namespace missing

// -- it may throw ---

namespace throwing {
struct allocator_allocate : archetypes::allocator {
  std::byte* allocate(std::size_t, std::size_t);
};
static_assert(!agreed::allocator<allocator_allocate>);
struct allocator_deallocate : archetypes::allocator {
  void deallocate(std::byte*, std::size_t, std::size_t);
};
static_assert(!agreed::allocator<allocator_deallocate>);
struct clock_now : archetypes::clock {
  svm::time_point now();
};
static_assert(!agreed::time_source<clock_now>);
struct clock_wait_until : archetypes::clock {
  void wait_until(svm::time_point);
};
static_assert(!agreed::time_source<clock_wait_until>);
struct observer_record : archetypes::observer {
  void record(svm::event const&);
};
static_assert(!agreed::observer<observer_record>);
struct mm_settle : archetypes::mm {
  void settle();
};
static_assert(!agreed::settling_mm<mm_settle>);
struct mm_page_at : archetypes::mm {
  static page page_at(page, std::uint64_t);
};
static_assert(!agreed::mm<mm_page_at>);
struct mm_get_user : archetypes::mm {
  bool get_user();
};
static_assert(!agreed::mm<mm_get_user>);
struct mm_put_user : archetypes::mm {
  void put_user();
};
static_assert(!agreed::mm<mm_put_user>);
struct mm_id : archetypes::mm {
  svm::space_id id() const;
};
static_assert(!agreed::mm<mm_id>);
struct mm_find_vma : archetypes::mm {
  svm::result<svm::vma_info> find_vma(svm::cpu_va);
};
static_assert(!agreed::mm<mm_find_vma>);
struct mm_find_first_vma : archetypes::mm {
  svm::result<svm::vma_info> find_first_vma(svm::va_range);
};
static_assert(!agreed::mm<mm_find_first_vma>);
struct mm_fault_in : archetypes::mm {
  svm::errc fault_in(svm::walk_request<registration> const&, svm::run_sink<page>&);
};
static_assert(!agreed::mm<mm_fault_in>);
struct mm_snapshot : archetypes::mm {
  void snapshot(svm::va_range, svm::run_sink<page>&);
};
static_assert(!agreed::mm<mm_snapshot>);
struct mm_register_notifier : archetypes::mm {
  svm::errc register_notifier(registration&, svm::va_range, svm::invalidation_target&);
};
static_assert(!agreed::mm<mm_register_notifier>);
struct mm_unregister_notifier : archetypes::mm {
  void unregister_notifier(registration&);
};
static_assert(!agreed::mm<mm_unregister_notifier>);
struct mm_read_begin : archetypes::mm {
  std::uint64_t read_begin(registration&);
};
static_assert(!agreed::mm<mm_read_begin>);
struct mm_read_retry : archetypes::mm {
  bool read_retry(registration&, std::uint64_t);
};
static_assert(!agreed::mm<mm_read_retry>);
struct mm_set_sequence : archetypes::mm {
  void set_sequence(registration&, std::uint64_t);
};
static_assert(!agreed::mm<mm_set_sequence>);
struct mm_collect : archetypes::mm {
  svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner);
};
static_assert(!agreed::mm<mm_collect>);
struct mm_collect_pages : archetypes::mm {
  void collect_pages(migration&, std::span<slot>, svm::page_scope const*, page);
};
static_assert(!agreed::mm<mm_collect_pages>);
struct mm_install : archetypes::mm {
  void install(migration&);
};
static_assert(!agreed::mm<mm_install>);
struct mm_finalize : archetypes::mm {
  void finalize(migration&);
};
static_assert(!agreed::mm<mm_finalize>);
struct mm_allocate_page : archetypes::mm {
  svm::result<page> allocate_page(svm::page_order);
};
static_assert(!agreed::mm<mm_allocate_page>);
struct mm_adopt_device_page : archetypes::mm {
  void adopt_device_page(page, svm::page_order, svm::device_page_owner<page>&, bool);
};
static_assert(!agreed::mm<mm_adopt_device_page>);
struct mm_discard_page : archetypes::mm {
  void discard_page(page);
};
static_assert(!agreed::mm<mm_discard_page>);
struct device_dma_map : archetypes::device {
  svm::result<svm::dma_addr> dma_map(page, svm::page_count, svm::dma_direction);
};
static_assert(!agreed::device<device_dma_map, archetypes::page>);
struct device_dma_unmap : archetypes::device {
  void dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction);
};
static_assert(!agreed::device<device_dma_unmap, archetypes::page>);
struct device_prepare : archetypes::device {
  svm::errc prepare(svm::va_range);
};
static_assert(!agreed::device<device_prepare, archetypes::page>);
struct device_commit : archetypes::device {
  void commit(svm::va_range, blocks, svm::mapping_access);
};
static_assert(!agreed::device<device_commit, archetypes::page>);
struct device_invalidate : archetypes::device {
  void invalidate(svm::va_range);
};
static_assert(!agreed::device<device_invalidate, archetypes::page>);
struct pagemap_allocate : archetypes::pagemap {
  svm::result<memory> allocate(svm::byte_count);
};
static_assert(!agreed::pagemap<pagemap_allocate, archetypes::page, archetypes::device>);
struct pagemap_pages : archetypes::pagemap {
  svm::errc pages(memory&, std::span<svm::device_page<page>>);
};
static_assert(!agreed::pagemap<pagemap_pages, archetypes::page, archetypes::device>);
struct pagemap_release : archetypes::pagemap {
  void release(memory&);
};
static_assert(!agreed::pagemap<pagemap_release, archetypes::page, archetypes::device>);
struct pagemap_copy_to_device : archetypes::pagemap {
  svm::errc copy_to_device(job);
};
static_assert(!agreed::pagemap<pagemap_copy_to_device, archetypes::page, archetypes::device>);
struct pagemap_copy_to_system : archetypes::pagemap {
  svm::errc copy_to_system(job);
};
static_assert(!agreed::pagemap<pagemap_copy_to_system, archetypes::page, archetypes::device>);
struct pagemap_map : archetypes::pagemap {
  svm::result<svm::device_address> map(archetypes::device&, page, svm::page_count, svm::dma_direction);
};
static_assert(!agreed::pagemap<pagemap_map, archetypes::page, archetypes::device>);
struct pagemap_unmap : archetypes::pagemap {
  void unmap(archetypes::device&, svm::device_address const&);
};
static_assert(!agreed::pagemap<pagemap_unmap, archetypes::page, archetypes::device>);
struct pagemap_owner : archetypes::pagemap {
  svm::page_owner owner();
};
static_assert(!agreed::pagemap<pagemap_owner, archetypes::page, archetypes::device>);
struct pagemap_capacity : archetypes::pagemap {
  svm::byte_count capacity();
};
static_assert(!agreed::pagemap<pagemap_capacity, archetypes::page, archetypes::device>);
struct pagemap_available : archetypes::pagemap {
  svm::byte_count available();
};
static_assert(!agreed::pagemap<pagemap_available, archetypes::page, archetypes::device>);
struct pagemap_wait_cleared : archetypes::pagemap {
  svm::errc wait_cleared(memory&);
};
static_assert(!agreed::pagemap<pagemap_wait_cleared, archetypes::page, archetypes::device>);
struct pagemap_release_pages : archetypes::full_pagemap {
  void release_pages(memory&, page, svm::page_order);
};
static_assert(!agreed::piecewise_pagemap<pagemap_release_pages, archetypes::page>);
struct device_begin_invalidate : archetypes::full_device {
  void begin_invalidate(svm::va_range);
};
static_assert(!agreed::two_pass_device<device_begin_invalidate>);
struct device_finish_invalidate : archetypes::full_device {
  void finish_invalidate(svm::va_range);
};
static_assert(!agreed::two_pass_device<device_finish_invalidate>);
struct device_reserve_iova : archetypes::full_device {
  svm::result<svm::dma_addr> reserve_iova(svm::byte_count);
};
static_assert(!agreed::iova_device<device_reserve_iova, archetypes::page>);
struct device_link_iova : archetypes::full_device {
  svm::errc link_iova(svm::dma_addr, svm::byte_count, page, svm::page_count, svm::dma_direction);
};
static_assert(!agreed::iova_device<device_link_iova, archetypes::page>);
struct device_sync_iova : archetypes::full_device {
  svm::errc sync_iova(svm::dma_addr, svm::byte_count);
};
static_assert(!agreed::iova_device<device_sync_iova, archetypes::page>);
struct device_release_iova : archetypes::full_device {
  void release_iova(svm::dma_addr, svm::byte_count, svm::byte_count, svm::dma_direction);
};
static_assert(!agreed::iova_device<device_release_iova, archetypes::page>);
struct device_sync_for_device : archetypes::full_device {
  void sync_for_device(svm::dma_addr, svm::page_count, svm::dma_direction);
};
static_assert(!agreed::noncoherent_device<device_sync_for_device>);
struct device_sync_for_system : archetypes::full_device {
  void sync_for_system(svm::dma_addr, svm::page_count, svm::dma_direction);
};
static_assert(!agreed::noncoherent_device<device_sync_for_system>);
struct mm_write_protect : archetypes::full_mm {
  void write_protect(svm::va_range, std::span<page>);
};
static_assert(!agreed::write_protecting_mm<mm_write_protect>);
struct mm_clear_page : archetypes::full_mm {
  void clear_page(page, svm::page_order);
};
static_assert(!agreed::clearing_mm<mm_clear_page>);
struct mm_put_pages : archetypes::full_mm {
  void put_pages(std::span<page const>);
};
static_assert(!agreed::write_protecting_mm<mm_put_pages>);
struct device_stop_queues : archetypes::full_device {
  void stop_queues();
};
static_assert(!agreed::queue_device<device_stop_queues>);
struct device_resume_queues : archetypes::full_device {
  void resume_queues();
};
static_assert(!agreed::queue_device<device_resume_queues>);
}  // namespace throwing

// -- it returns something else, convertible or not ---

namespace mistyped {
struct allocator_allocate : archetypes::allocator {
  void* allocate(std::size_t, std::size_t) noexcept;
};
static_assert(!agreed::allocator<allocator_allocate>);
struct allocator_deallocate : archetypes::allocator {
  int deallocate(std::byte*, std::size_t, std::size_t) noexcept;
};
static_assert(!agreed::allocator<allocator_deallocate>);
struct clock_now : archetypes::clock {
  std::uint8_t now() noexcept;
};
static_assert(!agreed::time_source<clock_now>);
struct clock_wait_until : archetypes::clock {
  int wait_until(svm::time_point) noexcept;
};
static_assert(!agreed::time_source<clock_wait_until>);
struct observer_record : archetypes::observer {
  int record(svm::event const&) noexcept;
};
static_assert(!agreed::observer<observer_record>);
struct mm_page_at : archetypes::mm {
  static std::uint64_t page_at(page, std::uint64_t) noexcept;
};
static_assert(!agreed::mm<mm_page_at>);
struct mm_get_user : archetypes::mm {
  int get_user() noexcept;
};
static_assert(!agreed::mm<mm_get_user>);
struct mm_put_user : archetypes::mm {
  int put_user() noexcept;
};
static_assert(!agreed::mm<mm_put_user>);
struct mm_id : archetypes::mm {
  std::uint64_t id() const noexcept;
};
static_assert(!agreed::mm<mm_id>);
struct mm_find_vma : archetypes::mm {
  void find_vma(svm::cpu_va) noexcept;
};
static_assert(!agreed::mm<mm_find_vma>);
struct mm_find_first_vma : archetypes::mm {
  void find_first_vma(svm::va_range) noexcept;
};
static_assert(!agreed::mm<mm_find_first_vma>);
struct mm_fault_in : archetypes::mm {
  std::uint8_t fault_in(svm::walk_request<registration> const&, svm::run_sink<page>&) noexcept;
};
static_assert(!agreed::mm<mm_fault_in>);
struct mm_snapshot : archetypes::mm {
  int snapshot(svm::va_range, svm::run_sink<page>&) noexcept;
};
static_assert(!agreed::mm<mm_snapshot>);
struct mm_register_notifier : archetypes::mm {
  std::uint8_t register_notifier(registration&, svm::va_range, svm::invalidation_target&) noexcept;
};
static_assert(!agreed::mm<mm_register_notifier>);
struct mm_unregister_notifier : archetypes::mm {
  int unregister_notifier(registration&) noexcept;
};
static_assert(!agreed::mm<mm_unregister_notifier>);
struct mm_read_begin : archetypes::mm {
  std::uint32_t read_begin(registration&) noexcept;
};
static_assert(!agreed::mm<mm_read_begin>);
struct mm_read_retry : archetypes::mm {
  int read_retry(registration&, std::uint64_t) noexcept;
};
static_assert(!agreed::mm<mm_read_retry>);
struct mm_set_sequence : archetypes::mm {
  int set_sequence(registration&, std::uint64_t) noexcept;
};
static_assert(!agreed::mm<mm_set_sequence>);
struct mm_collect : archetypes::mm {
  std::uint8_t collect(migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept;
};
static_assert(!agreed::mm<mm_collect>);
struct mm_collect_pages : archetypes::mm {
  int collect_pages(migration&, std::span<slot>, svm::page_scope const*, page) noexcept;
};
static_assert(!agreed::mm<mm_collect_pages>);
struct mm_install : archetypes::mm {
  int install(migration&) noexcept;
};
static_assert(!agreed::mm<mm_install>);
struct mm_finalize : archetypes::mm {
  int finalize(migration&) noexcept;
};
static_assert(!agreed::mm<mm_finalize>);
struct mm_allocate_page : archetypes::mm {
  void allocate_page(svm::page_order) noexcept;
};
static_assert(!agreed::mm<mm_allocate_page>);
struct mm_adopt_device_page : archetypes::mm {
  int adopt_device_page(page, svm::page_order, svm::device_page_owner<page>&, bool) noexcept;
};
static_assert(!agreed::mm<mm_adopt_device_page>);
struct mm_discard_page : archetypes::mm {
  int discard_page(page) noexcept;
};
static_assert(!agreed::mm<mm_discard_page>);
struct device_dma_map : archetypes::device {
  void dma_map(page, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::device<device_dma_map, archetypes::page>);
struct device_dma_unmap : archetypes::device {
  int dma_unmap(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::device<device_dma_unmap, archetypes::page>);
struct device_prepare : archetypes::device {
  std::uint8_t prepare(svm::va_range) noexcept;
};
static_assert(!agreed::device<device_prepare, archetypes::page>);
struct device_commit : archetypes::device {
  int commit(svm::va_range, blocks, svm::mapping_access) noexcept;
};
static_assert(!agreed::device<device_commit, archetypes::page>);
struct device_invalidate : archetypes::device {
  int invalidate(svm::va_range) noexcept;
};
static_assert(!agreed::device<device_invalidate, archetypes::page>);
struct pagemap_allocate : archetypes::pagemap {
  void allocate(svm::byte_count) noexcept;
};
static_assert(!agreed::pagemap<pagemap_allocate, archetypes::page, archetypes::device>);
struct pagemap_pages : archetypes::pagemap {
  std::uint8_t pages(memory&, std::span<svm::device_page<page>>) noexcept;
};
static_assert(!agreed::pagemap<pagemap_pages, archetypes::page, archetypes::device>);
struct pagemap_release : archetypes::pagemap {
  int release(memory&) noexcept;
};
static_assert(!agreed::pagemap<pagemap_release, archetypes::page, archetypes::device>);
struct pagemap_copy_to_device : archetypes::pagemap {
  std::uint8_t copy_to_device(job) noexcept;
};
static_assert(!agreed::pagemap<pagemap_copy_to_device, archetypes::page, archetypes::device>);
struct pagemap_copy_to_system : archetypes::pagemap {
  std::uint8_t copy_to_system(job) noexcept;
};
static_assert(!agreed::pagemap<pagemap_copy_to_system, archetypes::page, archetypes::device>);
struct pagemap_map : archetypes::pagemap {
  void map(archetypes::device&, page, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::pagemap<pagemap_map, archetypes::page, archetypes::device>);
struct pagemap_unmap : archetypes::pagemap {
  int unmap(archetypes::device&, svm::device_address const&) noexcept;
};
static_assert(!agreed::pagemap<pagemap_unmap, archetypes::page, archetypes::device>);
struct pagemap_owner : archetypes::pagemap {
  std::uint8_t owner() noexcept;
};
static_assert(!agreed::pagemap<pagemap_owner, archetypes::page, archetypes::device>);
struct pagemap_capacity : archetypes::pagemap {
  std::uint8_t capacity() noexcept;
};
static_assert(!agreed::pagemap<pagemap_capacity, archetypes::page, archetypes::device>);
struct pagemap_available : archetypes::pagemap {
  std::uint8_t available() noexcept;
};
static_assert(!agreed::pagemap<pagemap_available, archetypes::page, archetypes::device>);
struct pagemap_wait_cleared : archetypes::pagemap {
  std::uint8_t wait_cleared(memory&) noexcept;
};
static_assert(!agreed::pagemap<pagemap_wait_cleared, archetypes::page, archetypes::device>);
struct pagemap_release_pages : archetypes::full_pagemap {
  int release_pages(memory&, page, svm::page_order) noexcept;
};
static_assert(!agreed::piecewise_pagemap<pagemap_release_pages, archetypes::page>);
struct device_begin_invalidate : archetypes::full_device {
  int begin_invalidate(svm::va_range) noexcept;
};
static_assert(!agreed::two_pass_device<device_begin_invalidate>);
struct device_finish_invalidate : archetypes::full_device {
  int finish_invalidate(svm::va_range) noexcept;
};
static_assert(!agreed::two_pass_device<device_finish_invalidate>);
struct device_reserve_iova : archetypes::full_device {
  void reserve_iova(svm::byte_count) noexcept;
};
static_assert(!agreed::iova_device<device_reserve_iova, archetypes::page>);
struct device_link_iova : archetypes::full_device {
  std::uint8_t link_iova(svm::dma_addr, svm::byte_count, page, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::iova_device<device_link_iova, archetypes::page>);
struct device_sync_iova : archetypes::full_device {
  std::uint8_t sync_iova(svm::dma_addr, svm::byte_count) noexcept;
};
static_assert(!agreed::iova_device<device_sync_iova, archetypes::page>);
struct device_release_iova : archetypes::full_device {
  int release_iova(svm::dma_addr, svm::byte_count, svm::byte_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::iova_device<device_release_iova, archetypes::page>);
struct device_sync_for_device : archetypes::full_device {
  int sync_for_device(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::noncoherent_device<device_sync_for_device>);
struct device_sync_for_system : archetypes::full_device {
  int sync_for_system(svm::dma_addr, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::noncoherent_device<device_sync_for_system>);
struct mm_write_protect : archetypes::full_mm {
  svm::errc write_protect(svm::va_range, std::span<page>) noexcept;
};
static_assert(!agreed::write_protecting_mm<mm_write_protect>);
struct mm_clear_page : archetypes::full_mm {
  svm::errc clear_page(page, svm::page_order) noexcept;
};
static_assert(!agreed::clearing_mm<mm_clear_page>);
struct mm_put_pages : archetypes::full_mm {
  svm::errc put_pages(std::span<page const>) noexcept;
};
static_assert(!agreed::write_protecting_mm<mm_put_pages>);
struct device_stop_queues : archetypes::full_device {
  int stop_queues() noexcept;
};
static_assert(!agreed::queue_device<device_stop_queues>);
struct device_resume_queues : archetypes::full_device {
  int resume_queues() noexcept;
};
static_assert(!agreed::queue_device<device_resume_queues>);
}  // namespace mistyped

// -- a type is missing, or nobody else sees it ---

namespace typeless {
struct mm_page : archetypes::mm {
 private:
  using page = archetypes::mm::page;
};
static_assert(!agreed::mm<mm_page>);
struct mm_registration : archetypes::mm {
 private:
  using registration = archetypes::mm::registration;
};
static_assert(!agreed::mm<mm_registration>);
struct mm_migration : archetypes::mm {
 private:
  using migration = archetypes::mm::migration;
};
static_assert(!agreed::mm<mm_migration>);
struct pagemap_memory : archetypes::pagemap {
 private:
  using memory = archetypes::pagemap::memory;
};
static_assert(!agreed::pagemap<pagemap_memory, page, archetypes::device>);
struct lock_mutex {
  template <svm::lock_rank R>
  using shared_mutex = archetypes::lock::shared_mutex<R>;
  using event = archetypes::lock::event;
  template <class T>
  using atomic = archetypes::lock::atomic<T>;
};
static_assert(!agreed::lock<lock_mutex>);
struct lock_shared_mutex {
  template <svm::lock_rank R>
  using mutex = archetypes::lock::mutex<R>;
  using event = archetypes::lock::event;
  template <class T>
  using atomic = archetypes::lock::atomic<T>;
};
static_assert(!agreed::lock<lock_shared_mutex>);
struct lock_event {
  template <svm::lock_rank R>
  using mutex = archetypes::lock::mutex<R>;
  template <svm::lock_rank R>
  using shared_mutex = archetypes::lock::shared_mutex<R>;
  template <class T>
  using atomic = archetypes::lock::atomic<T>;
};
static_assert(!agreed::lock<lock_event>);
struct lock_atomic {
  template <svm::lock_rank R>
  using mutex = archetypes::lock::mutex<R>;
  template <svm::lock_rank R>
  using shared_mutex = archetypes::lock::shared_mutex<R>;
  using event = archetypes::lock::event;
};
static_assert(!agreed::lock<lock_atomic>);
struct policies_mm : archetypes::policies {
 private:
  using mm = archetypes::mm;
};
static_assert(!agreed::policies<policies_mm>);
struct policies_device : archetypes::policies {
 private:
  using device = archetypes::device;
};
static_assert(!agreed::policies<policies_device>);
struct policies_pagemap : archetypes::policies {
 private:
  using pagemap = archetypes::pagemap;
};
static_assert(agreed::policies<policies_pagemap>);  // of a GPU without memory of its own
static_assert(!agreed::migrating_policies<policies_pagemap>);
struct policies_lock : archetypes::policies {
 private:
  using lock = archetypes::lock;
};
static_assert(!agreed::policies<policies_lock>);
struct policies_clock : archetypes::policies {
 private:
  using clock = archetypes::clock;
};
static_assert(!agreed::policies<policies_clock>);
struct policies_allocator : archetypes::policies {
 private:
  using allocator = archetypes::allocator;
};
static_assert(!agreed::policies<policies_allocator>);
struct policies_observer : archetypes::policies {
 private:
  using observer = archetypes::observer;
};
static_assert(!agreed::policies<policies_observer>);
struct policies_range_data : archetypes::policies {
 private:
  using range_data = archetypes::range_data;
};
static_assert(!agreed::policies<policies_range_data>);
struct policies_notifier_data : archetypes::policies {
 private:
  using notifier_data = archetypes::notifier_data;
};
static_assert(!agreed::policies<policies_notifier_data>);
}  // namespace typeless

// -- what else an mm has: types, the page size, the map lock ---

namespace mm_parts {
/// A page that misses one operation of a plain value.
struct page_without_default {
  explicit page_without_default(int);
  friend bool operator==(page_without_default const&, page_without_default const&);
};
struct page_without_comparison {};
struct page_without_copy {
  page_without_copy();
  page_without_copy(page_without_copy const&) = delete;
  page_without_copy& operator=(page_without_copy const&) = delete;
  friend bool operator==(page_without_copy const&, page_without_copy const&);
};
static_assert(!std::regular<page_without_default> && !std::regular<page_without_comparison> &&
              !std::regular<page_without_copy>);

/// An mm with this page in all its functions.
template <class Page>
struct with_page : archetypes::mm {
  using page = Page;
  using slot = svm::migration_slot<Page>;
  static Page page_at(Page const&, std::uint64_t) noexcept;
  svm::errc fault_in(svm::walk_request<registration> const&, svm::run_sink<Page>&) noexcept;
  void snapshot(svm::va_range, svm::run_sink<Page>&) noexcept;
  svm::errc collect(migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept;
  void collect_pages(migration&, std::span<slot>, svm::page_scope const*, Page const&) noexcept;
  svm::result<Page> allocate_page(svm::page_order) noexcept;
  void adopt_device_page(Page const&, svm::page_order, svm::device_page_owner<Page>&, bool) noexcept;
  void discard_page(Page const&) noexcept;
};
static_assert(agreed::mm<with_page<page>>);
static_assert(agreed::mm<with_page<std::uint64_t>>);
static_assert(!agreed::mm<with_page<page_without_default>>);
static_assert(!agreed::mm<with_page<page_without_comparison>>);
static_assert(!agreed::mm<with_page<page_without_copy>>);

/// An mm with this registration or migration in all its functions.
template <class Registration>
struct with_registration : archetypes::mm {
  using registration = Registration;
  svm::errc fault_in(svm::walk_request<Registration> const&, svm::run_sink<page>&) noexcept;
  svm::errc register_notifier(Registration&, svm::va_range, svm::invalidation_target&) noexcept;
  void unregister_notifier(Registration&) noexcept;
  std::uint64_t read_begin(Registration&) noexcept;
  bool read_retry(Registration&, std::uint64_t) noexcept;
  void set_sequence(Registration&, std::uint64_t) noexcept;
};
template <class Migration>
struct with_migration : archetypes::mm {
  using migration = Migration;
  svm::errc collect(Migration&, svm::va_range, std::span<slot>, svm::page_owner) noexcept;
  void collect_pages(Migration&, std::span<slot>, svm::page_scope const*, page) noexcept;
  void install(Migration&) noexcept;
  void finalize(Migration&) noexcept;
};
struct plain {};
struct needs_argument {
  explicit needs_argument(int);
};
static_assert(agreed::mm<with_registration<plain>> && !agreed::mm<with_registration<needs_argument>>);
static_assert(agreed::mm<with_migration<plain>> && !agreed::mm<with_migration<needs_argument>>);

struct page_size_is_a_number : archetypes::mm {
  static constexpr std::uint64_t page_size = 4096;
};
static_assert(!agreed::mm<page_size_is_a_number>);
struct page_size_varies : archetypes::mm {
  static svm::byte_count const page_size;
};
static_assert(!agreed::mm<page_size_varies>);
struct page_size_no_power_of_two : archetypes::mm {
  static constexpr svm::byte_count page_size{3 << 12};
};
static_assert(!agreed::mm<page_size_no_power_of_two>);

struct map_lock_missing : archetypes::mm {
  shared_lock& map_lock() = delete;
};
static_assert(!agreed::mm<map_lock_missing>);
struct map_lock_by_value : archetypes::mm {
  shared_lock map_lock();
};
static_assert(!agreed::mm<map_lock_by_value>);
struct map_lock_without_lock : archetypes::mm {
  struct shared_lock {
    void unlock_shared();
  };
  shared_lock& map_lock();
};
static_assert(!agreed::mm<map_lock_without_lock>);
struct map_lock_without_unlock : archetypes::mm {
  struct shared_lock {
    void lock_shared();
  };
  shared_lock& map_lock();
};
static_assert(!agreed::mm<map_lock_without_unlock>);
}  // namespace mm_parts

namespace pagemap_parts {
/// A pagemap with this memory in all its functions.
template <class Memory>
struct with_memory : archetypes::pagemap {
  using memory = Memory;
  svm::result<Memory> allocate(svm::byte_count) noexcept;
  svm::errc pages(Memory&, std::span<svm::device_page<page>>) noexcept;
  void release(Memory&) noexcept;
  svm::errc wait_cleared(Memory&) noexcept;
};
struct handle {};
struct not_assignable {
  not_assignable(not_assignable&&) noexcept;
};
static_assert(agreed::pagemap<with_memory<handle>, page, archetypes::device>);
static_assert(!agreed::pagemap<with_memory<not_assignable>, page, archetypes::device>);
struct unrelated {};
static_assert(!agreed::pagemap<archetypes::pagemap, unrelated, archetypes::device>);
static_assert(!agreed::pagemap<archetypes::pagemap, page, unrelated>);
static_assert(!agreed::piecewise_pagemap<archetypes::full_pagemap, unrelated>);
static_assert(!agreed::device<archetypes::device, unrelated>);
static_assert(!agreed::iova_device<archetypes::full_device, unrelated>);

struct says_it_is_not_coherent : archetypes::pagemap {
  static constexpr bool is_coherent = false;
};
static_assert(agreed::pagemap<says_it_is_not_coherent, page, archetypes::device>);
static_assert(!svm::coherent_pagemap<says_it_is_not_coherent>);
}  // namespace pagemap_parts

// -- a parameter is missing: models of one page a block, of one device, of one group ---

namespace narrow {
struct mm_collect : archetypes::mm {
  svm::errc collect(migration&, svm::va_range, std::span<slot>) noexcept;
};
static_assert(!agreed::mm<mm_collect>);
struct mm_allocate_page : archetypes::mm {
  svm::result<page> allocate_page() noexcept;
};
static_assert(!agreed::mm<mm_allocate_page>);
struct mm_adopt_without_order : archetypes::mm {
  void adopt_device_page(page, svm::device_page_owner<page>&, bool) noexcept;
};
static_assert(!agreed::mm<mm_adopt_without_order>);
struct mm_adopt_without_coherent : archetypes::mm {
  void adopt_device_page(page, svm::page_order, svm::device_page_owner<page>&) noexcept;
};
static_assert(!agreed::mm<mm_adopt_without_coherent>);
struct pagemap_pages : archetypes::pagemap {
  svm::errc pages(memory&, std::span<page>) noexcept;
};
static_assert(!agreed::pagemap<pagemap_pages, page, archetypes::device>);
struct pagemap_map : archetypes::pagemap {
  svm::result<svm::device_address> map(page, svm::page_count, svm::dma_direction) noexcept;
};
static_assert(!agreed::pagemap<pagemap_map, page, archetypes::device>);
struct pagemap_unmap : archetypes::pagemap {
  void unmap(svm::device_address const&) noexcept;
};
static_assert(!agreed::pagemap<pagemap_unmap, page, archetypes::device>);
struct pagemap_release_pages : archetypes::full_pagemap {
  void release_pages(memory&, page) noexcept;
};
static_assert(!agreed::piecewise_pagemap<pagemap_release_pages, page>);
}  // namespace narrow

// -- upcalls: who leaves one out cannot be made ---

namespace upcalls {
struct target : svm::invalidation_target {
  svm::invalidation_answer invalidate(svm::invalidation const&, std::uint64_t) noexcept override;
  void finish_invalidation(svm::invalidation const&) noexcept override;
};
struct target_without_invalidate : svm::invalidation_target {
  void finish_invalidation(svm::invalidation const&) noexcept override;
};
struct target_without_finish : svm::invalidation_target {
  svm::invalidation_answer invalidate(svm::invalidation const&, std::uint64_t) noexcept override;
};
static_assert(!std::is_abstract_v<target>);
static_assert(std::is_abstract_v<target_without_invalidate> && std::is_abstract_v<target_without_finish>);

struct owner_without_owner : svm::device_page_owner<page> {
  svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override;
  void page_freed(page, svm::page_order) noexcept override;
  void page_split(page, svm::page_order, svm::page_order) noexcept override;
};
struct owner_without_fault : svm::device_page_owner<page> {
  svm::page_owner owner() const noexcept override;
  void page_freed(page, svm::page_order) noexcept override;
  void page_split(page, svm::page_order, svm::page_order) noexcept override;
};
struct owner_without_free : svm::device_page_owner<page> {
  svm::page_owner owner() const noexcept override;
  svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override;
  void page_split(page, svm::page_order, svm::page_order) noexcept override;
};
struct owner_without_split : svm::device_page_owner<page> {
  svm::page_owner owner() const noexcept override;
  svm::cpu_fault_answer page_faulted(svm::cpu_fault<page> const&) noexcept override;
  void page_freed(page, svm::page_order) noexcept override;
};
static_assert(std::is_abstract_v<owner_without_owner> && std::is_abstract_v<owner_without_fault> &&
              std::is_abstract_v<owner_without_free> && std::is_abstract_v<owner_without_split>);
struct canceller_without_question : svm::cancellation {};
static_assert(std::is_abstract_v<canceller_without_question>);
}  // namespace upcalls

// -- lock ---

namespace lock_parts {
/// The archetype's locks with one operation taken away.
struct mutex_without_lock : archetypes::lock {
  template <svm::lock_rank R>
  struct mutex : archetypes::lock::mutex<R> {
    void lock() = delete;
  };
};
static_assert(!agreed::lock<mutex_without_lock>);
struct shared_mutex_without_lock : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    void lock() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_lock>);
struct mutex_without_unlock : archetypes::lock {
  template <svm::lock_rank R>
  struct mutex : archetypes::lock::mutex<R> {
    void unlock() = delete;
  };
};
static_assert(!agreed::lock<mutex_without_unlock>);
struct shared_mutex_without_unlock : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    void unlock() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_unlock>);
struct mutex_without_try_lock : archetypes::lock {
  template <svm::lock_rank R>
  struct mutex : archetypes::lock::mutex<R> {
    bool try_lock() = delete;
  };
};
static_assert(!agreed::lock<mutex_without_try_lock>);
struct shared_mutex_without_try_lock : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    bool try_lock() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_try_lock>);
struct mutex_without_assert_held : archetypes::lock {
  template <svm::lock_rank R>
  struct mutex : archetypes::lock::mutex<R> {
    void assert_held() = delete;
  };
};
static_assert(!agreed::lock<mutex_without_assert_held>);
struct shared_mutex_without_assert_held : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    void assert_held() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_assert_held>);
struct shared_mutex_without_lock_shared : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    void lock_shared() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_lock_shared>);
struct shared_mutex_without_unlock_shared : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    void unlock_shared() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_unlock_shared>);
struct shared_mutex_without_try_lock_shared : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    bool try_lock_shared() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_try_lock_shared>);
struct shared_mutex_without_assert_held_shared : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    void assert_held_shared() = delete;
  };
};
static_assert(!agreed::lock<shared_mutex_without_assert_held_shared>);
struct mutex_try_lock_returns_int : archetypes::lock {
  template <svm::lock_rank R>
  struct mutex : archetypes::lock::mutex<R> {
    int try_lock();
  };
};
static_assert(!agreed::lock<mutex_try_lock_returns_int>);
struct shared_mutex_try_lock_returns_int : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    int try_lock();
  };
};
static_assert(!agreed::lock<shared_mutex_try_lock_returns_int>);
struct try_lock_shared_returns_int : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    int try_lock_shared();
  };
};
static_assert(!agreed::lock<try_lock_shared_returns_int>);
struct mutex_needs_argument : archetypes::lock {
  template <svm::lock_rank R>
  struct mutex : archetypes::lock::mutex<R> {
    explicit mutex(int);
  };
};
static_assert(!agreed::lock<mutex_needs_argument>);
struct shared_mutex_needs_argument : archetypes::lock {
  template <svm::lock_rank R>
  struct shared_mutex : archetypes::lock::shared_mutex<R> {
    explicit shared_mutex(int);
  };
};
static_assert(!agreed::lock<shared_mutex_needs_argument>);
struct event_needs_argument : archetypes::lock {
  struct event : archetypes::lock::event {
    explicit event(int);
  };
};
static_assert(!agreed::lock<event_needs_argument>);
struct event_without_wait : archetypes::lock {
  struct event : archetypes::lock::event {
    void wait() = delete;
  };
};
static_assert(!agreed::lock<event_without_wait>);
struct event_without_notify : archetypes::lock {
  struct event : archetypes::lock::event {
    void notify_all() = delete;
  };
};
static_assert(!agreed::lock<event_without_notify>);

struct without_read_domain {
  template <svm::lock_rank R>
  using mutex = archetypes::lock::mutex<R>;
  template <svm::lock_rank R>
  using shared_mutex = archetypes::lock::shared_mutex<R>;
  template <class T>
  using atomic = archetypes::lock::atomic<T>;
  using event = archetypes::lock::event;
};
static_assert(!agreed::lock<without_read_domain>);
struct read_domain_needs_argument : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    explicit read_domain(int);
  };
};
static_assert(!agreed::lock<read_domain_needs_argument>);
struct read_domain_without_section : archetypes::lock {
  class read_domain : public archetypes::lock::read_domain {
    using section = int;
  };
};
static_assert(!agreed::lock<read_domain_without_section>);
struct read_domain_without_enter : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    section enter() = delete;
  };
};
static_assert(!agreed::lock<read_domain_without_enter>);
struct read_domain_enter_returns_int : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    int enter();
  };
};
static_assert(!agreed::lock<read_domain_enter_returns_int>);
struct read_domain_without_leave : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    void leave(section&) = delete;
  };
};
static_assert(!agreed::lock<read_domain_without_leave>);
struct read_domain_leave_takes_a_temporary : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    void leave(section&&);
  };
};
static_assert(!agreed::lock<read_domain_leave_takes_a_temporary>);
struct read_domain_without_retire : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    void retire(svm::retire_hook&) = delete;
  };
};
static_assert(!agreed::lock<read_domain_without_retire>);
struct read_domain_without_synchronize : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    void synchronize() = delete;
  };
};
static_assert(!agreed::lock<read_domain_without_synchronize>);
struct read_domain_without_retired : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    std::uint64_t retired() const = delete;
  };
};
static_assert(!agreed::lock<read_domain_without_retired>);
struct read_domain_retired_returns_int : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    int retired() const;
  };
};
static_assert(!agreed::lock<read_domain_retired_returns_int>);
struct read_domain_retired_not_const : archetypes::lock {
  struct read_domain : archetypes::lock::read_domain {
    std::uint64_t retired();
  };
};
static_assert(!agreed::lock<read_domain_retired_not_const>);

struct atomic_without_load : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T load() const = delete;
  };
};
static_assert(!agreed::lock<atomic_without_load>);
struct atomic_load_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* load() const;
  };
};
static_assert(!agreed::lock<atomic_load_returns_pointer>);
struct atomic_without_store : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    void store(T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_store>);
struct atomic_without_exchange : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T exchange(T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_exchange>);
struct atomic_exchange_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* exchange(T);
  };
};
static_assert(!agreed::lock<atomic_exchange_returns_pointer>);
struct atomic_without_fetch_add : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T fetch_add(T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_fetch_add>);
struct atomic_fetch_add_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* fetch_add(T);
  };
};
static_assert(!agreed::lock<atomic_fetch_add_returns_pointer>);
struct atomic_without_fetch_sub : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T fetch_sub(T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_fetch_sub>);
struct atomic_fetch_sub_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* fetch_sub(T);
  };
};
static_assert(!agreed::lock<atomic_fetch_sub_returns_pointer>);
struct atomic_without_fetch_or : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T fetch_or(T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_fetch_or>);
struct atomic_fetch_or_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* fetch_or(T);
  };
};
static_assert(!agreed::lock<atomic_fetch_or_returns_pointer>);
struct atomic_without_fetch_and : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T fetch_and(T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_fetch_and>);
struct atomic_fetch_and_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* fetch_and(T);
  };
};
static_assert(!agreed::lock<atomic_fetch_and_returns_pointer>);
struct atomic_without_compare_exchange : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    bool compare_exchange(T&, T) = delete;
  };
};
static_assert(!agreed::lock<atomic_without_compare_exchange>);
struct atomic_compare_exchange_returns_pointer : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T* compare_exchange(T&, T);
  };
};
static_assert(!agreed::lock<atomic_compare_exchange_returns_pointer>);
struct atomic_load_not_const : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    explicit atomic(T);
    T load();
  };
};
static_assert(!agreed::lock<atomic_load_not_const>);
struct atomic_without_value : archetypes::lock {
  template <class T>
  struct atomic : archetypes::lock::atomic<T> {
    atomic();
  };
};
static_assert(!agreed::lock<atomic_without_value>);

/// Fit for words of one size only.
template <class Word>
struct one_word : archetypes::lock {
  template <class T>
  struct atomic {};
};
template <class Word>
template <class T>
requires std::same_as<T, Word>
struct one_word<Word>::atomic<T> : archetypes::lock::atomic<T> {
  explicit atomic(T);
};
static_assert(!agreed::lock<one_word<std::uint32_t>>);
static_assert(!agreed::lock<one_word<std::uint64_t>>);
}  // namespace lock_parts

// -- the bundles ---

namespace bundles {
struct nothing {};
struct bad_mm : archetypes::policies {
  using mm = nothing;
};
static_assert(!agreed::policies<bad_mm>);
struct bad_device : archetypes::policies {
  using device = nothing;
};
static_assert(!agreed::policies<bad_device>);
struct bad_pagemap : archetypes::policies {
  using pagemap = nothing;
};
static_assert(!agreed::policies<bad_pagemap>);
struct bad_lock : archetypes::policies {
  using lock = nothing;
};
static_assert(!agreed::policies<bad_lock>);
struct bad_clock : archetypes::policies {
  using clock = nothing;
};
static_assert(!agreed::policies<bad_clock>);
struct bad_allocator : archetypes::policies {
  using allocator = nothing;
};
static_assert(!agreed::policies<bad_allocator>);
struct bad_observer : archetypes::policies {
  using observer = nothing;
};
static_assert(!agreed::policies<bad_observer>);
struct bad_range_data : archetypes::policies {
  using range_data = mm_parts::needs_argument;
};
static_assert(!agreed::policies<bad_range_data>);
struct bad_notifier_data : archetypes::policies {
  using notifier_data = mm_parts::needs_argument;
};
static_assert(!agreed::policies<bad_notifier_data>);
static_assert(!agreed::policies<nothing>);

struct gpuvm_without_mapping {
  using object = nothing;
  using lock = archetypes::lock;
  using allocator = archetypes::allocator;
};
static_assert(!svm::gpuvm_types<gpuvm_without_mapping>);
struct gpuvm_without_object {
  using mapping = nothing;
  using lock = archetypes::lock;
  using allocator = archetypes::allocator;
};
static_assert(!svm::gpuvm_types<gpuvm_without_object>);
struct gpuvm_bad_lock : archetypes::gpuvm_types {
  using lock = nothing;
};
static_assert(!svm::gpuvm_types<gpuvm_bad_lock>);
struct gpuvm_bad_allocator : archetypes::gpuvm_types {
  using allocator = nothing;
};
static_assert(!svm::gpuvm_types<gpuvm_bad_allocator>);
}  // namespace bundles

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <span>
#include <type_traits>
#include <utility>

#include <svm/base/interval.hpp>
#include <svm/base/result.hpp>
#include <svm/concepts/device.hpp>
#include <svm/concepts/mm.hpp>
#include <svm/port/model_call.hpp>

namespace svm::inline v0::port {

/// What a decorator does around each call of the model: `around(call, run)` runs it or not, and returns what the call is
/// to return.
template <class T>
concept call_tap = std::default_initializable<T> && requires(T& t, model_call c) {
  {
    t.around(c, [] { return errc::ok; })
    } -> std::same_as<errc>;
  {
    t.around(c, [] { return result<int>{1}; })
    } -> std::same_as<result<int>>;
  {
    t.around(c, [] { return true; })
    } -> std::same_as<bool>;
  {
    t.around(c, [] {})
    } -> std::same_as<void>;
};

/// What the three below have in common. A model's calls of itself are not seen, nor what the destructor of a session does.
template <class Model, call_tap Tap>
class decorated_model : public Model {
 public:
  template <class... Arguments>
  explicit decorated_model(Arguments&&... arguments) : Model(std::forward<Arguments>(arguments)...) {}
  [[nodiscard]] Tap& tap() { return tap_; }

 protected:
  ~decorated_model() = default;
  template <class Run>
  decltype(auto) around(model_call c, Run&& run) {
    return tap_.around(c, std::forward<Run>(run));
  }

 private:
  Tap tap_;
};

/// An mm with a tap.
template <class Model, call_tap Tap>
class decorated_mm : public decorated_model<Model, Tap> {
 public:
  using page = typename Model::page;
  using registration = typename Model::registration;
  using migration = typename Model::migration;
  using slot = migration_slot<page>;
  using decorated_model<Model, Tap>::decorated_model;

  [[nodiscard]] bool get_user() noexcept {
    return this->around(model_call::get_user, [&] { return Model::get_user(); });
  }
  void put_user() noexcept {
    this->around(model_call::put_user, [&] { Model::put_user(); });
  }
  [[nodiscard]] result<vma_info> find_vma(cpu_va a) noexcept {
    return this->around(model_call::find_vma, [&] { return Model::find_vma(a); });
  }
  [[nodiscard]] result<vma_info> find_first_vma(va_range span) noexcept {
    return this->around(model_call::find_first_vma, [&] { return Model::find_first_vma(span); });
  }
  template <class... Arguments>
  [[nodiscard]] auto fault_in(Arguments&&... arguments) noexcept {
    return this->around(model_call::fault_in, [&] { return Model::fault_in(std::forward<Arguments>(arguments)...); });
  }
  template <class... Arguments>
  auto snapshot(Arguments&&... arguments) noexcept {
    return this->around(model_call::snapshot, [&] { return Model::snapshot(std::forward<Arguments>(arguments)...); });
  }
  [[nodiscard]] errc register_notifier(registration& r, va_range span, invalidation_target& target) noexcept {
    return this->around(model_call::register_notifier, [&] { return Model::register_notifier(r, span, target); });
  }
  void unregister_notifier(registration& r) noexcept {
    this->around(model_call::unregister_notifier, [&] { Model::unregister_notifier(r); });
  }
  [[nodiscard]] std::uint64_t read_begin(registration& r) noexcept {
    return this->around(model_call::read_begin, [&] { return Model::read_begin(r); });
  }
  [[nodiscard]] bool read_retry(registration& r, std::uint64_t seen) noexcept {
    return this->around(model_call::read_retry, [&] { return Model::read_retry(r, seen); });
  }
  void set_sequence(registration& r, std::uint64_t value) noexcept {
    this->around(model_call::set_sequence, [&] { Model::set_sequence(r, value); });
  }
  [[nodiscard]] errc collect(migration& session, va_range span, std::span<slot> slots, page_owner reach) noexcept {
    return this->around(model_call::collect, [&] { return Model::collect(session, span, slots, reach); });
  }
  void collect_pages(migration& session, std::span<slot> slots, page_scope const* within, page faulting) noexcept {
    this->around(model_call::collect_pages, [&] { Model::collect_pages(session, slots, within, faulting); });
  }
  void install(migration& session) noexcept {
    this->around(model_call::install, [&] { Model::install(session); });
  }
  void finalize(migration& session) noexcept {
    this->around(model_call::finalize, [&] { Model::finalize(session); });
  }
  [[nodiscard]] result<page> allocate_page(page_order order) noexcept {
    return this->around(model_call::allocate_page, [&] { return Model::allocate_page(order); });
  }
  void adopt_device_page(page p, page_order order, device_page_owner<page>& owner, bool coherent) noexcept {
    this->around(model_call::adopt_device_page, [&] { Model::adopt_device_page(p, order, owner, coherent); });
  }
  void discard_page(page p) noexcept {
    this->around(model_call::discard_page, [&] { Model::discard_page(p); });
  }
};

/// A device with a tap; it has the optional parts that the model has.
template <class Model, call_tap Tap>
class decorated_device : public decorated_model<Model, Tap> {
 public:
  using decorated_model<Model, Tap>::decorated_model;

  template <class... Arguments>
  [[nodiscard]] auto dma_map(Arguments&&... arguments) noexcept {
    return this->around(model_call::dma_map, [&] { return Model::dma_map(std::forward<Arguments>(arguments)...); });
  }
  template <class... Arguments>
  void dma_unmap(Arguments&&... arguments) noexcept {
    this->around(model_call::dma_unmap, [&] { Model::dma_unmap(std::forward<Arguments>(arguments)...); });
  }
  [[nodiscard]] errc prepare(va_range span) noexcept {
    return this->around(model_call::prepare, [&] { return Model::prepare(span); });
  }
  void commit(va_range span, std::span<device_address const> blocks, mapping_access how) noexcept {
    this->around(model_call::commit, [&] { Model::commit(span, blocks, how); });
  }
  void invalidate(va_range span) noexcept {
    this->around(model_call::invalidate, [&] { Model::invalidate(span); });
  }
  void begin_invalidate(va_range span) noexcept requires requires(Model& m) { m.begin_invalidate(span); }
  {
    this->around(model_call::begin_invalidate, [&] { Model::begin_invalidate(span); });
  }
  void finish_invalidate(va_range span) noexcept requires requires(Model& m) { m.finish_invalidate(span); }
  {
    this->around(model_call::finish_invalidate, [&] { Model::finish_invalidate(span); });
  }
  void stop_queues() noexcept requires requires(Model& m) { m.stop_queues(); }
  {
    this->around(model_call::stop_queues, [&] { Model::stop_queues(); });
  }
  void resume_queues() noexcept requires requires(Model& m) { m.resume_queues(); }
  {
    this->around(model_call::resume_queues, [&] { Model::resume_queues(); });
  }
  [[nodiscard]] result<dma_addr> reserve_iova(byte_count size) noexcept requires requires(Model& m) {
    m.reserve_iova(size);
  }
  {
    return this->around(model_call::reserve_iova, [&] { return Model::reserve_iova(size); });
  }
  template <class... Arguments>
  [[nodiscard]] errc link_iova(Arguments&&... arguments) noexcept requires requires(Model& m) {
    m.link_iova(std::forward<Arguments>(arguments)...);
  }
  {
    return this->around(model_call::link_iova, [&] { return Model::link_iova(std::forward<Arguments>(arguments)...); });
  }
  [[nodiscard]] errc sync_iova(dma_addr base, byte_count size) noexcept requires requires(Model& m) {
    m.sync_iova(base, size);
  }
  {
    return this->around(model_call::sync_iova, [&] { return Model::sync_iova(base, size); });
  }
  void release_iova(dma_addr base, byte_count linked, byte_count size, dma_direction direction) noexcept requires
      requires(Model& m) {
    m.release_iova(base, linked, size, direction);
  }
  {
    this->around(model_call::release_iova, [&] { Model::release_iova(base, linked, size, direction); });
  }
  template <class... Arguments>
  void sync_for_device(Arguments&&... arguments) noexcept requires requires(Model& m) {
    m.sync_for_device(std::forward<Arguments>(arguments)...);
  }
  {
    this->around(model_call::sync_for_device, [&] { Model::sync_for_device(std::forward<Arguments>(arguments)...); });
  }
  template <class... Arguments>
  void sync_for_system(Arguments&&... arguments) noexcept requires requires(Model& m) {
    m.sync_for_system(std::forward<Arguments>(arguments)...);
  }
  {
    this->around(model_call::sync_for_system, [&] { Model::sync_for_system(std::forward<Arguments>(arguments)...); });
  }
};

/// A pagemap with a tap; it has the optional parts that the model has.
template <class Model, call_tap Tap>
class decorated_pagemap : public decorated_model<Model, Tap> {
 public:
  using memory = typename Model::memory;
  using decorated_model<Model, Tap>::decorated_model;

  [[nodiscard]] result<memory> allocate(byte_count size) noexcept {
    return this->around(model_call::allocate, [&] { return Model::allocate(size); });
  }
  template <class Pages>
  [[nodiscard]] errc pages(memory& m, Pages&& out) noexcept {
    return this->around(model_call::pages, [&] { return Model::pages(m, out); });
  }
  void release(memory& m) noexcept {
    this->around(model_call::release, [&] { Model::release(m); });
  }
  template <class Page>
  void release_pages(memory& m, Page const& first, page_order order) noexcept requires requires(Model& model) {
    model.release_pages(m, first, order);
  }
  {
    this->around(model_call::release_pages, [&] { Model::release_pages(m, first, order); });
  }
  template <class Job>
  [[nodiscard]] errc copy_to_device(Job&& job) noexcept {
    return this->around(model_call::copy_to_device, [&] { return Model::copy_to_device(job); });
  }
  template <class Job>
  [[nodiscard]] errc copy_to_system(Job&& job) noexcept {
    return this->around(model_call::copy_to_system, [&] { return Model::copy_to_system(job); });
  }
  [[nodiscard]] errc wait_cleared(memory& m) noexcept {
    return this->around(model_call::wait_cleared, [&] { return Model::wait_cleared(m); });
  }
  template <class Device, class Page>
  [[nodiscard]] result<device_address> map(Device& device, Page const& p, page_count count,
                                           dma_direction direction) noexcept {
    return this->around(model_call::map, [&] { return Model::map(device, p, count, direction); });
  }
  template <class Device>
  void unmap(Device& device, device_address const& address) noexcept {
    this->around(model_call::unmap, [&] { Model::unmap(device, address); });
  }
};

namespace detail {

template <class Model, call_tap Tap>
struct decorated_choice {
  using type = decorated_device<Model, Tap>;
};
template <class Model, call_tap Tap>
requires requires {
  typename Model::registration;
}
struct decorated_choice<Model, Tap> {
  using type = decorated_mm<Model, Tap>;
};
template <class Model, call_tap Tap>
requires requires {
  typename Model::memory;
}
struct decorated_choice<Model, Tap> {
  using type = decorated_pagemap<Model, Tap>;
};

}  // namespace detail

/// The class above that fits a model: an mm has a `registration`, a pagemap a `memory`, and a device neither.
template <class Model, call_tap Tap>
using decorated = typename detail::decorated_choice<Model, Tap>::type;

}  // namespace svm::inline v0::port

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include "vm_bind_writer.hpp"

#include <svm/gpuvm/gpuvm.hpp>
#include <svm/gpuvm/op_list.hpp>
#include <svm/gpuvm/vm_bo.hpp>
#include <svm/std/heap.hpp>
#include <svm/std/null_lock.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace svmsh {

struct bind_mapping;
struct bind_object;
struct bind_types {
  using mapping = bind_mapping;
  using object = bind_object;
  using lock = svm::null_lock;
  using allocator = svm::heap;
};

struct alignas(64) bind_mapping : svm::gpu_mapping<bind_types> {};

struct bind_object {
  bind_object(svm::gpuvm<bind_types>& space, std::uint32_t number) : bo(space, *this), id(number) {}
  svm::gpuvm_bo<bind_types> bo;
  std::uint32_t id;
};

/// The driver behind `svmsh vm_bind`: it prints every step that the library asks for, and takes it.
class bind_space {
  using types = bind_types;
  using mapping = bind_mapping;
  using object = bind_object;
  using extent = svm::gpu_extent<types>;
  using bo = svm::gpuvm_bo<types>;

 public:
  explicit bind_space(svm::gpuvm_layout const& layout) : space_(layout, memory_), list_(space_) {}
  ~bind_space() {
    space_.for_each([this](mapping& m) { drop(m); });
  }
  bind_space(bind_space const&) = delete;
  bind_space& operator=(bind_space const&) = delete;

  answer_writer& out() { return out_; }

  // Each request prints its answer.

  void request_map(svm::gpu_va start, svm::byte_count size, std::uint32_t id, std::uint64_t offset) {
    answer(space_.sm_map(*this, {start, size, find_object(id), offset}).error());
  }
  void request_unmap(svm::gpu_va start, svm::byte_count size) { answer(space_.sm_unmap(*this, start, size).error()); }
  void request_prefetch(svm::gpu_va start, svm::byte_count size) { answer_list(list_.plan_prefetch(start, size)); }
  void request_object_unmap(std::uint32_t id) {
    if (id == 0) return answer(svm::errc::empty_interval);
    auto const found = objects_.find(id);
    if (found == objects_.end()) return answer(svm::errc::ok);
    answer_list(list_.plan_object_unmap(found->second.bo));
  }
  void request_dump() {
    space_.for_each([this](mapping& m) { print_extent("va ", m.extent()); });
    answer(svm::errc::ok);
  }

  // The library's callbacks: the steps of a request, which are taken at once.

  svm::errc map(svm::map_step<types>& step) {
    print_extent("map ", step->extent);
    mapping& fresh = take_mapping();
    svm::errc const e = space_.map(step, fresh);
    link(fresh);
    return e;
  }
  svm::errc unmap(svm::unmap_step<types>& step) {
    print_unmap(*step);
    space_.unmap(step);
    give_back(*step->mapping);
    return svm::errc::ok;
  }
  svm::errc remap(svm::remap_step<types>& step) {
    out_.make_room();
    out_.put("remap unmap=");
    print_range(step->old, ',');
    out_.put(step->keep ? " keep=1" : " keep=0");
    if (step->has_prev()) print_part(" prev=", step->prev_extent());
    if (step->has_next()) print_part(" next=", step->next_extent());
    out_.put('\n');
    mapping* const second = step->has_prev() && step->has_next() ? &take_mapping() : step->next;
    svm::errc const e = space_.remap(step, step->prev, second);
    if (second != nullptr && second != step->mapping) link(*second);
    return e;
  }

 private:
  object* find_object(std::uint32_t id) {
    return id == 0 ? nullptr : &objects_.try_emplace(id, space_, id).first->second;
  }
  static void link(mapping& m) { bo::link(m, m.object() == nullptr ? nullptr : &m.object()->bo); }

  mapping& take_mapping() {
    if (spare_.empty()) {
      constexpr std::size_t block = 256;
      blocks_.push_back(std::make_unique<mapping[]>(block));
      spare_.reserve(block * blocks_.size());
      for (std::size_t i = 0; i < block; ++i) spare_.push_back(&blocks_.back()[i]);
    }
    mapping& m = *spare_.back();
    spare_.pop_back();
    return m;
  }
  void drop(mapping& m) {
    space_.remove(m);
    give_back(m);
  }
  void give_back(mapping& m) {
    bo::unlink(m);
    spare_.push_back(&m);
  }

  void answer(svm::errc e) {
    out_.make_room();
    if (e == svm::errc::ok) return out_.put("ok\n");
    out_.put("error: ");
    out_.put(svm::errno_name(e));
    out_.put('\n');
  }
  /// Of a list of prefetches or of unmaps.
  void answer_list(svm::errc planned) {
    if (planned == svm::errc::ok)
      for (svm::gpuvm_operation<types> const& op : list_) {
        if (auto const* const prefetch = op.as_prefetch()) print_extent("prefetch ", prefetch->mapping->extent());
        if (auto const* const unmap = op.as_unmap()) {
          print_unmap(*unmap);
          drop(*unmap->mapping);
        }
      }
    answer(planned);
  }

  void print_unmap(svm::unmap_operation<types> const& unmap) {
    out_.make_room();
    out_.put("unmap ");
    print_range(unmap.old, ' ');
    out_.put(unmap.keep ? " keep=1\n" : " keep=0\n");
  }
  void print_range(extent const& e, char between) {
    out_.put_hex(e.start.value);
    out_.put(between);
    out_.put_hex(e.size.value);
  }
  void print_part(std::string_view word, extent const& e) {
    out_.put(word);
    print_range(e, ',');
    out_.put(',');
    out_.put_hex(e.offset);
  }
  void print_extent(std::string_view word, extent const& e) {
    out_.make_room();
    out_.put(word);
    print_range(e, ' ');
    if (word != "prefetch ") {
      out_.put(' ');
      out_.put_decimal(e.object == nullptr ? 0 : e.object->id);
      out_.put(' ');
      out_.put_hex(e.offset);
    }
    out_.put('\n');
  }

  answer_writer out_;
  svm::heap memory_;
  std::vector<std::unique_ptr<mapping[]>> blocks_;
  std::vector<mapping*> spare_;
  svm::gpuvm<types> space_;
  svm::gpuvm_op_list<types> list_;
  std::unordered_map<std::uint32_t, object> objects_;
};

}  // namespace svmsh

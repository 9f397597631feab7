// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <svm/base/result.hpp>
#include <svm/config.hpp>
#include <svm/gpuvm/operation.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace svm::inline v0 {

/// One step of a request: a callback of `sm_map` or `sm_unmap` has to take it or to put it off.
///
/// `*step` says what is to be done. `gpuvm::map`, `unmap` and `remap` take a step, and `gpuvm::later` puts it off. A
/// step neither copies nor moves, so no callback can keep it; `later` gives what may be kept.
/// Invariants: 1. a step is open first, and then either taken or put off for good.
template <class Types, class Operation>
class gpuvm_step {
 public:
  gpuvm_step(gpuvm_step const&) = delete;
  gpuvm_step& operator=(gpuvm_step const&) = delete;

  [[nodiscard]] Operation const& operator*() const { return operation_; }
  [[nodiscard]] Operation const* operator->() const { return &operation_; }

  [[nodiscard]] bool is_taken() const { return state_ == state::taken; }
  [[nodiscard]] bool is_put_off() const { return state_ == state::put_off; }

 private:
  friend gpuvm<Types>;

  enum class state : std::uint8_t { open, taken, put_off };

  gpuvm_step(gpuvm<Types> const& space, Operation const& operation, bool map_follows)
      : space_(space), operation_(operation), map_follows_(map_follows) {}

  [[nodiscard]] bool is_open(gpuvm<Types> const& space) const { return state_ == state::open && &space_ == &space; }

  gpuvm<Types> const& space_;
  Operation const& operation_;
  state state_ = state::open;
  bool map_follows_;  // the request maps what this step vacates
};

/// The step of `sm_map` that makes a mapping.
template <class Types>
using map_step = gpuvm_step<Types, map_operation<Types>>;
/// The step that removes a mapping.
template <class Types>
using unmap_step = gpuvm_step<Types, unmap_operation<Types>>;
/// The step that leaves the ends of a mapping.
template <class Types>
using remap_step = gpuvm_step<Types, remap_operation<Types>>;

/// What became of a request: `error()`, and how many of its steps were taken and how many put off.
///
/// After an error the steps that were taken stand; when none was, the space is as it was.
class [[nodiscard]] sm_result {
 public:
  /// True when every callback took its step or put it off.
  [[nodiscard]] explicit operator bool() const { return error_ == errc::ok; }
  [[nodiscard]] errc error() const { return error_; }
  [[nodiscard]] std::size_t taken() const { return taken_; }
  [[nodiscard]] std::size_t put_off() const { return put_off_; }

 private:
  template <class Types>
  friend class gpuvm;

  explicit sm_result(errc error) : error_(error) {}

  errc error_;
  std::size_t taken_ = 0;
  std::size_t put_off_ = 0;
};

/// Whoever takes the steps of an unmap request; see `gpuvm::sm_unmap`.
///
/// A model also promises:
///  1. a step for which it returns an error has changed nothing of its own;
///  2. it asks for no other request of the same space meanwhile.
template <class D, class Types>
concept unmap_driver = requires(D& d, remap_step<Types>& remap, unmap_step<Types>& unmap) {
  { d.remap(remap) } -> std::same_as<errc>;
  { d.unmap(unmap) } -> std::same_as<errc>;
};

/// Whoever takes the steps of any request; see `gpuvm::sm_map`.
template <class D, class Types>
concept map_driver = unmap_driver<D, Types> && requires(D& d, map_step<Types>& map) {
  { d.map(map) } -> std::same_as<errc>;
};

}  // namespace svm::inline v0

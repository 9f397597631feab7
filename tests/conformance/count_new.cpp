// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT

// Counts the allocations of each thread, for the promises to allocate nothing, and lets them fail.

#include <svm/conformance/verdict.hpp>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace {

thread_local std::uint64_t allocations = 0;
thread_local bool fails = false;

void* allocate(std::size_t size) noexcept {
  ++allocations;
  return fails ? nullptr : std::malloc(size == 0 ? 1 : size);
}

[[maybe_unused]] bool const installed = [] {
  svm::conformance::allocations_so_far = [] { return allocations; };
  svm::conformance::let_allocations_fail = [](bool now) { fails = now; };
  return true;
}();

}  // namespace

void* operator new(std::size_t size) {
  if (void* const memory = allocate(size)) return memory;
  throw std::bad_alloc{};
}
void* operator new[](std::size_t size) {
  return operator new(size);
}
void* operator new(std::size_t size, std::nothrow_t const&) noexcept {
  return allocate(size);
}
void* operator new[](std::size_t size, std::nothrow_t const&) noexcept {
  return allocate(size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}
void operator delete[](void* memory) noexcept {
  std::free(memory);
}
void operator delete[](void* memory, std::size_t) noexcept {
  std::free(memory);
}

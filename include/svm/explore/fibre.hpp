// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#if !defined(__x86_64__) && !defined(__aarch64__)
#include <ucontext.h>

#include <memory>
#endif

#include <svm/config.hpp>

// What ASan and LSan want to know about stacks; null where the program is built without them. Their own headers need
// not be installed, so the types are theirs.
extern "C" {
[[gnu::weak]] void __sanitizer_start_switch_fiber(void** fake_stack_save, void const* bottom, std::size_t size);
[[gnu::weak]] void __sanitizer_finish_switch_fiber(void* fake_stack, void const** bottom_old, std::size_t* size_old);
[[gnu::weak]] void __lsan_register_root_region(void const* begin, std::size_t size);
}

namespace svm::inline v0::explore {

/// A stack with its own flow of control, on the one OS thread; a default-made one stands for the OS thread's own stack.
class fibre {
 public:
  using entry = void (*)();

  /// At least; sanitizers get four times as much.
  static constexpr std::size_t stack_size = std::size_t{256} << 10;

  fibre() = default;
  fibre(fibre const&) = delete;
  fibre& operator=(fibre const&) = delete;
  ~fibre() { release(); }

  [[nodiscard]] bool has_stack() const { return region_ != nullptr; }

  /// Gives it a stack; the first `switch_to` it calls `main`, which never returns.
  void prepare(entry main) {
    release();
    size_ = &__sanitizer_start_switch_fiber == nullptr ? stack_size : 4 * stack_size;
    auto* const region =
        mmap(nullptr, stride, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    if (region == MAP_FAILED) fail_assertion({"no address space for a stack", __FILE__, __LINE__, stride, 0});
    region_ = static_cast<std::byte*>(region);
    bottom_ = region_ + stride - size_;
    if (mprotect(bottom_, size_, PROT_READ | PROT_WRITE) != 0)
      fail_assertion({"no memory for a stack", __FILE__, __LINE__, size_, 0});
    first_frame(main);
  }

  /// Leaves the stack as it is for good: what it refers to stays referred to.
  void abandon() {
    if (&__lsan_register_root_region != nullptr && region_ != nullptr) __lsan_register_root_region(bottom_, size_);
    region_ = nullptr;
  }

  /// Goes on in `next`; returns when a fibre switches back here.
  void switch_to(fibre& next) {
    came_from = this;
    if (&__sanitizer_start_switch_fiber != nullptr)
      __sanitizer_start_switch_fiber(&fake_stack_, next.bottom_, next.size_);
    swap_stacks(*this, next);
    arrived(fake_stack_);
  }

  /// The first thing that `main` calls.
  static void started() { arrived(nullptr); }

 private:
  /// Address space a stack. All of it but the stack is its guard, and stacks so far apart are told apart by tools that
  /// watch the stack pointer.
  static constexpr std::size_t stride = std::size_t{4} << 20;

  // ASan tells here where the stack that was left lies; of the OS thread's own we do not know it otherwise.
  static void arrived(void* fake_stack) {
    if (&__sanitizer_finish_switch_fiber == nullptr) return;
    void const* bottom = nullptr;
    std::size_t size = 0;
    __sanitizer_finish_switch_fiber(fake_stack, &bottom, &size);
    came_from->bottom_ = const_cast<std::byte*>(static_cast<std::byte const*>(bottom));
    came_from->size_ = size;
  }

  void release() {
    if (region_ != nullptr) munmap(region_, stride);
    region_ = nullptr;
  }

#if defined(__x86_64__)
  void first_frame(entry main) {
    // After the jump the stack looks as after a call from address 0.
    auto* const top = reinterpret_cast<std::uintptr_t*>(bottom_ + size_) - 2;
    top[0] = reinterpret_cast<std::uintptr_t>(main);
    top[1] = 0;
    stack_pointer_ = reinterpret_cast<std::byte*>(top);
  }
  // Saves the resume address and the one register that cannot be declared as clobbered; the compiler saves what it
  // needs of the rest. The first line steps over the red zone.
  [[gnu::noinline]] static void swap_stacks(fibre& from, fibre& to) {
    std::byte** save = &from.stack_pointer_;
    std::byte* load = to.stack_pointer_;
    asm volatile(
        "leaq -128(%%rsp), %%rsp\n\t"
        "pushq %%rbp\n\t"
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "movq %%rsp, (%[save])\n\t"
        "movq %[load], %%rsp\n\t"
        "popq %%rax\n\t"
        "jmpq *%%rax\n"
        "1:\n\t"
        "popq %%rbp\n\t"
        "leaq 128(%%rsp), %%rsp"
        : [save] "+D"(save), [load] "+S"(load)
        :
        : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "xmm0", "xmm1", "xmm2",
          "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
          "memory", "cc");
  }
  std::byte* stack_pointer_ = nullptr;
#elif defined(__aarch64__)
  void first_frame(entry main) {
    auto* const top = reinterpret_cast<std::uintptr_t*>(bottom_ + size_) - 4;
    top[0] = 0;  // the frame pointer of nobody
    top[1] = reinterpret_cast<std::uintptr_t>(main);
    stack_pointer_ = reinterpret_cast<std::byte*>(top);
  }
  // Saves the resume address and the registers that cannot be declared as clobbered; the compiler saves what it needs of
  // the rest.
  [[gnu::noinline]] static void swap_stacks(fibre& from, fibre& to) {
    register std::byte** save asm("x0") = &from.stack_pointer_;
    register std::byte* load asm("x1") = to.stack_pointer_;
    asm volatile(
        "adr x9, 1f\n\t"
        "stp x29, x9, [sp, #-32]!\n\t"
        "str x19, [sp, #16]\n\t"
        "mov x10, sp\n\t"
        "str x10, [%[save]]\n\t"
        "mov sp, %[load]\n\t"
        "ldr x19, [sp, #16]\n\t"
        "ldp x29, x9, [sp], #32\n\t"
        "br x9\n"
        "1:"
        : [save] "+r"(save), [load] "+r"(load)
        :
        : "x2", "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14", "x15", "x16", "x17", "x20",
          "x21", "x22", "x23", "x24", "x25", "x26", "x27", "x28", "x30", "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7",
          "v8", "v9", "v10", "v11", "v12", "v13", "v14", "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23",
          "v24", "v25", "v26", "v27", "v28", "v29", "v30", "v31", "memory", "cc");
  }
  std::byte* stack_pointer_ = nullptr;
#else
  void first_frame(entry main) {
    getcontext(context_.get());
    context_->uc_stack.ss_sp = bottom_;
    context_->uc_stack.ss_size = size_;
    context_->uc_link = nullptr;
    makecontext(context_.get(), main, 0);
  }
  static void swap_stacks(fibre& from, fibre& to) {
    swapcontext(from.context_.get(), to.context_.get());
  }
  // Not a member: on some architectures it ends in an array without a size.
  std::unique_ptr<ucontext_t> context_ = std::make_unique<ucontext_t>();
#endif

  static inline thread_local fibre* came_from = nullptr;

  std::byte* region_ = nullptr;
  std::byte* bottom_ = nullptr;
  std::size_t size_ = 0;
  void* fake_stack_ = nullptr;
};

}  // namespace svm::inline v0::explore

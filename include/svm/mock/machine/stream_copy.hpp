// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace svm::inline v0::mock {

/// How bytes are copied.
enum class copy_way : std::uint8_t {
  cached,    ///< as memcpy does
  streamed,  ///< past the caches, where the processor can and no sanitizer has to see it
};

/// True where streamed copies are other than cached ones.
#if !defined(__SSE2__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool copies_stream = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
inline constexpr bool copies_stream = false;
#else
inline constexpr bool copies_stream = true;
#endif
#else
inline constexpr bool copies_stream = true;
#endif

/// Copies bytes that do not overlap. After streamed ones `finish_streaming` is due, before another thread looks.
inline void copy_bytes(std::byte* to, std::byte const* from, std::size_t size, [[maybe_unused]] copy_way way) {
#if defined(__SSE2__)
  constexpr std::size_t line = 64;
  bool const fits = size % line == 0 && reinterpret_cast<std::uintptr_t>(to) % sizeof(__m128i) == 0;
  if (copies_stream && way == copy_way::streamed && fits) {
    for (std::size_t i = 0; i < size; i += line) {
      auto const* const source = reinterpret_cast<__m128i const*>(from + i);
      auto* const target = reinterpret_cast<__m128i*>(to + i);
      __m128i const a = _mm_loadu_si128(source);
      __m128i const b = _mm_loadu_si128(source + 1);
      __m128i const c = _mm_loadu_si128(source + 2);
      __m128i const d = _mm_loadu_si128(source + 3);
      _mm_stream_si128(target, a);
      _mm_stream_si128(target + 1, b);
      _mm_stream_si128(target + 2, c);
      _mm_stream_si128(target + 3, d);
    }
    return;
  }
#endif
  std::memcpy(to, from, size);
}

/// Makes streamed copies visible as others are.
inline void finish_streaming() {
#if defined(__SSE2__)
  if constexpr (copies_stream) _mm_sfence();
#endif
}

}  // namespace svm::inline v0::mock

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#pragma once

#include <cstdio>
#include <type_traits>
#include <utility>

#include <svm/port/decorated.hpp>

namespace svm::inline v0::port {

/// Hears of calls. It may be called from any context in which a model is, and takes no lock of the library.
class call_log {
 public:
  virtual void begins(model_call c) noexcept = 0;
  /// The call has ended, with an error where it can have one.
  virtual void ends(model_call c, errc e) noexcept = 0;

 protected:
  ~call_log() = default;
};

/// Writes a line for each call that begins, indented by those that it is inside of, and one for each that fails. For one
/// thread.
class text_log final : public call_log {
 public:
  explicit text_log(std::FILE* out) : out_(out) {}
  void begins(model_call c) noexcept override { std::fprintf(out_, "%*s%s\n", 2 * depth_++, "", name(c)); }
  void ends(model_call c, errc e) noexcept override {
    --depth_;
    if (e != errc::ok) std::fprintf(out_, "%*s%s failed: %s\n", 2 * depth_, "", name(c), describe(e).cause);
  }

 private:
  std::FILE* out_;
  int depth_ = 0;
};

/// Tells a log of each call; of none while there is no log.
class call_reporter {
 public:
  /// \pre no other thread calls
  void to(call_log* log) { log_ = log; }

  template <class Run>
  auto around(model_call c, Run&& run) {
    using returned = std::invoke_result_t<Run>;
    if (log_ != nullptr) log_->begins(c);
    if constexpr (std::is_void_v<returned>) {
      std::forward<Run>(run)();
      if (log_ != nullptr) log_->ends(c, errc::ok);
    } else {
      returned answer = std::forward<Run>(run)();
      if (log_ != nullptr) log_->ends(c, error_of(answer));
      return answer;
    }
  }

 private:
  template <class T>
  [[nodiscard]] static errc error_of(T const& answer) {
    if constexpr (std::is_same_v<T, errc>)
      return answer;
    else if constexpr (std::is_integral_v<T>)
      return errc::ok;
    else
      return answer ? errc::ok : answer.error();
  }

  call_log* log_ = nullptr;
};

/// An mm, a device or a pagemap that tells a log of its calls: `model.tap().to(&log)`.
template <class Model>
using logging = decorated<Model, call_reporter>;

}  // namespace svm::inline v0::port

// SPDX-FileCopyrightText: 2026 The svm authors
// SPDX-License-Identifier: MIT
#include "svg_writer.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

namespace svmsh {

namespace {

std::string fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string s = text;
  if (s.find('.') != std::string::npos) {
    while (s.ends_with('0')) s.pop_back();
    if (s.ends_with('.')) s.pop_back();
  }
  return s;
}

}  // namespace

std::string xml_text(std::string_view content) {
  std::string text;
  for (std::size_t i = 0; i < content.size(); ++i) {
    char const c = content[i];
    switch (c) {
      case '<':
        text += "&lt;";
        break;
      case '>':
        text += "&gt;";
        break;
      case '&':
        text += "&amp;";
        break;
      default:
        text += static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f ? '?' : c;
    }
  }
  return text;
}

std::string number_text(double value) {
  return fixed(value, 2);
}
std::string precise_text(double value) {
  return fixed(value, 9);
}

std::string with_commas(std::string_view digits) {
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i != 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr std::array<char const*, 6> units = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (value >= 1024 && unit + 1 < units.size()) value /= 1024, ++unit;
  return fixed(value, value < 10 ? 1 : 0) + " " + units[unit];
}
std::string bytes_text(std::string_view digits) {
  std::uint64_t bytes = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), bytes);
  return bytes_text(bytes);
}

std::string count_text(double count) {
  if (count >= 1e9) return fixed(count / 1e9, 2) + " G";
  if (count >= 1e6) return fixed(count / 1e6, 2) + " M";
  if (count >= 1e3) return fixed(count / 1e3, 2) + " k";
  return fixed(count, 0);
}

std::string pages_text(std::uint64_t pages) {
  return with_commas(std::to_string(pages)) + (pages == 1 ? " page" : " pages");
}

double nice_step(double least) {
  double power = 1;
  for (;; power *= 10)
    for (double const factor : {1.0, 2.0, 5.0})
      if (factor * power >= least) return factor * power;
}

void svg_writer::attribute(std::string_view name, double value) {
  text_ += ' ';
  text_ += name;
  text_ += "=\"";
  text_ += number_text(value);
  text_ += '"';
}

void svg_writer::rect(double x, double y, double width, double height, std::string_view name) {
  text_ += "<rect class=\"" + std::string(name) + '"';
  attribute("x", x), attribute("y", y), attribute("width", width), attribute("height", height);
  text_ += "/>\n";
}

void svg_writer::line(double x1, double y1, double x2, double y2, std::string_view name) {
  text_ += "<line class=\"" + std::string(name) + '"';
  attribute("x1", x1), attribute("y1", y1), attribute("x2", x2), attribute("y2", y2);
  text_ += "/>\n";
}

void svg_writer::text(double x, double y, std::string_view name, std::string_view content) {
  text_ += "<text";
  if (!name.empty()) text_ += " class=\"" + std::string(name) + '"';
  attribute("x", x), attribute("y", y);
  text_ += ">" + xml_text(content) + "</text>\n";
}

void svg_writer::use(std::string_view id, double x, double y, double scale) {
  text_ += "<use href=\"#" + std::string(id) + '"';
  if (scale == 1) {
    attribute("x", x), attribute("y", y);
  } else {
    text_ += " transform=\"translate(" + number_text(x) + " " + number_text(y) + ")scale(" + number_text(scale) + ")\"";
  }
  text_ += "/>\n";
}

void svg_writer::hit(double x, double y, double width, double height, std::string_view title) {
  text_ += "<path class=\"hit\" d=\"M" + number_text(x) + " " + number_text(y) + "h" + number_text(width) + "v" +
           number_text(height) + "h-" + number_text(width) + "z\"><title>" + xml_text(title) + "</title></path>\n";
}

}  // namespace svmsh

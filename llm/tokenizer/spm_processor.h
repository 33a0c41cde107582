// The one door to libsentencepiece. sentencepiece_processor.h declares absl::string_view itself and cannot stand beside
// Abseil, so spm_processor.cc, which includes it, includes no Abseil, and neither does this header.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace gfn {

class SpmProcessor {
 public:
  // `model` is a serialised ModelProto that SpmModel::Parse accepts. Null, with the library's reason in *error, if it refuses.
  static std::unique_ptr<SpmProcessor> Load(std::string_view model, std::string* error);
  ~SpmProcessor();

  // Appends the ids of the text. May be called from several threads.
  void Encode(std::string_view text, std::vector<int32_t>* ids) const;

 private:
  struct Impl;
  explicit SpmProcessor(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace gfn

#include <algorithm>
#include <cstring>
#include <tuple>

#include "gflownet/base/file_util.h"
#include "gflownet/base/json_util.h"
#include "gflownet/base/safetensors_file.h"
#include "gflownet/base/safetensors_format.h"
#include "nlohmann/json.hpp"

namespace gfn {

struct SafetensorsWriter::State {
  struct Place {
    int64_t offset = 0;  // in the file
    int64_t size = 0;
    bool written = false;
  };
  AtomicFile file;
  std::map<std::string, Place, std::less<>> places;
};

SafetensorsWriter::SafetensorsWriter(std::unique_ptr<State> state) : state_(std::move(state)) {}
SafetensorsWriter::SafetensorsWriter(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter& SafetensorsWriter::operator=(SafetensorsWriter&&) noexcept = default;
SafetensorsWriter::~SafetensorsWriter() = default;

StatusOr<SafetensorsWriter> SafetensorsWriter::Create(const std::string& path, std::vector<TensorSpec> tensors,
                                                      const std::map<std::string, std::string>& metadata) {
  std::sort(tensors.begin(), tensors.end(),
            [](const TensorSpec& a, const TensorSpec& b) { return std::tie(a.dtype, a.name) < std::tie(b.dtype, b.name); });
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header[std::string(kSafetensorsMetadata)] = metadata;
  std::map<std::string, State::Place, std::less<>> places;
  int64_t end = 0;
  for (const TensorSpec& spec : tensors) {
    const auto refuse = [&](const std::string& message) { return InvalidArgument(path + ": " + message); };
    StatusOr<int64_t> bytes = TensorBytes(spec);
    if (!bytes.ok()) return refuse(Message(bytes.status()));
    if (spec.name == kSafetensorsMetadata) return refuse("a tensor cannot have the reserved name '__metadata__'");
    const int64_t begin = end;
    if (__builtin_add_overflow(begin, *bytes, &end)) return refuse("the tensors have more bytes than 64 bits can count");
    if (!places.emplace(spec.name, State::Place{begin, *bytes}).second)
      return refuse("tensor '" + spec.name + "' is given twice");
    header[spec.name] = {{"dtype", EnumName(spec.dtype)}, {"shape", spec.shape}, {"data_offsets", {begin, end}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception&) {
    return InvalidArgument(path + ": a tensor name or metadata is not valid UTF-8");
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  const uint64_t length = text.size();
  if (length > kMaxSafetensorsHeader) return InvalidArgument(path + ": names and metadata need more than the format's 100 MB");
  for (auto& [name, place] : places) place.offset += static_cast<int64_t>(8 + length);

  ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RETURN_IF_ERROR(file.WriteAt(0, std::as_bytes(std::span(&length, 1))));
  RETURN_IF_ERROR(file.WriteAt(8, std::as_bytes(std::span(text))));
  return SafetensorsWriter(std::make_unique<State>(State{std::move(file), std::move(places)}));
}

Status SafetensorsWriter::Write(std::string_view name, std::span<const std::byte> bytes) {
  const std::string what = state_->file.path() + ": tensor '" + std::string(name) + "'";
  const auto it = state_->places.find(name);
  if (it == state_->places.end()) return InvalidArgument(what + " was not announced to the writer");
  State::Place& place = it->second;
  if (place.written) return InvalidArgument(what + " is written twice");
  if (static_cast<int64_t>(bytes.size()) != place.size) {
    return InvalidArgument(what + " was announced with " + std::to_string(place.size) + " bytes, found " +
                           std::to_string(bytes.size()));
  }
  RETURN_IF_ERROR(state_->file.WriteAt(place.offset, bytes));
  place.written = true;
  return OkStatus();
}

Status SafetensorsWriter::Finish() {
  for (const auto& [name, place] : state_->places) {
    if (!place.written) return FailedPrecondition(state_->file.path() + ": tensor '" + name + "' was announced but not written");
  }
  return state_->file.Commit();
}

}  // namespace gfn

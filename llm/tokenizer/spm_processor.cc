#include "llm/tokenizer/spm_processor.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <utility>

#include "gflownet/base/check.h"

namespace gfn {

struct SpmProcessor::Impl {
  sentencepiece::SentencePieceProcessor processor;
};

SpmProcessor::SpmProcessor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SpmProcessor::~SpmProcessor() = default;

std::unique_ptr<SpmProcessor> SpmProcessor::Load(std::string_view model, std::string* error) {
  auto impl = std::make_unique<Impl>();
  try {
    const auto status = impl->processor.LoadFromSerializedProto(model);
    if (status.ok()) return std::unique_ptr<SpmProcessor>(new SpmProcessor(std::move(impl)));
    *error = status.ToString();
  } catch (const std::exception& e) {  // of the trie builder
    *error = e.what();
  }
  return nullptr;
}

void SpmProcessor::Encode(std::string_view text, std::vector<int32_t>* ids) const {
  std::vector<int> encoded;
  const auto status = impl_->processor.Encode(text, &encoded);
  GFN_CHECK(status.ok()) << "SentencePiece: " << status.ToString();
  ids->insert(ids->end(), encoded.begin(), encoded.end());
}

}  // namespace gfn

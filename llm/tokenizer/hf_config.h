// What a Hugging Face folder says beside the vocabulary: which tokens begin and end a text.
#pragma once

#include <string>

#include "gflownet/base/status.h"
#include "llm/tokenizer/vocabulary.h"

namespace gfn {

// Sets bos, eos and prepends_bos from tokenizer_config.json of the folder (names and add_bos_token) or, for what it does not
// say, config.json (ids). Files that are not there are no error. `template_begins_with_bos` is what tokenizer.json's
// post-processor says, for a tokenizer_config.json without add_bos_token.
Status SetEndsFromFolder(const std::string& folder, bool template_begins_with_bos, Vocabulary* vocabulary);

// The class that tokenizer_config.json names, "" if it names none.
StatusOr<std::string> TokenizerClassOfFolder(const std::string& folder);

}  // namespace gfn

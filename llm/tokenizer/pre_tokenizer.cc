#define PCRE2_CODE_UNIT_WIDTH 8
#include "llm/tokenizer/pre_tokenizer.h"

#include <pcre2.h>

#include <algorithm>
#include <array>

#include "gflownet/base/check.h"

namespace gfn {
namespace {

// White_Space inside brackets. PCRE2's own \s would need the mode UCP, and there it also holds U+180E, which is no space.
#define GFN_SPACE R"(\t-\r \x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"
#define GFN_SPACES_AT_END "[" GFN_SPACE "]+(?![^" GFN_SPACE "])|[" GFN_SPACE "]+"

struct Rule {
  PreTokenizerKind kind;
  std::string_view name;
  const char* pattern;       // for PCRE2
  std::string_view written;  // as tokenizer.json files write it; "" if it is not one pattern there
};

constexpr std::array<Rule, 4> kRules = {{
    // openai/gpt-2, src/encoder.py
    {PreTokenizerKind::kGpt2, "gpt2",
     R"('(?:[stmd]|re|ve|ll)| ?\p{L}+| ?\p{N}+| ?[^)" GFN_SPACE R"(\p{L}\p{N}]+|)" GFN_SPACES_AT_END,
     R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)"},
    // Cutting at digits first makes a digit the end of the text for what stands before it: white space before a digit is
    // one word, therefore the look-ahead also accepts \p{N}.
    {PreTokenizerKind::kSmollm, "smollm",
     R"('(?:[stmd]|re|ve|ll)| ?\p{L}+|\p{N}| ?[^)" GFN_SPACE R"(\p{L}\p{N}]+|[)" GFN_SPACE "]+(?![^" GFN_SPACE
     R"(\p{N}])|[)" GFN_SPACE "]+",
     ""},
    // meta-llama/llama3, llama/tokenizer.py
    {PreTokenizerKind::kLlamaBpe, "llama-bpe",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^)" GFN_SPACE R"(\p{L}\p{N}]+[\r\n]*|[)" GFN_SPACE
     R"(]*[\r\n]+|)" GFN_SPACES_AT_END,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
    // Qwen/Qwen2, tokenization_qwen2.py
    {PreTokenizerKind::kQwen2, "qwen2",
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^)" GFN_SPACE R"(\p{L}\p{N}]+[\r\n]*|[)" GFN_SPACE
     R"(]*[\r\n]+|)" GFN_SPACES_AT_END,
     R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)"},
}};

#undef GFN_SPACES_AT_END
#undef GFN_SPACE

struct Alias {
  std::string_view name;
  PreTokenizerKind kind;
  bool pattern_alone = false;  // see IsLlama3Name
};

// Names that llama.cpp (src/llama-vocab.cpp) gives to the same rules.
constexpr Alias kAliases[] = {
    {"gpt-2", PreTokenizerKind::kGpt2},
    {"phi-2", PreTokenizerKind::kGpt2},
    {"gigachat", PreTokenizerKind::kGpt2},
    {"a.x-4.0", PreTokenizerKind::kGpt2},
    {"mellum", PreTokenizerKind::kGpt2},
    {"exaone4", PreTokenizerKind::kGpt2},
    {"starcoder", PreTokenizerKind::kSmollm},
    {"refact", PreTokenizerKind::kSmollm},
    {"command-r", PreTokenizerKind::kSmollm},
    {"dbrx", PreTokenizerKind::kLlamaBpe, /*pattern_alone=*/true},
    {"smaug-bpe", PreTokenizerKind::kLlamaBpe, /*pattern_alone=*/true},
    {"llama3", PreTokenizerKind::kLlamaBpe},
    {"llama-v3", PreTokenizerKind::kLlamaBpe},
    {"falcon3", PreTokenizerKind::kLlamaBpe},
    {"falcon-h1", PreTokenizerKind::kLlamaBpe},
    {"pixtral", PreTokenizerKind::kLlamaBpe},
    {"midm-2.0", PreTokenizerKind::kLlamaBpe},
    {"lfm2", PreTokenizerKind::kLlamaBpe},
    {"deepseek-r1-qwen", PreTokenizerKind::kQwen2},
    {"kormo", PreTokenizerKind::kQwen2},
    {"megrez", PreTokenizerKind::kQwen2},
    {"stablelm2", PreTokenizerKind::kQwen2},
};

const Rule& RuleOf(PreTokenizerKind kind) {
  return *std::find_if(kRules.begin(), kRules.end(), [kind](const Rule& rule) { return rule.kind == kind; });
}

}  // namespace

std::string KnownPreTokenizers() {
  std::string names;
  for (const Rule& rule : kRules) names.append(names.empty() ? "" : ", ").append(rule.name);
  return names;
}

std::string_view PreTokenizerName(PreTokenizerKind kind) { return RuleOf(kind).name; }

StatusOr<PreTokenizerKind> PreTokenizerFromGgufName(std::string_view name, std::string_view where) {
  for (const Rule& rule : kRules) {
    if (rule.name == name) return rule.kind;
  }
  std::string names = KnownPreTokenizers();
  for (const Alias& alias : kAliases) {
    if (alias.name == name) return alias.kind;
    names.append(", ").append(alias.name);
  }
  return Unimplemented(std::string(where) + ": unknown pre-tokeniser '" + std::string(name) + "'; known ones: " + names);
}

bool IsLlama3Name(std::string_view name) {
  const auto alias = std::ranges::find(kAliases, name, &Alias::name);
  if (alias != std::end(kAliases)) return alias->kind == PreTokenizerKind::kLlamaBpe && !alias->pattern_alone;
  return name == PreTokenizerName(PreTokenizerKind::kLlamaBpe);
}

std::optional<PreTokenizerKind> PreTokenizerFromPattern(std::string_view pattern) {
  for (const Rule& rule : kRules) {
    if (!rule.written.empty() && rule.written == pattern) return rule.kind;
  }
  return std::nullopt;
}

std::string_view PreTokenizerPattern(PreTokenizerKind kind) {
  return kind == PreTokenizerKind::kGpt2 ? std::string_view() : RuleOf(kind).written;
}

struct PreTokenizer::Regex {
  explicit Regex(const char* pattern) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    // Every rule covers every character, so that a match begins where the last one ended: anchored. (As an option of
    // pcre2_match it would switch the JIT off.)
    code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern), PCRE2_ZERO_TERMINATED, PCRE2_UTF | PCRE2_ANCHORED, &error,
                         &offset, nullptr);
    GFN_CHECK(code != nullptr) << "PCRE2 error " << error << " at " << offset << " of " << pattern;
    // Where the system forbids executable memory there is no JIT; pcre2_match then interprets, more slowly.
    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);
  }
  ~Regex() { pcre2_code_free(code); }
  Regex(const Regex&) = delete;
  Regex& operator=(const Regex&) = delete;
  // Is there a match at the front of this well-formed text?
  bool Matches(std::string_view text) const {
    pcre2_match_data* const match = pcre2_match_data_create(1, nullptr);
    GFN_CHECK(match != nullptr) << "out of memory";
    const PCRE2_SPTR subject = reinterpret_cast<PCRE2_SPTR>(text.data());
    const int found = pcre2_match(code, subject, text.size(), 0, PCRE2_NO_UTF_CHECK, match, nullptr);
    pcre2_match_data_free(match);
    return found > 0;
  }

  pcre2_code* code;
};

bool IsWordCharacter(std::string_view character) {
  if (character.empty()) return false;
  static const PreTokenizer::Regex* const word = new PreTokenizer::Regex(R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}])");
  return word->Matches(character);
}

PreTokenizer::PreTokenizer(PreTokenizerKind kind) : kind_(kind), regex_(std::make_unique<const Regex>(RuleOf(kind).pattern)) {}
PreTokenizer::~PreTokenizer() = default;

void PreTokenizer::Split(std::string_view text, std::vector<std::string_view>* words) const {
  words->clear();
  const auto free_match = [](pcre2_match_data* data) { pcre2_match_data_free(data); };
  const std::unique_ptr<pcre2_match_data, decltype(free_match)> match(pcre2_match_data_create(1, nullptr), free_match);
  GFN_CHECK(match != nullptr) << "out of memory";
  const PCRE2_SIZE* const range = pcre2_get_ovector_pointer(match.get());
  const PCRE2_SPTR subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  constexpr uint32_t kOptions = PCRE2_NO_UTF_CHECK;
  for (size_t pos = 0; pos < text.size(); pos = range[1]) {
    int found = pcre2_match(regex_->code, subject, text.size(), pos, kOptions, match.get(), nullptr);
    if (found == PCRE2_ERROR_JIT_STACKLIMIT) {
      found = pcre2_match(regex_->code, subject, text.size(), pos, kOptions | PCRE2_NO_JIT, match.get(), nullptr);
    }
    GFN_CHECK(found > 0 && range[1] > pos) << "pre-tokeniser " << PreTokenizerName(kind_) << ", byte " << pos << ": PCRE2 "
                                           << found;
    words->push_back(text.substr(pos, range[1] - pos));
  }
}

}  // namespace gfn

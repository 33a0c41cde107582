#define PCRE2_CODE_UNIT_WIDTH 8
#include "tasks/text/pattern_term.h"

#include <pcre2.h>

#include "gflownet/base/text_util.h"

namespace gfn {
namespace {

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeMatch {
  void operator()(pcre2_match_data* match) const { pcre2_match_data_free(match); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;

StatusOr<Code> Compile(const std::string& pattern) {
  int error = 0;
  PCRE2_SIZE at = 0;
  // Tokens may hold parts of characters: such bytes match nothing that asks for characters, instead of being a fault.
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(), PCRE2_UTF | PCRE2_MATCH_INVALID_UTF,
                          &error, &at, nullptr));
  if (code != nullptr) return code;
  PCRE2_UCHAR message[160];
  pcre2_get_error_message(error, message, sizeof message);
  return InvalidArgument("'" + pattern + "' is no regular expression: " + reinterpret_cast<const char*>(message) +
                         " at character " + std::to_string(at));
}

class Pattern : public TextTerm {
 public:
  Pattern(const PatternTerm& config, Code code) : config_(config), code_(std::move(code)) {}

  StatusOr<std::vector<double>> Values(const std::vector<EndedText>& texts) const override {
    const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create_from_pattern(code_.get(), nullptr));
    std::vector<double> values;
    for (const EndedText& text : texts) {
      const int found =
          pcre2_match(code_.get(), reinterpret_cast<PCRE2_SPTR>(text.text.data()), text.text.size(), 0, 0, match.get(), nullptr);
      if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
        PCRE2_UCHAR message[160];
        pcre2_get_error_message(found, message, sizeof message);
        return FailedPrecondition("the pattern '" + config_.pattern + "' in '" + text.text +
                                  "': " + reinterpret_cast<const char*>(message));
      }
      values.push_back(found >= 0 ? config_.match : OtherwiseOf(config_.otherwise, config_.per_token, text));
    }
    return values;
  }

  std::string Digest() const override {
    return "pattern " + config_.pattern + ": " + FormatReal(config_.match) + ", otherwise " + FormatReal(config_.otherwise) +
           (config_.per_token ? " a token" : "");
  }

 private:
  PatternTerm config_;
  Code code_;
};

}  // namespace

void PatternTerm::Validate(ConfigErrors& errors) const {
  if (pattern.empty()) return;
  if (const auto code = Compile(pattern); !code.ok()) errors.Add("pattern", Message(code.status()));
}

StatusOr<std::unique_ptr<const TextTerm>> MakePatternTerm(const PatternTerm& config) {
  ASSIGN_OR_RETURN(Code code, Compile(config.pattern));
  return std::unique_ptr<const TextTerm>(std::make_unique<Pattern>(config, std::move(code)));
}

}  // namespace gfn

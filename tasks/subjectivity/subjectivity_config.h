// Classification with a latent rationale. Configuration only.
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tasks/text/text_config.h"

namespace gfn {

struct SubjectivityConfig : TextConfig {
  static constexpr std::string_view kKind = "subjectivity";
  std::vector<std::string> labels = {"objective", "subjective"};
  std::string answer = "so it is {Y}.";
  double wrong_label_penalty = 50;

  SubjectivityConfig() {
    data.fields.x = {"text"};
    data.fields.y = {"label"};
    data.fields.z = {"rationale"};
    prompt = "Classify this movie review as objective or subjective: \"{X}\" This review is";
    reward_prompt = prompt;
    prompt_reads_y = false;  // it is what is to be guessed
    support.min_len = 1;
    support.max_len = 5;
    // The comma that the answer begins with: ending the rationale is an action of q, and what R scores behind z is ", so it is
    // ..." as it stands.
    support.stop = {","};
    support.forbidden_characters = ".!?\n\r,\"";
    baselines = {{"untrained", prompt}};
  }

  template <class V>
  void Visit(V& v) {
    TextConfig::Visit(v);
    v("labels", labels, "the labels", NonEmpty{});
    v("answer", answer, "what stands behind the rationale and its stop: a text with {Y}, the label", NonEmpty{});
    v("wrong_label_penalty", wrong_label_penalty,
      "taken from log R where the frozen model finds another label likelier behind the rationale; 0: nothing", NonNegative());
    v("answer_model", answer_model,
      "an adapter of its own for p(answer | x z), fitted to rationales that the sampler draws (EM); null: the frozen model "
      "answers");
  }
  void Validate(ConfigErrors& errors) const {
    TextConfig::Validate(errors);
    if (labels.size() < 2) errors.Add("labels", "needs at least two labels");
    for (size_t i = 0; i < labels.size(); ++i) {
      if (std::count(labels.begin(), labels.end(), labels[i]) > 1) errors.Add("labels", "has '" + labels[i] + "' twice");
    }
    if (answer.find("{Y}") == std::string::npos) errors.Add("answer", "does not contain {Y}: every label would be the same");
  }
};

}  // namespace gfn

#include "tasks/text/command_term.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "gflownet/base/child_process.h"
#include "gflownet/base/text_util.h"
#include "tasks/text/text_data.h"

namespace gfn {
namespace {

using nlohmann::json;

class Command : public TextTerm {
 public:
  Command(const CommandTerm& config, std::string name, const Tokenizer& tokenizer, std::unique_ptr<ChildProcess> program)
      : config_(config), name_(std::move(name)), tokenizer_(tokenizer), program_(std::move(program)) {}

  StatusOr<std::vector<double>> Values(const std::vector<EndedText>& texts) const override {
    // Rollouts share prefixes: the program hears of each text once.
    std::map<std::string, size_t> numbers;
    std::vector<json> asked;
    std::vector<size_t> number_of;
    for (const EndedText& text : texts) {
      json item = {
          {"x", Text(text.condition->x)},
          {"y", Text(text.condition->y)},
          {"text", ReplaceInvalidUtf8(text.text)},
          {"stop", text.stop < 0 ? "" : ReplaceInvalidUtf8(std::string(tokenizer_.TokenBytes(static_cast<int32_t>(text.stop))))}};
      const auto [place, is_new] = numbers.emplace(item.dump(), asked.size());
      if (is_new) asked.push_back(std::move(item));
      number_of.push_back(place->second);
    }
    std::vector<double> answers;
    const std::lock_guard<std::mutex> lock(mutex_);
    for (size_t begin = 0; begin < asked.size(); begin += static_cast<size_t>(config_.batch)) {
      const size_t end = std::min(asked.size(), begin + static_cast<size_t>(config_.batch));
      const json question = {
          {"texts", std::vector<json>(asked.begin() + static_cast<int64_t>(begin), asked.begin() + static_cast<int64_t>(end))}};
      const auto line = program_->Ask(question.dump(), config_.timeout_s);
      if (!line.ok()) return Annotate(line.status(), "task.reward, term " + name_);
      RETURN_IF_ERROR(ReadAnswer(*line, end - begin, answers));
    }
    std::vector<double> values;
    for (const size_t number : number_of) values.push_back(answers[number]);
    return values;
  }

  std::string Digest() const override { return "command " + Join(config_.command, " "); }

 private:
  std::string Text(const std::vector<int32_t>& tokens) const { return ReplaceInvalidUtf8(tokenizer_.Decode(tokens)); }

  Status Refuse(const std::string& what, const std::string& line) const {
    constexpr size_t kShown = 300;
    return FailedPrecondition("task.reward, term " + name_ + ": " + what + ", found " + line.substr(0, kShown) +
                              (line.size() > kShown ? "..." : "") + "\nfrom " + program_->Describe());
  }

  Status ReadAnswer(const std::string& line, size_t wanted, std::vector<double>& answers) const {
    const json answer = json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!answer.is_object() || !answer.contains("log_rewards") || !answer["log_rewards"].is_array()) {
      return Refuse("expected a line {\"log_rewards\": [numbers]}" +
                        std::string(answer.is_discarded() ? ", which is no JSON (NaN and Infinity are none)" : ""),
                    line);
    }
    const json& list = answer["log_rewards"];
    if (list.size() != wanted)
      return Refuse("expected " + std::to_string(wanted) + " log rewards for as many texts, found " + std::to_string(list.size()),
                    line);
    for (const json& value : list) {
      if (!value.is_number() || !std::isfinite(value.get<double>())) return Refuse("expected finite log rewards", line);
      answers.push_back(value.get<double>());
    }
    return OkStatus();
  }

  CommandTerm config_;
  std::string name_;
  const Tokenizer& tokenizer_;
  std::unique_ptr<ChildProcess> program_;
  mutable std::mutex mutex_;
};

}  // namespace

StatusOr<std::unique_ptr<const TextTerm>> MakeCommandTerm(const CommandTerm& config, const std::string& name,
                                                          const Tokenizer& tokenizer) {
  auto program = ChildProcess::Start(config.command);
  if (!program.ok()) return Annotate(program.status(), "task.reward, term " + name);
  return std::unique_ptr<const TextTerm>(std::make_unique<Command>(config, name, tokenizer, *std::move(program)));
}

}  // namespace gfn

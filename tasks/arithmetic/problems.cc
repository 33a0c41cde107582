#include "tasks/arithmetic/problems.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "gflownet/base/file_util.h"
#include "gflownet/base/rng.h"

namespace gfn {
namespace {

using nlohmann::json;

struct Question {
  std::vector<int64_t> numbers;
  std::vector<bool> minus;
  auto operator<=>(const Question&) const = default;
};

// Questions that were not drawn before.
class Questions {
 public:
  explicit Questions(uint64_t seed) : key_{seed, RngPurpose::kData, 0} {}

  StatusOr<std::vector<Question>> Draw(int64_t operands, int64_t count) {
    const double different = std::pow(10.0, static_cast<double>(operands)) * std::pow(2.0, static_cast<double>(operands - 1));
    int64_t& drawn = num_drawn_[operands];
    if (static_cast<double>(drawn + count) > 0.5 * different) {
      return InvalidArgument(std::to_string(drawn + count) + " questions of " + std::to_string(operands) +
                             " numbers are asked for, more than half of the " + std::to_string(static_cast<int64_t>(different)) +
                             " that there are");
    }
    drawn += count;
    std::vector<Question> questions;
    while (static_cast<int64_t>(questions.size()) < count) {
      Question question;
      const uint64_t stream = next_++;
      for (int64_t i = 0; i < operands; ++i) {
        question.numbers.push_back(UniformInt(key_, stream, static_cast<uint64_t>(2 * i), 10));
        if (i > 0) question.minus.push_back(UniformInt(key_, stream, static_cast<uint64_t>(2 * i + 1), 2) == 1);
      }
      if (known_.insert(question).second) questions.push_back(std::move(question));
    }
    return questions;
  }

 private:
  RngKey key_;
  uint64_t next_ = 0;
  std::map<int64_t, int64_t> num_drawn_;
  std::set<Question> known_;
};

// The first `worked` lines have their solution.
Status WriteQuestions(const std::string& folder, const std::string& name, const std::vector<Question>& questions, size_t worked) {
  std::string text;
  for (size_t i = 0; i < questions.size(); ++i) {
    json line = ArithmeticLine(name + "_" + std::to_string(i), questions[i].numbers, questions[i].minus);
    if (i >= worked) line.erase("z");
    text += line.dump() + "\n";
  }
  return WriteFileAtomic(folder + "/" + name + ".jsonl", text);
}

// `count` questions, as evenly over the numbers of operands as it goes, one of each in turn.
StatusOr<std::vector<Question>> DrawMixed(Questions& questions, const std::vector<int64_t>& operands, int64_t count) {
  std::vector<Question> mixed(static_cast<size_t>(count));
  const auto kinds = static_cast<int64_t>(operands.size());
  for (int64_t kind = 0; kind < kinds; ++kind) {
    const int64_t of_kind = (count - kind + kinds - 1) / kinds;
    ASSIGN_OR_RETURN(std::vector<Question> drawn, questions.Draw(operands[kind], of_kind));
    for (int64_t i = 0; i < of_kind; ++i) mixed[i * kinds + kind] = std::move(drawn[i]);
  }
  return mixed;
}

}  // namespace

json ArithmeticLine(const std::string& id, const std::vector<int64_t>& numbers, const std::vector<bool>& minus) {
  std::string question = std::to_string(numbers[0]), solution;
  int64_t value = numbers[0];
  for (size_t i = 1; i < numbers.size(); ++i) {
    const std::string step = std::string(minus[i - 1] ? " - " : " + ") + std::to_string(numbers[i]);
    question += step;
    solution += (i > 1 ? ", " : "") + std::to_string(value) + step;
    value += minus[i - 1] ? -numbers[i] : numbers[i];
    solution += " = " + std::to_string(value);
  }
  return {{"id", id},
          {"x", "Question: " + question + " = ? Answer:"},
          {"z", solution + "."},
          {"y", "The answer is " + std::to_string(value) + "."}};
}

void ArithmeticData::Validate(ConfigErrors& errors) const {
  for (const auto& [key, list] : {std::pair("operands", &operands), std::pair("beyond", &beyond)}) {
    for (const int64_t n : *list) {
      if (n < 2 || n > 12) errors.Add(key, "a question has 2 to 12 numbers, found " + std::to_string(n));
    }
  }
}

Status WriteData(const ArithmeticData& data, const std::string& folder) {
  std::set<int64_t> tested(data.operands.begin(), data.operands.end());
  tested.insert(data.beyond.begin(), data.beyond.end());
  Questions questions(static_cast<uint64_t>(data.seed));
  for (const int64_t n : tested) {
    ASSIGN_OR_RETURN(const std::vector<Question> test, questions.Draw(n, data.test));
    RETURN_IF_ERROR(WriteQuestions(folder, "test_" + std::to_string(n), test, test.size()));
  }
  ASSIGN_OR_RETURN(const std::vector<Question> demonstrations, DrawMixed(questions, data.operands, data.demonstrations));
  RETURN_IF_ERROR(WriteQuestions(folder, "demonstrations", demonstrations, demonstrations.size()));
  ASSIGN_OR_RETURN(const std::vector<Question> train, DrawMixed(questions, data.operands, data.train));
  return WriteQuestions(folder, "train", train, static_cast<size_t>(data.worked));
}

}  // namespace gfn

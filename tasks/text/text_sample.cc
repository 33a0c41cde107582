// Samples of the trained sampler, and its numbers of given objects, as JSON lines.
#include <algorithm>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "gflownet/base/jsonl.h"
#include "gflownet/base/text_util.h"
#include "tasks/text/text_methods.h"
#include "tasks/text/text_metrics.h"
#include "tasks/text/text_task.h"

namespace gfn {
namespace {

using nlohmann::json;

// Bytes as hexadecimal digits, and back (nullopt: it is none).
std::string ToHex(std::string_view bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string hex;
  for (const unsigned char byte : bytes) hex.append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  return hex;
}
std::optional<std::string> FromHex(std::string_view hex) {
  if (hex.size() % 2 != 0 || hex.find_first_not_of("0123456789abcdefABCDEF") != std::string_view::npos) return std::nullopt;
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) bytes += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return bytes;
}

// What an object is: its condition, its text as it stands (the space that it begins with kept), its ids with the stop. JSON holds
// UTF-8 only: where the bytes are none, "text" shows U+FFFD in their place and "text_hex" is what they are.
json ObjectLine(const TextParts& parts, const TextExample& example, const std::vector<int32_t>& tokens) {
  const std::string text = DecodeAsItStands(*parts.tokenizer, tokens);
  json line = {{"id", example.id}, {"text", ReplaceInvalidUtf8(text)}, {"ids", tokens}};
  const TextFields fields = parts.kind->LineFields();
  for (const std::string& name : fields.x) line[name] = example.x;
  for (const std::string& name : fields.y) line[name] = example.y;
  if (FindInvalidUtf8(text)) line["text_hex"] = ToHex(text);
  return line;
}

json ScoredLine(const TextParts& parts, const TextExample& example, const SampledText& sample) {
  std::vector<int32_t> tokens = sample.tokens;
  tokens.push_back(static_cast<int32_t>(sample.stop));
  json line = ObjectLine(parts, example, tokens);
  line["log_pf"] = sample.log_q;
  line["log_reward"] = sample.log_reward;
  line["terms"] = sample.terms;
  return line;
}

// Calls fn(number, line, where) for the lines of a file, or of standard input as they come in.
template <class F>
Status ForEachLine(const std::string& path, const F& fn) {
  StatusOr<JsonlReader> reader = path == "-" ? JsonlReader(std::cin, "standard input") : JsonlReader::Open(path);
  RETURN_IF_ERROR(reader.status());
  json line;
  for (size_t number = 0;; ++number) {
    ASSIGN_OR_RETURN(const bool more, reader->Next(&line));
    if (!more) return number > 0 ? OkStatus() : InvalidArgument(path + ": no lines");
    RETURN_IF_ERROR(fn(number, line, reader->Where()));
  }
}

// Reads given objects line by line and scores them, some at a time.
class Scorer {
 public:
  Scorer(TextParts& parts, const ScoreRequest& request, const EmitLine& emit)
      : parts_(parts), emit_(emit), rows_at_a_time_(request.file == "-" ? 1 : parts.settings.evaluation.batch_rows) {}

  // Conditions that lines may name by their ids.
  Status AddInput(const std::string& path) {
    ASSIGN_OR_RETURN(const std::vector<TextExample> examples, ReadTextExamples(path, parts_.config().data.fields));
    for (const TextExample& example : examples) {
      if (!by_id_.emplace(example.id, example).second) repeated_.insert(example.id);
    }
    return OkStatus();
  }

  Status Add(const json& line, const std::string& where) {
    Row row;
    ASSIGN_OR_RETURN(row.example, ExampleOf(line, where));
    ASSIGN_OR_RETURN(row.tokens, TokensOf(line, row.example, where));
    ASSIGN_OR_RETURN(row.condition, AddCondition(parts_, parts_.config().prompt, row.example));
    row.outside = Outside(row);
    rows_.push_back(std::move(row));
    return static_cast<int64_t>(rows_.size()) < rows_at_a_time_ ? OkStatus() : Flush();
  }

  Status Flush() {
    std::vector<ConditionId> conditions;
    std::vector<std::vector<int32_t>> objects;
    for (const Row& row : rows_) {
      if (!row.outside.empty()) continue;
      conditions.push_back(row.condition);
      objects.push_back(row.tokens);
    }
    std::vector<SampledText> scored;
    if (!objects.empty()) {
      ASSIGN_OR_RETURN(scored, ScoreTexts(*parts_.environment, *parts_.policy, *parts_.reward, conditions, objects));
    }
    size_t next = 0;
    for (const Row& row : rows_) {
      if (row.outside.empty()) {
        RETURN_IF_ERROR(emit_(ScoredLine(parts_, row.example, scored[next++])));
        continue;
      }
      json line = ObjectLine(parts_, row.example, InVocabulary(row.tokens));
      line["ids"] = row.tokens;
      line["outside"] = row.outside;
      line["log_pf"] = nullptr;
      RETURN_IF_ERROR(emit_(line));
    }
    rows_.clear();
    return OkStatus();
  }

 private:
  struct Row {
    TextExample example;
    ConditionId condition;
    std::vector<int32_t> tokens;  // with the stop
    std::string outside;          // why the sampler never draws it; "": it may
  };

  // A line's own condition (by the paths of the data, or as samples are written), or the one that its id names.
  StatusOr<TextExample> ExampleOf(const json& line, const std::string& where) const {
    const TextFields& fields = parts_.config().data.fields;
    StatusOr<TextExample> own = ParseTextExample(line, fields, where);
    if (own.ok()) return own;
    StatusOr<TextExample> sampled = ParseTextExample(line, parts_.kind->LineFields(), where);
    if (sampled.ok()) return sampled;
    if (by_id_.empty()) return Annotate(own.status(), "no condition (give --input, and lines may name its examples by \"id\")");
    if (!line.contains("id") || !(line["id"].is_string() || line["id"].is_number_integer()))
      return InvalidArgument(where + ": expected a condition, or under \"id\" the name of an example of --input");
    const std::string id = line["id"].is_string() ? line["id"].get<std::string>() : line["id"].dump();
    const auto found = by_id_.find(id);
    if (found == by_id_.end()) return InvalidArgument(where + ": no example of --input has the id '" + id + "'");
    if (repeated_.contains(id)) return InvalidArgument(where + ": several examples of --input have the id '" + id + "'");
    return found->second;
  }

  StatusOr<std::vector<int32_t>> TokensOf(const json& line, const TextExample& example, const std::string& where) const {
    std::optional<std::string> text;
    for (const char* key : {"text", "text_hex"}) {
      if (!line.contains(key)) continue;
      if (!line[key].is_string()) return InvalidArgument(where + ": expected a text under \"" + key + "\"");
      text = line[key].get<std::string>();
      if (key != std::string_view("text_hex")) continue;
      text = FromHex(*text);
      if (!text) return InvalidArgument(where + ": \"text_hex\" is not bytes as hexadecimal digits");
    }
    if (!line.contains("ids")) {
      if (text) return WithStop(parts_.tokenizer->Encode(*text, {.parse_special = false, .continuation = true}));
      if (!example.z.empty()) return WithStop(EncodeContinuation(*parts_.tokenizer, example.z));
      return InvalidArgument(where + ": expected an object: \"ids\", \"text\" or the reference of task.data.fields.z");
    }
    const json& ids = line["ids"];
    const auto is_id = [](const json& id) { return id.is_number_integer() && id.get<int64_t>() == id.get<int32_t>(); };
    if (!ids.is_array() || !std::all_of(ids.begin(), ids.end(), is_id))
      return InvalidArgument(where + ": expected a list of token ids under \"ids\"");
    const auto tokens = ids.get<std::vector<int32_t>>();
    const std::string said = DecodeAsItStands(*parts_.tokenizer, InVocabulary(tokens));
    if (text && *text != said && *text != ReplaceInvalidUtf8(said)) {
      return InvalidArgument(where + ": \"text\" and \"ids\" are not the same object: the ids are \"" + ReplaceInvalidUtf8(said) +
                             "\"; leave one of them out");
    }
    return tokens;
  }

  bool IsStop(int32_t id) const { return parts_.environment->rules().StopIndex(id) >= 0; }

  // A stop that is a special token stands in no text.
  std::vector<int32_t> WithStop(std::vector<int32_t> tokens) const {
    const std::vector<int64_t>& stops = parts_.environment->support().stop_ids;
    const bool hidden = stops.size() == 1 && parts_.tokenizer->IsSpecial(static_cast<int32_t>(stops[0]));
    if (hidden && (tokens.empty() || !IsStop(tokens.back()))) tokens.push_back(static_cast<int32_t>(stops[0]));
    return tokens;
  }

  // Those ids that the tokenizer knows: what can be shown of others is their number.
  std::vector<int32_t> InVocabulary(std::vector<int32_t> tokens) const {
    std::erase_if(tokens, [&](int32_t id) { return id < 0 || id >= parts_.tokenizer->vocab_size(); });
    return tokens;
  }

  std::string Outside(const Row& row) const {
    const std::vector<int32_t>& tokens = row.tokens;
    const auto show = [&](int32_t id) {
      const bool known = id >= 0 && id < parts_.tokenizer->vocab_size();
      return known ? "'" + ReplaceInvalidUtf8(std::string(parts_.tokenizer->TokenName(id))) + "'" : std::string("unknown");
    };
    if (tokens.empty() || !IsStop(tokens.back())) {
      std::vector<std::string> stops;
      for (const int64_t stop : parts_.environment->support().stop_ids) stops.push_back(show(static_cast<int32_t>(stop)));
      return "it does not end with a stop: " + Join(stops, " or ");
    }
    return parts_.environment->rules().WhyNot(parts_.conditions.Get(row.condition), {tokens.data(), tokens.size() - 1}, show);
  }

  TextParts& parts_;
  const EmitLine& emit_;
  int64_t rows_at_a_time_;
  std::map<std::string, TextExample> by_id_;
  std::set<std::string> repeated_;
  std::vector<Row> rows_;
};

// By a method of decoding: all samples of a line at once.
Status DecodeExample(TextParts& parts, const SampleRequest& request, uint64_t number, const TextExample& example,
                     const EmitLine& emit) {
  ASSIGN_OR_RETURN(const DecodingMethod method, ParseMethod(request.method));
  ASSIGN_OR_RETURN(const ConditionId condition, AddCondition(parts, parts.config().prompt, example));
  ASSIGN_OR_RETURN(const MethodSamples drawn,
                   DrawByMethod(parts, method, *parts.policy, condition, request.num, EvaluationOptions(parts).temperature,
                                {request.seed, RngPurpose::kSample, number}));
  for (const SampledText& sample : drawn.samples.samples) {
    json line = ScoredLine(parts, example, sample);
    if (drawn.log_z) line["log_z"] = *drawn.log_z;
    if (drawn.ess) line["ess"] = *drawn.ess;
    RETURN_IF_ERROR(emit(line));
  }
  return OkStatus();
}

Status SampleExample(TextParts& parts, const SampleRequest& request, uint64_t number, const TextExample& example,
                     const EmitLine& emit) {
  if (!request.method.empty()) return DecodeExample(parts, request, number, example, emit);
  SamplerEvaluationOptions options;
  options.batch_rows = parts.settings.evaluation.batch_rows;
  options.exploration = request.exploration;
  options.key = {request.seed, RngPurpose::kSample, number};
  ASSIGN_OR_RETURN(const ConditionId condition, AddCondition(parts, parts.config().prompt, example));
  for (int64_t first = 0; first < request.num; first += options.batch_rows) {
    options.first_sample = first;
    options.num_samples = std::min(options.batch_rows, request.num - first);
    ASSIGN_OR_RETURN(const auto samples,
                     SampleConditions(*parts.environment, *parts.policy, *parts.reward, {condition}, options));
    for (const SampledText& sample : samples[0].samples) RETURN_IF_ERROR(emit(ScoredLine(parts, example, sample)));
  }
  return OkStatus();
}

}  // namespace

Status SampleLines(TextParts& parts, const SampleRequest& request, const EmitLine& emit) {
  if (!request.method.empty()) RETURN_IF_ERROR(ParseMethod(request.method).status());
  const TextFields& fields = parts.config().data.fields;
  if (request.input.empty())
    return InvalidArgument("--input is missing: JSON lines with the fields of task.data.fields; - is standard input");
  if (request.input == "-") {
    // Each line is answered when it comes in: whoever writes it may wait for that.
    return ForEachLine("-", [&](size_t number, const json& line, const std::string& where) -> Status {
      ASSIGN_OR_RETURN(const TextExample example, ParseTextExample(line, fields, where));
      return SampleExample(parts, request, number, example, emit);
    });
  }
  // A file is read to its end first: a mistake in its last line shows before the work.
  ASSIGN_OR_RETURN(const std::vector<TextExample> examples, ReadTextExamples(request.input, fields));
  for (size_t i = 0; i < examples.size(); ++i) RETURN_IF_ERROR(SampleExample(parts, request, i, examples[i], emit));
  return OkStatus();
}

Status ScoreLines(TextParts& parts, const ScoreRequest& request, const EmitLine& emit) {
  Scorer scorer(parts, request, emit);
  if (!request.input.empty()) RETURN_IF_ERROR(scorer.AddInput(request.input));
  RETURN_IF_ERROR(
      ForEachLine(request.file, [&](size_t, const json& line, const std::string& where) { return scorer.Add(line, where); }));
  return scorer.Flush();
}

}  // namespace gfn

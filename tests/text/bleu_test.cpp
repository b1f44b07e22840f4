#include <unroll/text/bleu.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>
#include <unroll/tests/text/metric_cases.h>

#include <cmath>

using namespace unroll;
using namespace unroll::text;

TEST_CASE("corpus_bleu gives the figures of sacreBLEU") {
  const auto cases = metric_cases();
  REQUIRE(cases.size() >= 30);
  for (const MetricCase& c : cases) {
    INFO(c.name);
    const auto& expected = c.expected.at("bleu");
    const BleuScore bleu = corpus_bleu(c.hypotheses, c.references);
    CHECK(bleu.score == Approx(expected.at("score").get<double>()).margin(1e-9));
    CHECK(bleu.brevity_penalty ==
          Approx(expected.at("brevity_penalty").get<double>()).margin(1e-12));
    CHECK(bleu.hypothesis_length == expected.at("hypothesis_length"));
    CHECK(bleu.reference_length == expected.at("reference_length"));
    for (std::size_t n = 0; n < kBleuOrder; ++n) {
      INFO("order " << n + 1);
      CHECK(bleu.matches[n] == expected.at("matches")[n]);
      CHECK(bleu.totals[n] == expected.at("totals")[n]);
      CHECK(bleu.precisions[n] == Approx(expected.at("precisions")[n].get<double>()).margin(1e-9));
    }
  }
}

TEST_CASE("tokenize_13a gives the words of sacreBLEU") {
  for (const MetricCase& c : metric_cases()) {
    for (std::size_t i = 0; i < c.hypotheses.size(); ++i) {
      INFO(c.name << ": " << c.hypotheses[i]);
      const std::vector<std::string> expected = c.expected.at("tokens_13a")[i];
      CHECK(tokenize_13a(c.hypotheses[i]) == expected);
    }
  }
}

TEST_CASE("corpus_bleu worked by hand") {
  // 5, 3, 2 and 1 of 6, 5, 4 and 3 n-grams match; one word fewer than the reference.
  const BleuScore bleu = corpus_bleu({"a b c d x f"}, {"a b c d e f g"});
  const double precision = (5.0 / 6) * (3.0 / 5) * (2.0 / 4) * (1.0 / 3);
  CHECK(bleu.score == Approx(100 * std::exp(1 - 7.0 / 6) * std::pow(precision, 0.25)).margin(1e-9));
}

TEST_CASE("corpus_bleu takes invalid UTF-8 for U+FFFD") {
  CHECK(corpus_bleu({"a b c \xFF"}, {"a b c \xEF\xBF\xBD"}).score == Approx(100.0));
}

TEST_CASE("corpus_bleu refuses lists that do not fit") {
  CHECK_THROWS_AS(corpus_bleu({}, {}), ValueError);
  CHECK_THROWS_AS(corpus_bleu({"a"}, {"a", "b"}), ValueError);
  CHECK(contains(thrown_message([] {
                   corpus_bleu({"a"}, {"a", "b"});
                 }),
                 "1 hypotheses, 2 references"));
}

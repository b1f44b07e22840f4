#include <unroll/text/exact_match.h>

#include <unroll/autograd/error.h>
#include <unroll/tests/support/catch.h>

using namespace unroll;
using namespace unroll::text;

TEST_CASE("exact_match is a share of a hundred") {
  CHECK(exact_match({"a", "b", "c ", ""}, {"a", "B", "c", ""}) == 50.0);
  CHECK(exact_match({"a", "a", "b"}, {"a", "b", "a"}) == Approx(100.0 / 3));
}

TEST_CASE("exact_match refuses lists that do not fit") {
  CHECK_THROWS_AS(exact_match({}, {}), ValueError);
  CHECK_THROWS_AS(exact_match({"a"}, {"a", "b"}), ValueError);
}

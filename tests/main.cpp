// The test binary's main, the same for Catch2 versions 2 and 3.
#define CATCH_CONFIG_RUNNER  // read by version 2 only
#include <unroll/tests/support/catch.h>

int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }

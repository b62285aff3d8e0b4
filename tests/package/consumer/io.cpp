// A third unit, linked with cmoe::io: the headers that need nlohmann-json and zlib.
#include <cmoe/io/checkpoint.hpp>
#include <cmoe/io/stream.hpp>
#include <cmoe/io/tokenizer.hpp>

cmoe::Stream read(const std::string& folder) { return cmoe::read_stream(folder); }

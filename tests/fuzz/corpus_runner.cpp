// SPDX-License-Identifier: BSD-3-Clause
// A main for fuzz targets where there is no libFuzzer:
//   fuzz_NAME [--edits N] [--seed S] FILE_OR_DIRECTORY...
// Feeds each file, and N random edits of each; prints the seed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "fuzz_target.hpp"

namespace {

using input = std::vector<std::uint8_t>;

input read_file(const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

// Flips a bit, overwrites or removes some bytes, or cuts the end off, one to four times.
input edit(input bytes, std::mt19937& random) {
    const auto below = [&](std::size_t limit) {
        return random() % std::max<std::size_t>(limit, 1);
    };
    for (std::size_t times = 1 + below(4); times > 0 && !bytes.empty(); --times) {
        const std::size_t at =
            below(2) == 0 ? below(std::min<std::size_t>(bytes.size(), 300)) : below(bytes.size());
        const auto here = bytes.begin() + static_cast<std::ptrdiff_t>(at);
        const auto some =
            static_cast<std::ptrdiff_t>(std::min<std::size_t>(bytes.size() - at, 1 + below(8)));
        switch (below(8)) {
            case 0:
                bytes.erase(here, here + some);
                break;
            case 1:
                bytes.erase(here, bytes.end());
                break;
            case 2:
                std::fill(here, here + some, static_cast<std::uint8_t>(below(2) * 255));
                break;
            case 3:
            case 4:
                for (auto i = here; i != here + some; ++i) {
                    *i = static_cast<std::uint8_t>(below(256));
                }
                break;
            default:
                *here = static_cast<std::uint8_t>(*here ^ (1U << below(8)));
        }
    }
    return bytes;
}

void feed(const input& bytes) { LLVMFuzzerTestOneInput(bytes.data(), bytes.size()); }

std::vector<std::filesystem::path> files_of(const std::string& path) {
    if (!std::filesystem::is_directory(path)) {
        return {path};
    }
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(path)) {
        found.push_back(entry.path());
    }
    return found;
}

}  // namespace

int main(int argc, char** argv) {
    unsigned long edits = 0;
    unsigned long seed = std::random_device{}();
    std::vector<std::filesystem::path> files;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        if (argument == "--edits" && i + 1 < argc) {
            edits = std::strtoul(argv[++i], nullptr, 10);
        } else if (argument == "--seed" && i + 1 < argc) {
            seed = std::strtoul(argv[++i], nullptr, 10);
        } else {
            const auto more = files_of(argument);
            files.insert(files.end(), more.begin(), more.end());
        }
    }
    std::printf("%zu files, %lu edits of each, seed %lu\n", files.size(), edits, seed);
    std::fflush(stdout);
    std::mt19937 random(static_cast<std::mt19937::result_type>(seed));
    for (const auto& file : files) {
        const input original = read_file(file);
        feed(original);
        for (unsigned long i = 0; i < edits; ++i) {
            feed(edit(original, random));
        }
    }
    return files.empty() ? EXIT_FAILURE : EXIT_SUCCESS;
}

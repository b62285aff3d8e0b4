# --device: the program for the CPU goes on in the one for the GPU that lies beside it, or says how to get it.
source "$(dirname "$0")/common.sh" "$@"
cp "$cmoe" "$scratch/cmoe" && cmoe=$scratch/cmoe

expect_error 2 "--device" -- tokenize --text a --device gpu
expect_error 1 "there is no $scratch/cmoe-cuda; it is built with -DCMOE_CUDA=ON" -- tokenize --text a --device cuda
[[ $("$cmoe" tokenize --text abc --device auto) == "$("$cmoe" tokenize --text abc)" ]] || fail "--device auto without a GPU's program is not the CPU"

printf '#!/bin/sh\necho "$@"\n' >"$scratch/cmoe-cuda"
chmod +x "$scratch/cmoe-cuda"
[[ $("$cmoe" tokenize --text abc --device cuda) == "tokenize --text abc --device cuda --device cuda" ]] || fail "--device cuda was not handed over"
[[ $("$cmoe" --device auto tokenize --text abc) == "--device auto tokenize --text abc --device auto" ]] || fail "--device auto was not handed over"
echo 'device = "cuda"' >"$scratch/settings.toml"
[[ $("$cmoe" --config "$scratch/settings.toml" tokenize --text abc) == *"--device cuda" ]] || fail "a configuration file's device was not handed over"
[[ $("$cmoe" tokenize --text abc --device cuda --device cpu) == "$("$cmoe" tokenize --text abc)" ]] || fail "the last --device does not count"

# The program for the GPU itself, where it was built: without a GPU it refuses, or goes back to the CPU's.
if [[ -x $(dirname "$1")/cmoe-cuda ]]; then
  cp "$(dirname "$1")/cmoe-cuda" "$scratch/cmoe-cuda"
  [[ $("$cmoe" tokenize --text abc --device auto) == "$("$cmoe" tokenize --text abc)" ]] || fail "--device auto says something else"
  [[ $("$scratch/cmoe-cuda" --version) == *"compute capability"* ]] || expect_error 1 "no GPU can be used: " -- tokenize --text a --device cuda
fi
finish

# The table of what compiling costs: it has the examples and the architectures, and its comparison notices what became costlier.
#   costs.sh SOURCE
set -eu
cd "$1/bench/compile"
for name in "$1"/examples/*.cpp; do
  grep -qE "^examples [0-9.]+ [0-9]+ $(basename "$name")\$" costs.txt || { echo "FAILED: costs.txt lacks $(basename "$name"); bench/compile/record"; exit 1; }
done
for name in headers PMoE Dapt Seta ModuleFormer all; do
  grep -qE "^architectures [0-9.]+ [0-9]+ $name\$" costs.txt || { echo "FAILED: costs.txt lacks $name; bench/compile/record"; exit 1; }
done
CMOE_COSTS=costs.txt ./record --compare || { echo "FAILED: the table differs from itself"; exit 1; }
worse=$(mktemp)
trap 'rm -f "$worse"' EXIT
awk '$1 == "architectures" && $NF == "PMoE" { $2 *= 1.5 } { print }' costs.txt >"$worse"
said=$(CMOE_COSTS=$worse ./record --compare) && { echo "FAILED: half as much again was not noticed"; exit 1; }
[[ $said == "architectures PMoE: "* ]] || { echo "FAILED: it says '$said'"; exit 1; }
awk '/^[a-z]/ { $2 *= 2 } { print }' costs.txt >"$worse"
CMOE_COSTS=$worse ./record --compare || { echo "FAILED: a slower machine was taken for slower code"; exit 1; }

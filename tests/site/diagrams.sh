# The diagrams in docs are those that the tree gives.
#   diagrams.sh SOURCE SCRATCH
set -eu
command -v python3 >/dev/null || { echo "skipped: there is no python3"; exit 77; }
mkdir -p "$2"
"$1/scripts/diagrams" "$2"
for name in layers step; do
  cmp "$2/$name.svg" "$1/docs/$name.svg" || { echo "FAILED: docs/$name.svg is not drawn from this tree: scripts/diagrams"; exit 1; }
done
python3 -c 'import sys, xml.dom.minidom
for path in sys.argv[1:]: xml.dom.minidom.parse(path)' "$2/layers.svg" "$2/step.svg"
grep -q ">stream" "$2/layers.svg" || { echo "FAILED: the layers have no words"; exit 1; }

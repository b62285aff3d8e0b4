# The report in a real browser: it renders, without network, narrow and wide.
source "$(dirname "$0")/common.sh" "$@"
browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome) || {
  echo "skipped: no Chromium here, the report was not rendered"
  exit 77
}
cd "$scratch" || exit 1
"$cmoe" demo --methods seqlora,pmoe --task-steps 2 --test-limit 4 --out demo --quiet >/dev/null || fail "demo"
grep -qE '(src|href)="?https?:' demo/report.html && fail "the report reaches for the network"
for width in 420 1280; do
  "$browser" --headless --no-sandbox --disable-gpu --hide-scrollbars --window-size=$width,1600 --screenshot="$scratch/$width.png" \
    "file://$scratch/demo/report.html" >/dev/null 2>&1
  [[ -s $width.png && $(stat -c %s $width.png) -gt 20000 ]] || fail "no picture at width $width"
done
finish

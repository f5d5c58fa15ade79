#!/bin/sh
# Segment two organs of a scan from a prompts file: labels, classes and a report in the folder OUT.
#   examples/predict.sh SCAN PROMPTS OUT [options of segsam predict]
set -eu
scan=$1 prompts=$2 out=$3
shift 3

mkdir -p "$out"
segsam info "$scan"
segsam predict "$scan" --prompts "$prompts" --out "$out/labels.nii.gz" \
    --semantic "$out/semantic.nii.gz" --report "$out/report.json" "$@"
